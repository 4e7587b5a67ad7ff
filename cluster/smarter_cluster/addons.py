"""What a cluster gets beside its own programs."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from smarter_cluster import files, shell
from smarter_cluster.site import Site


class Kubectl:
    """Runs kubectl against one cluster as its administrator."""

    def __init__(self, site: Site) -> None:
        self._command = (str(site.bin / "kubectl"), "--kubeconfig", str(site.kubeconfig))

    def __call__(self, *arguments: str, stdin: str | None = None) -> str:
        """Run a command and return what it prints."""
        return shell.run([*self._command, *arguments], stdin)


def install_definitions(site: Site, folder: Path, kubectl: Kubectl) -> None:
    """Install the definitions of Gateway API, cert-manager and Contour."""

    def install() -> None:
        kubectl("apply", "--server-side", "--force-conflicts", "-f", str(folder))
        kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(folder))

    once(site, "definitions", folder.name, install)


def apply(site: Site, name: str, manifests: str, kubectl: Kubectl) -> None:
    """Apply manifests of ours."""
    once(site, name, manifests, lambda: kubectl("apply", "--server-side", "--filename=-", stdin=manifests))


def once(site: Site, name: str, content: str, action: Callable[[], object]) -> None:
    """Do `action` unless it was done for the same `content` in this cluster."""
    marker = site.folder / "done" / name
    wanted = hashlib.sha256(content.encode()).hexdigest()
    if not marker.is_file() or marker.read_text() != wanted:
        action()
        files.write(marker, wanted)
