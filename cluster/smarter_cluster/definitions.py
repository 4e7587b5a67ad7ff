"""The CustomResourceDefinitions of other projects, taken from their Go modules into the cache."""

from collections.abc import Callable, Iterator
from pathlib import Path

from smarter_cluster import files, programs
from smarter_cluster.errors import ClusterError

FetchModule = Callable[[str], Path]
"""Takes a module's name; returns the folder with its files in the pinned version."""


SOURCES = {
    "sigs.k8s.io/gateway-api": "config/crd/standard/*.yaml",
    "github.com/cert-manager/cert-manager": "deploy/crds/*.yaml",
    "github.com/projectcontour/contour": "examples/contour/01-crds.yaml",
}


def folder(cache: Path, fetch: FetchModule) -> Path:
    """A folder with the definitions of Gateway API, cert-manager and Contour, in the pinned versions."""
    versions = [programs.MODULES[module] for module in SOURCES]
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
    for module, pattern in SOURCES.items():
        found = sorted(fetch(module).glob(pattern))
        if not found:
            raise ClusterError(f"Module {module} has no {pattern} any more; find out where its definitions lie now.")
        for path in found:
            yield f"{module.rpartition('/')[2]}-{path.name}", path.read_text()
