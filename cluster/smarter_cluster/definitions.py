"""The CustomResourceDefinitions of other projects, taken from their Go modules into the cache."""

from collections.abc import Callable, Iterator
from pathlib import Path

from smarter_cluster import files, programs
from smarter_cluster.errors import ClusterError

FetchModule = Callable[[str, str], Path]
"""Takes a module and a version; returns the folder with its files."""


def folder(cache: Path, fetch: FetchModule) -> Path:
    """A folder with the definitions of Gateway API, cert-manager and Contour, in the pinned versions."""
    versions = (programs.GATEWAY_API, programs.CERT_MANAGER, programs.CONTOUR)
    target = cache / f"crds-{'-'.join(versions)}"
    if not target.is_dir():
        with files.scratch(cache) as scratch:
            made = scratch / "crds"
            made.mkdir()
            for name, text in _manifests(fetch):
                files.write(made / name, text)
            files.publish(made, target)
    return target


def _manifests(fetch: FetchModule) -> Iterator[tuple[str, str]]:
    sources = (
        ("sigs.k8s.io/gateway-api", programs.GATEWAY_API, "config/crd/standard/*.yaml"),
        ("github.com/cert-manager/cert-manager", programs.CERT_MANAGER, "deploy/crds/*.yaml"),
        ("github.com/projectcontour/contour", programs.CONTOUR, "examples/contour/01-crds.yaml"),
    )
    for module, version, pattern in sources:
        found = sorted(fetch(module, version).glob(pattern))
        if not found:
            raise ClusterError(f"Module {module} {version} has no {pattern}; its definitions lie elsewhere now.")
        for path in found:
            yield f"{module.rpartition('/')[2]}-{path.name}", path.read_text()
