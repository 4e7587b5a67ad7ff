"""Tools over data that lies in the plugin itself: the model names a part, the tool returns it."""

from typing import Any

import orjson

from smarter_crds.runtime_config import PluginConfig
from smarter_runtime.events import ToolOffer
from smarter_runtime.tools import Arguments, Tool, ToolFailed
from smarter_runtime.tools.connectors import Unservable

PARAMETER = "inquiry_type"


def static_tool(plugin: PluginConfig) -> Tool:
    if plugin.static is None:
        raise Unservable(f"Plugin {plugin.name!r} is of type {plugin.type!r} and has no `static` member.")
    data = plugin.static.data

    def check(arguments: Arguments) -> None:
        _check(arguments, data)

    async def run(arguments: Arguments) -> str:
        return _as_text(data[arguments[PARAMETER]])

    return Tool(offer=_offer(plugin, list(data)), check=check, run=run, max_characters=plugin.result_max_characters)


def _offer(plugin: PluginConfig, keys: list[str]) -> ToolOffer:
    parameter = {"type": "string", "enum": keys, "description": "What to look up."}
    schema = {
        "type": "object",
        "properties": {PARAMETER: parameter},
        "required": [PARAMETER],
        "additionalProperties": False,
    }
    return ToolOffer(plugin.name, plugin.description, schema)


def _check(arguments: Arguments, data: dict[str, Any]) -> None:
    unknown = sorted(set(arguments) - {PARAMETER})
    if unknown:
        raise ToolFailed(f"There is no parameter {unknown[0][:64]!r}; the only one is {PARAMETER!r}.")
    value = arguments.get(PARAMETER)
    if not isinstance(value, str) or value not in data:
        raise ToolFailed(f"{PARAMETER!r} must be one of {list(data)}.")


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
