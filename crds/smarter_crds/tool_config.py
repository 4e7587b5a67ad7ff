"""The part of the contract between operator and runtime that all tools share which ask others."""

from collections.abc import Mapping
from typing import Any, Literal

from smarter_crds.base import ApiModel
from smarter_crds.connection_config import CredentialsConfig

ParameterTypeName = Literal["String", "Integer", "Number", "Boolean", "Array", "Object"]


class ParameterConfig(ApiModel):
    """One parameter of a tool; `enum` and `default` are written as strings and read by `type`."""

    name: str
    type: ParameterTypeName
    description: str = ""
    required: bool = False
    enum: tuple[str, ...] = ()
    """The only values allowed; empty: any."""
    default: str | None = None
    claim: str = ""
    """Claim of the signed identity that gives the value; empty: the model gives it."""


class ProxyConfig(ApiModel):
    """A proxy through which a connection is made."""

    url: str
    credentials: CredentialsConfig | None = None


def unused_members(plugin: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the members of a written plugin that say nothing, so that its hash stays what it was before they came."""
    return tuple(name for name, default in _SAYS_NOTHING.items() if name in plugin and plugin[name] == default)


_SAYS_NOTHING: Mapping[str, Any] = {
    "parameters": [],
    "sideEffects": "None",
    "confirm": "Never",
    "api": None,
    "sql": None,
}
