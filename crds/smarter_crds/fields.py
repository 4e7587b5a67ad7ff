"""The kinds of value of which the resources are made: names, addresses, quantities and lists with their limits."""

from collections.abc import Hashable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"


@dataclass(frozen=True)
class ListType:
    """How the API server merges a list: `set`, or `map` by `keys`. A list without this mark is `atomic`."""

    name: str
    keys: tuple[str, ...] = ()

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        schema["x-kubernetes-list-type"] = self.name
        if self.keys:
            schema["x-kubernetes-list-map-keys"] = list(self.keys)
        return schema


@dataclass(frozen=True)
class IntOrString:
    """Marks an amount that YAML may write as a whole number or as a string."""

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler(core_schema)
        strings = next(choice for choice in schema["anyOf"] if choice["type"] == "string")
        limits = {key: value for key, value in strings.items() if key != "type"}
        return {
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            **limits,
        }


def _without_duplicates(items: tuple[Hashable, ...]) -> tuple[Hashable, ...]:
    seen: set[Hashable] = set()
    for item in items:
        if item in seen:
            raise ValueError(f"{item!r} is listed twice")
        seen.add(item)
    return items


def _names_once(items: tuple[Any, ...]) -> tuple[Any, ...]:
    _without_duplicates(tuple(item.name for item in items))
    return items


def _types_once(items: tuple[Any, ...]) -> tuple[Any, ...]:
    _without_duplicates(tuple(item.type for item in items))
    return items


def _network(text: str) -> str:
    ip_network(text)
    return text


T = TypeVar("T")

SetOf = Annotated[tuple[T, ...], AfterValidator(_without_duplicates), ListType("set")]
"""A list without order and duplicates."""

MapByName = Annotated[tuple[T, ...], AfterValidator(_names_once), ListType("map", ("name",))]
"""A list of things with a unique `name`."""

MapByType = Annotated[tuple[T, ...], AfterValidator(_types_once), ListType("map", ("type",))]
"""A list of things with a unique `type`."""

ObjectName = Annotated[str, Field(min_length=1, max_length=253, pattern=rf"^{_LABEL}(\.{_LABEL})*$")]
"""Name of a Kubernetes object."""

LabelName = Annotated[str, Field(min_length=1, max_length=63, pattern=rf"^{_LABEL}$")]
"""Name of a Kubernetes object that must be a DNS label, such as a namespace or a Plugin."""

DataKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
"""Key in a Secret or ConfigMap."""

ShortText = Annotated[str, Field(max_length=255)]
RequiredText = Annotated[str, Field(min_length=1, max_length=255)]

Sha256 = Annotated[str, Field(min_length=64, max_length=64, pattern=r"^[0-9a-f]{64}$")]
"""Digest of a token."""

Host = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=r"^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?\.)*[a-z]([-a-z0-9]{0,61}[a-z0-9])?$",
    ),
]
"""Host name in lower case and punycode: no wildcard, no IP address, no port."""

Address = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-a-zA-Z0-9._:]+$")]
"""Host name or IP address to dial."""

Port = Annotated[int, Field(ge=1, le=65535)]

# No user and password in addresses: they would be shown to everyone who may read the resource.
Url = Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s/?#@]+([/?#]\S*)?$")]
BaseUrl = Annotated[str, Field(max_length=2048, pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
ShortUrl = Annotated[str, Field(max_length=255, pattern=r"^https?://[^\s/?#@]+([/?#]\S*)?$")]
ProxyUrl = Annotated[str, Field(max_length=2048, pattern=r"^(https?|socks5)://[^\s/?#@]+/?$")]
Origin = Annotated[str, Field(max_length=255, pattern=r"^https?://(\*\.)?[-a-zA-Z0-9.]+(:[0-9]{1,5})?$")]

Cidr = Annotated[str, Field(max_length=43, pattern=r"^[0-9a-fA-F:.]{2,39}/[0-9]{1,3}$"), AfterValidator(_network)]
"""Network in CIDR notation, for example `10.0.0.0/8` or `fd00::/8`."""

AllowedCidrs = Annotated[
    tuple[Cidr, ...],
    Field(
        alias="allowedCIDRs",
        max_length=32,
        description="Networks that are not public and may be dialled all the same, for example `10.0.0.0/8`. Default: "
        "none.",
    ),
    AfterValidator(_without_duplicates),
    ListType("set"),
]

HeaderName = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")]
HeaderValue = Annotated[str, Field(max_length=4096, pattern=r"^[^\r\n\x00]*$")]

Money = Annotated[str, Field(min_length=1, max_length=20, pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$")]
"""Decimal number as a string, so that no digit is lost."""

ModelName = Annotated[str, Field(min_length=1, max_length=255)]
"""A model as its provider names it."""

QuantityText = Annotated[
    str,
    Field(max_length=64, pattern=r"^[0-9]+(\.[0-9]+)?([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?$"),
]
Quantity = Annotated[Annotated[int, Field(ge=0)] | QuantityText, IntOrString()]
"""Amount of a resource, as in Kubernetes: `50m`, `128Mi`, `1`."""

LabelValue = Annotated[str, Field(max_length=63, pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$")]
QualifiedKey = Annotated[str, Field(max_length=317)]
AnnotationValue = Annotated[str, Field(max_length=4096)]
