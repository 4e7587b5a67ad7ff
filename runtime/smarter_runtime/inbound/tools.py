"""The caller's own tools, which run at the caller's: their offers, and which of them is to be called."""

import re
from dataclasses import dataclass
from typing import Any, Literal

from smarter_runtime.errors import invalid
from smarter_runtime.events import ToolOffer
from smarter_runtime.inbound import Reader
from smarter_runtime.inbound.values import Given, flag, items, mapping, only, optional_text, text

MAX_TOOLS = 128
MAX_DESCRIPTION_CHARACTERS = 16_384
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CHOICES = ("none", "auto", "required")
_MEMBERS = ("name", "description", "parameters", "strict")
_NO_PARAMETERS = {"type": "object", "properties": {}}

Mode = Literal["nested", "flat"]
"""Where a function's members stand: in `function`, as in ChatCompletions, or beside `type`, as in Responses."""


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What a caller brings along."""

    offers: tuple[ToolOffer, ...] = ()
    choice: str = "auto"
    """`auto`, `none`, `required`, or the name of the function to call."""


def tools(given: Given, mode: Mode, reader: Reader) -> Tools:
    """Return the tools and the choice among them.

    Raises:
        ApiError: with a sentence that names the tool or field.
    """
    values = items(given.get("tools", []), "tools", MAX_TOOLS)
    offers = tuple(_offer(value, f"tools[{index}]", mode, reader) for index, value in enumerate(values))
    names = [offer.name for offer in offers]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise invalid(f"Two tools are called {name!r}; give each a name of its own.", f"tools[{index}]")
    # By name, as our own: the order in which a client happens to list them shall not spoil the providers' caches.
    ordered = tuple(sorted(offers, key=lambda offer: offer.name))
    return Tools(offers=ordered, choice=_choice(given.get("tool_choice"), frozenset(names), mode))


def _offer(value: Any, place: str, mode: Mode, reader: Reader) -> ToolOffer:
    tool = mapping(value, place)
    if tool.get("type") != "function":
        raise invalid(f"`{place}.type` must be 'function'; other tools are not available.", f"{place}.type")
    if mode == "nested":
        only(tool, ("type", "function"), place)
        place = f"{place}.function"
        tool = mapping(tool.get("function"), place)
        only(tool, _MEMBERS, place)
    else:
        only(tool, ("type", *_MEMBERS), place)
    return ToolOffer(
        _name(tool, place, reader),
        optional_text(tool, "description", place, most=MAX_DESCRIPTION_CHARACTERS),
        _parameters(tool.get("parameters"), f"{place}.parameters"),
        is_strict=bool(flag(tool, "strict")),
    )


def _name(tool: Given, place: str, reader: Reader) -> str:
    name = text(tool, "name", place)
    if not _NAME.fullmatch(name):
        message = f"`{place}.name` must be 1 to 64 letters, digits, dashes and underscores."
        raise invalid(message, f"{place}.name")
    if name in reader.own_tools:
        message = f"The chatbot has a tool {name!r} of its own; give yours another name."
        raise invalid(message, f"{place}.name", "tool_name_taken")
    return name


def _parameters(value: Any, place: str) -> Given:
    if value is None:
        return _NO_PARAMETERS
    schema = mapping(value, place)
    if schema and schema.get("type") != "object":
        raise invalid(f"`{place}` must be a JSON Schema of type 'object'.", place)
    return schema or _NO_PARAMETERS


def _choice(value: Any, names: frozenset[str], mode: Mode) -> str:
    if value is None:
        return "auto"
    if value in _CHOICES:
        if value == "required" and not names:
            raise invalid("`tool_choice` is 'required', but there are no `tools` to call.", "tool_choice")
        return str(value)
    if not isinstance(value, dict) or value.get("type") != "function":
        text_ = "`tool_choice` must be 'none', 'auto', 'required' or a function to call."
        raise invalid(text_, "tool_choice")
    function = value if mode == "flat" else mapping(value.get("function"), "tool_choice.function")
    name = text(function, "name", "tool_choice")
    if name not in names:
        raise invalid(f"`tool_choice` names {name[:64]!r}, which is not in `tools`.", "tool_choice")
    return name
