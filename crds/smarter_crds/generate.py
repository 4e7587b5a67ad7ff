"""Makes the CustomResourceDefinitions and whatever else is written from the models. Needs PyYAML, a dev tool."""

from pathlib import Path
from typing import Any

import yaml

from smarter_crds.base import GROUP, VERSION
from smarter_crds.kinds import KINDS, Column, Kind
from smarter_crds.reference import api_reference, supported_fields, usage_reference
from smarter_crds.schema import Schema, structural_schema

Manifest = dict[str, Any]

_HEADER = "# Generated from the models in crds/smarter_crds by `make generate`; edits are lost.\n"


def files() -> dict[Path, str]:
    """Return every generated file by its path below the repository's root."""
    written: dict[Path, str] = {}
    for kind in KINDS.values():
        crd = custom_resource_definition(kind)
        written[Path("crds") / f"{kind.plural}.yaml"] = _HEADER + _yaml(crd)
        written[Path("charts/smarter-crds/templates") / f"{kind.plural}.yaml"] = _HEADER + _template(crd)
    written[Path("docs/reference/api.md")] = api_reference()
    written[Path("docs/reference/supported-fields.md")] = supported_fields()
    written[Path("docs/reference/usage-record.md")] = usage_reference()
    return written


def custom_resource_definition(kind: Kind) -> Manifest:
    """Build the CustomResourceDefinition of `kind`."""
    names = {
        "kind": kind.name,
        "listKind": f"{kind.name}List",
        "plural": kind.plural,
        "singular": kind.singular,
        "categories": ["smarter"],
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {"group": GROUP, "names": names, "scope": kind.scope, "versions": [_version(kind)]},
    }


def _version(kind: Kind) -> Manifest:
    version: Manifest = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
        "schema": {"openAPIV3Schema": _root(kind)},
    }
    subresources: Manifest = {}
    if kind.has_status:
        subresources["status"] = {}
    if kind.scalable:
        subresources["scale"] = {
            "specReplicasPath": ".spec.scaling.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        }
    if subresources:
        version["subresources"] = subresources
    return version


def _column(column: Column) -> Manifest:
    manifest: Manifest = {
        "name": column.name,
        "type": column.type,
        "description": column.description,
        "jsonPath": column.path,
    }
    return manifest | ({"priority": column.priority} if column.priority else {})


def _root(kind: Kind) -> Schema:
    schema = structural_schema(kind.model)
    # The API server checks metadata itself and allows no further schema of it.
    schema["properties"] = {
        "apiVersion": {"type": "string", "description": f"Version of the API: `{GROUP}/{VERSION}`."},
        "kind": {"type": "string", "description": f"Kind of the resource: `{kind.name}`."},
        "metadata": {"type": "object"},
        "spec": schema["properties"]["spec"],
        **({"status": schema["properties"]["status"]} if kind.has_status else {}),
    }
    schema["required"] = ["spec"]
    return schema


def _template(crd: Manifest) -> str:
    """Return the chart's copy, which outlives an uninstall: deleting a CRD would delete every resource of its kind."""
    kept = crd | {"metadata": {**crd["metadata"], "annotations": {"helm.sh/resource-policy": "keep"}}}
    return _yaml(kept).replace("{{", '{{ "{{" }}')


class _Dumper(yaml.SafeDumper):
    """Writes what occurs twice twice, for a reader has no use for YAML's anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _yaml(manifest: Manifest) -> str:
    text: str = yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    return text
