"""The CustomResourceDefinitions of other projects, taken from their Go modules into the cache."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from smarter_cluster import files, programs

FetchModule = Callable[[str, str], Path]
TEMPLATE = re.compile(r"\{\{.*?\}\}")


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


def plain(text: str) -> str:
    """A manifest without the placeholders of Helm, which sit in labels that only Helm needs."""
    return TEMPLATE.sub("none", text)


def _manifests(fetch: FetchModule) -> Iterator[tuple[str, str]]:
    gateway = fetch("sigs.k8s.io/gateway-api", programs.GATEWAY_API) / "config" / "crd" / "standard"
    cert_manager = fetch("github.com/cert-manager/cert-manager", programs.CERT_MANAGER) / "deploy" / "crds"
    contour = fetch("github.com/projectcontour/contour", programs.CONTOUR) / "examples" / "contour" / "01-crds.yaml"
    for path in (*sorted(gateway.glob("*.yaml")), *sorted(cert_manager.glob("crd-*.yaml")), contour):
        owner = "contour" if path == contour else path.parents[2].name.partition("@")[0]
        yield f"{owner}-{path.name}", plain(path.read_text())
