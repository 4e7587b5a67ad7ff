"""Builds the images of the operator and the runtime: with Docker where it answers, else with buildah."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from smarter_cluster import debian, files, packages
from smarter_cluster.errors import ClusterError
from smarter_cluster.reporting import Say
from smarter_cluster.shell import run, succeeds

PARTS = ("operator", "runtime")
"""What every installation needs."""

ALL_PARTS = (*PARTS, "runtime-langchain")
"""What can be built. `x-y` is the program `x` with other requirements."""

KEPT_ARCHIVES = 3
# Certificates of the machine; with them, the build reaches the package index as the machine does.
CERTIFICATES = Path("/etc/ssl/certs")
CERTIFICATE_BUNDLE = CERTIFICATES / "ca-certificates.crt"


@dataclass(frozen=True)
class Image:
    """One of our images as built from the present files."""

    part: str
    name: str
    archive: Path


def images(cache: Path, source: Path, parts: Sequence[str] = PARTS) -> list[Image]:
    """The images that belong to the files in `source`; whether they were built is another question."""
    if not (source / "Dockerfile").is_file():
        raise ClusterError(f"There is no Dockerfile in {source}; run this in the project's folder.")
    return [_image(cache, source, part) for part in parts]


def archive(cache: Path, name: str) -> Path:
    """Where the archive of an image of ours lies."""
    return cache / "images" / f"{name.rpartition('/')[2].replace(':', '-')}.tar"


def inputs(source: Path, part: str) -> list[Path]:
    """The files an image is made of, in a fixed order."""
    single = [source / name for name in ("Dockerfile", ".dockerignore", f"requirements/{part}.txt")]
    program = part.partition("-")[0]
    folders = (source / "crds" / "smarter_crds", source / program / f"smarter_{program}")
    code = (path for folder in folders for path in folder.rglob("*") if path.is_file())
    return [*single, *sorted(path for path in code if "__pycache__" not in path.parts)]


def digest(source: Path, paths: Iterable[Path], *more: str) -> str:
    """A short hash over names and contents."""
    total = hashlib.sha256("\0".join(more).encode())
    for path in paths:
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        total.update(f"\0{path.relative_to(source)}\0{content}".encode())
    return total.hexdigest()[:12]


def docker_answers() -> bool:
    """Whether a Docker engine runs here; the client alone is no use."""
    return succeeds(["docker", "info"])


def build(cache: Path, source: Path, say: Say, parts: Sequence[str] = PARTS) -> list[Image]:
    """Build what changed of `parts`; return all their images."""
    wanted = images(cache, source, parts)
    with files.locked(cache / ".images.lock"):
        missing = [image for image in wanted if not image.archive.is_file()]
        if missing and docker_answers():
            _with_docker(source, missing, say)
        elif missing:
            packages.ensure(packages.IMAGES, say, packages.installer())
            _with_buildah(cache, source, missing, say)
    return wanted


def forget_old(image: Image) -> list[str]:
    """Keep only the newest archives of a part; each edit of its code makes one. Returns the names of the others."""
    prefix = f"smarter-{image.part}"
    own = (path for path in image.archive.parent.glob(f"{prefix}-*.tar") if path.stem.rpartition("-")[0] == prefix)
    archives = sorted(own, key=lambda path: path.stat().st_mtime)
    forgotten = archives[:-KEPT_ARCHIVES]
    for path in forgotten:
        path.unlink()
    return [f"localhost/smarter-{image.part}:{path.stem.rpartition('-')[2]}" for path in forgotten]


def docker_command(source: Path, image: Image) -> list[str]:
    return ["docker", "build", "--quiet", "--target", image.part, "--tag", image.name, str(source)]


def buildah_command(cache: Path, source: Path, image: Image, *, has_certificates: bool) -> list[str]:
    """How buildah builds an image without an engine, a registry or a network of its own."""
    bases = {"BASE_IMAGE": _base_name(debian.FINAL), "BUILD_IMAGE": _base_name(debian.BUILD)}
    arguments = bases | ({"PIP_CERT": str(CERTIFICATE_BUNDLE)} if has_certificates else {})
    return [
        *buildah(cache),
        *("bud", "--quiet", "--isolation", "chroot", "--layers", "--pull-never"),
        *(["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"] if has_certificates else []),
        *(option for name, value in arguments.items() for option in ("--build-arg", f"{name}={value}")),
        *("--target", image.part, "--tag", image.name, str(source)),
    ]


def buildah(cache: Path) -> tuple[str, ...]:
    """buildah with a storage of its own, which goes away with the cache."""
    storage = cache / "buildah"
    return ("buildah", "--root", str(storage / "root"), "--runroot", str(storage / "run"))


def _image(cache: Path, source: Path, part: str) -> Image:
    bases = (debian.FINAL.key, debian.BUILD.key)
    name = f"localhost/smarter-{part}:{digest(source, inputs(source, part), *bases)}"
    return Image(part, name, archive(cache, name))


def _with_docker(source: Path, missing: Sequence[Image], say: Say) -> None:
    for image in missing:
        say(f"building {image.name} with Docker")
        run(docker_command(source, image))
        with files.scratch(image.archive.parent) as scratch:
            run(["docker", "save", "--output", str(scratch / "image.tar"), image.name])
            files.publish(scratch / "image.tar", image.archive)
        for name in forget_old(image):
            succeeds(["docker", "image", "rm", name])


def _with_buildah(cache: Path, source: Path, missing: Sequence[Image], say: Say) -> None:
    for base in (debian.FINAL, debian.BUILD):
        _ensure_base(cache, base, say)
    for image in missing:
        say(f"building {image.name} with buildah")
        has_certificates = CERTIFICATE_BUNDLE.is_file()
        run(buildah_command(cache, source, image, has_certificates=has_certificates))
        with files.scratch(image.archive.parent) as scratch:
            target = f"docker-archive:{scratch / 'image.tar'}:{image.name}"
            run([*buildah(cache), "push", "--quiet", image.name, target])
            files.publish(scratch / "image.tar", image.archive)
        for name in forget_old(image):
            succeeds([*buildah(cache), "rmi", name])


def _ensure_base(cache: Path, base: debian.Base, say: Say) -> None:
    name = _base_name(base)
    if not succeeds([*buildah(cache), "inspect", "--type", "image", name]):
        root = debian.root(cache, base, say)
        recipe = "FROM scratch\nCOPY . /\nENV PATH=/usr/local/bin:/usr/bin:/bin LANG=C.UTF-8\n"
        command = [*buildah(cache), "bud", "--quiet", "--isolation", "chroot", "--tag", name, "--file", "-", str(root)]
        run(command, stdin=recipe)


def _base_name(base: debian.Base) -> str:
    return f"localhost/{base.name}:{base.key}"
