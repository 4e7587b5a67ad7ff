import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from smarter_cluster import archives, debian, imagebuild
from smarter_cluster.errors import ClusterError
from smarter_cluster.imagebuild import Image

CACHE = Path("/cache")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("Dockerfile", ".dockerignore", "requirements/operator.txt", "requirements/runtime.txt"):
        write(tmp_path / name, name)
    for name in ("crds/smarter_crds/a.py", "operator/smarter_operator/b.py", "runtime/smarter_runtime/c.py"):
        write(tmp_path / name, name)
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def image_names(project: Path) -> dict[str, str]:
    return {image.part: image.name for image in imagebuild.images(CACHE, project)}


@pytest.mark.parametrize(
    ("changed", "renamed"),
    [
        pytest.param("crds/smarter_crds/a.py", {"operator", "runtime"}, id="shared-code"),
        pytest.param("operator/smarter_operator/b.py", {"operator"}, id="code-of-one-part"),
        pytest.param("requirements/runtime.txt", {"runtime"}, id="dependencies-of-one-part"),
        pytest.param("Dockerfile", {"operator", "runtime"}, id="recipe"),
        pytest.param("runtime/smarter_runtime/static/new.js", {"runtime"}, id="new-file"),
        pytest.param("runtime/smarter_runtime/__pycache__/c.pyc", set(), id="bytecode"),
        pytest.param("docs/readme.md", set(), id="unrelated"),
    ],
)
def test_an_image_has_a_new_name_exactly_when_something_in_it_changed(
    project: Path, changed: str, renamed: set[str]
) -> None:
    before = image_names(project)
    write(project / changed, "edited")
    after = image_names(project)
    assert {part for part in after if after[part] != before[part]} == renamed


def test_a_moved_file_changes_the_image_though_no_content_did(project: Path) -> None:
    before = image_names(project)
    (project / "runtime/smarter_runtime/c.py").rename(project / "runtime/smarter_runtime/d.py")
    assert image_names(project)["runtime"] != before["runtime"]


def test_a_folder_without_a_dockerfile_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ClusterError, match="run this in the project's folder"):
        imagebuild.images(CACHE, tmp_path)


def test_the_archive_of_an_image_is_found_by_its_name() -> None:
    assert imagebuild.archive(CACHE, "localhost/smarter-runtime:abc") == CACHE / "images" / "smarter-runtime-abc.tar"


def test_buildah_needs_no_registry_and_no_engine(project: Path) -> None:
    image = Image("runtime", "localhost/smarter-runtime:abc", CACHE / "a.tar")
    command = imagebuild.buildah_command(CACHE, project, image, has_certificates=False)
    assert command[:3] == ["buildah", "--root", "/cache/buildah/root"]
    assert "--pull-never" in command
    assert f"BASE_IMAGE=localhost/python:{debian.FINAL.key}" in command
    assert command[-5:] == ["--target", "runtime", "--tag", image.name, str(project)]
    assert "--volume" not in command


def test_the_machines_certificates_are_lent_to_the_build_only(project: Path) -> None:
    image = Image("runtime", "localhost/smarter-runtime:abc", CACHE / "a.tar")
    command = imagebuild.buildah_command(CACHE, project, image, has_certificates=True)
    assert command[command.index("--volume") + 1] == "/etc/ssl/certs:/etc/ssl/certs:ro"
    assert "PIP_CERT=/etc/ssl/certs/ca-certificates.crt" in command


def test_docker_builds_the_same_target(project: Path) -> None:
    image = Image("operator", "localhost/smarter-operator:abc", CACHE / "a.tar")
    command = imagebuild.docker_command(project, image)
    assert command == ["docker", "build", "--quiet", "--target", "operator", "--tag", image.name, str(project)]


def test_only_the_newest_archives_of_a_part_are_kept(tmp_path: Path) -> None:
    for age, name in enumerate(("smarter-runtime-a", "smarter-runtime-b", "smarter-runtime-c", "smarter-runtime-d")):
        (tmp_path / f"{name}.tar").touch()
        os.utime(tmp_path / f"{name}.tar", (age, age))
    (tmp_path / "smarter-operator-a.tar").touch()
    newest = Image("runtime", "localhost/smarter-runtime:d", tmp_path / "smarter-runtime-d.tar")
    assert imagebuild.forget_old(newest) == ["localhost/smarter-runtime:a"]
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert kept == [
        "smarter-operator-a.tar",
        "smarter-runtime-b.tar",
        "smarter-runtime-c.tar",
        "smarter-runtime-d.tar",
    ]


def test_the_bases_have_different_keys_and_the_final_one_no_shell() -> None:
    assert debian.FINAL.key != debian.BUILD.key
    assert not {"dash", "bash", "coreutils"} & set(debian.FINAL.packages)


def test_an_archive_of_one_program_says_what_is_in_it(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    content = archives.single_file("localhost/pause:1", program, "x86_64")
    archive = tmp_path / "image.tar"
    archive.write_bytes(content)
    assert archives.names(archive) == ["localhost/pause:1"]
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        files = {member.name: tar.extractfile(member) for member in tar.getmembers()}
        manifest = json.loads((files["manifest.json"] or io.BytesIO()).read())[0]
        config = json.loads((files[manifest["Config"]] or io.BytesIO()).read())
    assert config["architecture"] == "amd64"
    assert config["config"] == {"Entrypoint": ["/pause"], "User": "65535:65535"}


def test_an_archive_is_the_same_whenever_it_is_made(tmp_path: Path) -> None:
    program = tmp_path / "pause"
    program.write_bytes(b"\x7fELF")
    first = archives.single_file("localhost/pause:1", program, "x86_64")
    os.utime(program, (1, 1))
    assert archives.single_file("localhost/pause:1", program, "x86_64") == first
