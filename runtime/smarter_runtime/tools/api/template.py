"""The request of a tool: values take the places that the plugin gives them, each in the form that its place needs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode

import orjson

from smarter_crds.api_config import ApiConfig, PairConfig
from smarter_crds.placeholders import PLACEHOLDER, names
from smarter_runtime.tools import Arguments, ToolFailed

MAX_BODY_BYTES = 1024 * 1024
MAX_ADDRESS_CHARACTERS = 8 * 1024
MAX_UNQUOTINGS = 8

# What may stand in a path as it is, and what is encoded already.
_PATH_CHARACTERS = "/%:@!$&'()*+,;=~"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BLANKS = " \t\r\n\x00"
_OMITTED = object()


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent, but for where and as whom."""

    method: str
    target: str
    """Path and query, encoded."""
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None


def undeclared(config: ApiConfig, declared: frozenset[str]) -> tuple[str, ...]:
    """Return the parameters that the request uses and nobody has declared."""
    texts = [config.path, *(pair.value for pair in (*config.query, *config.headers)), *_strings(config.body)]
    return tuple(sorted({name for text in texts for name in names(text)} - declared))


def request(config: ApiConfig, values: Arguments) -> Request:
    """Return the request for these values; what is built on a value that is not given is left out.

    Raises:
        ToolFailed: when a value cannot stand where it should; the text is for the model.
    """
    try:
        target, body = _target(config, values), _body(config.body, values)
    except UnicodeEncodeError as error:
        raise ToolFailed("A value holds half a character.") from error
    if len(target) > MAX_ADDRESS_CHARACTERS or len(body or b"") > MAX_BODY_BYTES:
        raise ToolFailed("The values are too long for the request.")
    return Request(config.method, target, tuple(_headers(config.headers, values)), body)


def _target(config: ApiConfig, values: Arguments) -> str:
    query = urlencode(list(_query(config.query, values)), quote_via=quote, safe="")
    return _path(config.path, values) + (f"?{query}" if query else "")


def _path(template: str, values: Arguments) -> str:
    parts: list[str] = []
    end = 0
    for place in PLACEHOLDER.finditer(template):
        value = values[place[1]]
        if value is None or value == "":
            raise ToolFailed(f"{place[1]!r} must not be empty.")
        parts += [quote(template[end : place.start()], safe=_PATH_CHARACTERS), quote(_text(value), safe="")]
        end = place.end()
    path = "".join([*parts, quote(template[end:], safe=_PATH_CHARACTERS)])
    if any(_climbs(segment) for segment in path.split("/")):
        raise ToolFailed("A value would lead to another path; it must not be or hold a step such as '..'.")
    return path


def _climbs(segment: str) -> bool:
    """Tell whether a server that decodes the segment, even more than once, would take a part of it for `.` or `..`."""
    decoded = segment
    for _ in range(MAX_UNQUOTINGS):
        segment, decoded = decoded, unquote(decoded)
        if segment == decoded:
            break
    else:
        return True
    # Some servers cut parameters, blanks and what comes after a null byte.
    parts = (part.partition(";")[0].partition("\0")[0].strip(_BLANKS) for part in re.split(r"[/\\]", decoded))
    return any(part in (".", "..") for part in parts)


def _query(pairs: tuple[PairConfig, ...], values: Arguments) -> Iterator[tuple[str, str]]:
    for pair in pairs:
        whole = PLACEHOLDER.fullmatch(pair.value)
        value = values[whole[1]] if whole else None
        if isinstance(value, list):
            yield from ((pair.name, _text(each)) for each in value if each is not None)
        elif (text := _filled(pair.value, values)) is not None:
            yield pair.name, text


def _headers(pairs: tuple[PairConfig, ...], values: Arguments) -> Iterator[tuple[str, str]]:
    for pair in pairs:
        text = _filled(pair.value, values)
        if text is None:
            continue
        if _CONTROL.search(text):
            raise ToolFailed("A value holds a line break or another control character, which its place cannot hold.")
        yield pair.name, text.strip()


def _body(template: Any, values: Arguments) -> bytes | None:
    return None if template is None else orjson.dumps(_member(template, values))


def _member(template: Any, values: Arguments) -> Any:
    """Return a part of the body. A string that is one place and nothing else becomes the value in its own type."""
    if isinstance(template, str):
        whole = PLACEHOLDER.fullmatch(template)
        value = values[whole[1]] if whole else _filled(template, values)
        return _OMITTED if value is None else value
    if isinstance(template, list):
        items = (_member(each, values) for each in template)
        return [each for each in items if each is not _OMITTED]
    if isinstance(template, dict):
        members = ((key, _member(each, values)) for key, each in template.items())
        return {key: each for key, each in members if each is not _OMITTED}
    return template


def _filled(template: str, values: Arguments) -> str | None:
    """Return the text with its values; what looks like a place in a value is none. None: a value is not given."""
    if any(values[name] is None for name in names(template)):
        return None
    return PLACEHOLDER.sub(lambda place: _text(values[place[1]]), template)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)
