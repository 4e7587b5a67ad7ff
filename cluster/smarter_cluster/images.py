"""Images for the pods: which are in the node's containerd, and bringing in those that are not."""

import platform
from collections.abc import Iterable
from pathlib import Path

from smarter_cluster import archives, files, kubelet, shell
from smarter_cluster.errors import ClusterError
from smarter_cluster.reporting import Say
from smarter_cluster.site import Site


def ensure_sandbox(site: Site, enter: tuple[str, ...]) -> None:
    """Have the image in which every pod's namespaces live."""
    if kubelet.SANDBOX_IMAGE not in present(site, enter):
        archive = site.folder / "pause.tar"
        content = archives.single_file(kubelet.SANDBOX_IMAGE, (site.bin / "pause").resolve(), platform.machine())
        files.write(archive, content)
        _import(site, enter, archive)
        archive.unlink()


def load(site: Site, enter: tuple[str, ...], archive_files: Iterable[Path], say: Say) -> None:
    """Import the archives whose images the node does not have yet."""
    for archive in archive_files:
        if not archive.is_file():
            raise ClusterError(f"There is no image archive {archive}; `build-images` prints the paths of ours.")
        missing = sorted(set(archives.names(archive)) - present(site, enter))
        if missing:
            _import(site, enter, archive.resolve())
            say(f"loaded {', '.join(missing)}")


def present(site: Site, enter: tuple[str, ...]) -> set[str]:
    """The names of the images that the node has."""
    return set(shell.run([*kubelet.ctr(site, enter), "images", "ls", "-q"]).split())


def _import(site: Site, enter: tuple[str, ...], archive: Path) -> None:
    shell.run([*kubelet.ctr(site, enter), "images", "import", str(archive)])
