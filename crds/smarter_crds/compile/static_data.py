"""The data of static Plugins: inline, or in a ConfigMap as YAML or JSON."""

from typing import Any

from smarter_crds.compile.config_maps import text_in
from smarter_crds.compile.free_form import MAX_DATA_BYTES, check_free_form
from smarter_crds.compile.model import References
from smarter_crds.compile.problems import Problem
from smarter_crds.plugin import Plugin
from smarter_crds.references import ConfigMapKeyRef

MAX_KEYS = 1000
"""At the top: each is a choice of the tool's parameter."""

_MAX_CHARACTERS = 4 * MAX_DATA_BYTES
"""Of the text in a ConfigMap, which may hold comments."""


def with_data(plugin: Plugin, references: References) -> Plugin | Problem:
    """Return `plugin` with its data in it, wherever that is kept, or why it cannot be had."""
    static = plugin.spec.static
    if plugin.spec.type != "Static" or static is None or static.data_from is None:
        return plugin
    ref = static.data_from.config_map_key_ref
    place = f"`spec.static.dataFrom` of Plugin {plugin.metadata.name!r}"
    text = text_in(ref, references, plugin.metadata.namespace, place)
    data = text if isinstance(text, Problem) else _read(text, plugin.metadata.name, ref, references)
    if isinstance(data, Problem):
        return data
    spec = plugin.spec.model_copy(update={"static": static.model_copy(update={"data": data})})
    return plugin.model_copy(update={"spec": spec})


def _read(text: str, plugin: str, ref: ConfigMapKeyRef, references: References) -> dict[str, Any] | Problem:
    place = f"Key {ref.key!r} of ConfigMap {ref.name!r}, the data of Plugin {plugin!r},"
    if len(text) > _MAX_CHARACTERS:
        return _invalid(f"{place} has {len(text)} characters, and {_MAX_CHARACTERS} are read; shorten it.")
    try:
        data = references.read_data(text)
    except ValueError as error:
        return _invalid(f"{place} holds neither YAML nor JSON: {error}; correct it.")
    if not isinstance(data, dict) or not 0 < len(data) <= MAX_KEYS:
        return _invalid(f"{place} must hold an object of 1 to {MAX_KEYS} keys, of which the model chooses one.")
    return next((_invalid(problem.message) for problem in check_free_form(place, data)), data)


def _invalid(message: str) -> Problem:
    # One reason for all: an edit of the ConfigMap helps, and none of the Plugin.
    return Problem("ConfigMapInvalid", message)
