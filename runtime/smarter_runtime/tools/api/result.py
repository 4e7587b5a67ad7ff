"""What the model gets of an answer."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import jmespath
import orjson
from jmespath.exceptions import JMESPathError

from smarter_runtime.tools import ToolFailed, cut
from smarter_runtime.tools.api.client import PROXY_UNAUTHORIZED, UNAUTHORIZED
from smarter_runtime.tools.api.faults import UNAVAILABLE
from smarter_runtime.tools.api.transport import Answer

THREAD_BYTES = 256 * 1024
MAX_SAID_CHARACTERS = 500
_TEXT_TYPES = ("application/xml", "application/yaml", "application/x-ndjson", "application/javascript")
T = TypeVar("T")


class Result:
    """Picks the part of an answer that the plugin wants."""

    def __init__(self, expression: str) -> None:
        """Read the expression.

        Raises:
            JMESPathError: when it is none.
        """
        self._expression = jmespath.compile(expression) if expression else None

    async def text(self, answer: Answer) -> str:
        """Return what the model gets.

        Raises:
            ToolFailed: when the API did not do what it was asked for, or answers nothing that can be read.
        """
        if answer.status >= 300:
            raise ToolFailed(_refusal(answer))
        if not answer.body:
            return f"Done: the API answered {answer.status} without content."
        return await _aside(len(answer.body), lambda: self._picked(answer))

    def _picked(self, answer: Answer) -> str:
        if self._expression is None and not is_json(answer):
            return _text(answer)
        try:
            value = orjson.loads(answer.body)
        except orjson.JSONDecodeError as error:
            raise ToolFailed("The API's answer is no JSON.") from error
        if self._expression is not None:
            value = self._searched(value)
        return value if isinstance(value, str) else orjson.dumps(value).decode()

    def _searched(self, value: Any) -> Any:
        assert self._expression is not None
        try:
            return self._expression.search(value)
        except (JMESPathError, RecursionError) as error:
            raise ToolFailed("The API's answer has another form than this tool expects.") from error


def is_json(answer: Answer) -> bool:
    return answer.media_type == "application/json" or answer.media_type.endswith("+json")


def _refusal(answer: Answer) -> str:
    status = answer.status
    if status in (UNAUTHORIZED, PROXY_UNAUTHORIZED):
        return UNAVAILABLE
    if status < 400:
        return f"The API answered with a redirect ({status}), which is not followed."
    wait = f" Try again in {round(answer.retry_after)} seconds." if answer.retry_after else ""
    said = cut(_said(answer), MAX_SAID_CHARACTERS)
    return f"The API answered {status}{f': {said}' if said else '.'}{wait}"


def _said(answer: Answer) -> str:
    is_readable = is_json(answer) or answer.media_type == "text/plain"
    return " ".join(_text(answer).split()) if is_readable else ""


def _text(answer: Answer) -> str:
    media_type = answer.media_type
    if not (
        media_type.startswith("text/") or is_json(answer) or media_type.endswith("+xml") or media_type in _TEXT_TYPES
    ):
        raise ToolFailed(f"The API's answer is no text but {media_type[:64]!r}.")
    try:
        return answer.body.decode(answer.charset, errors="replace")
    except LookupError:
        return answer.body.decode(errors="replace")


async def _aside(size: int, work: Callable[[], T]) -> T:
    """Do `work`, in a thread if it is about so much that the streams of others would wait for it."""
    return await asyncio.to_thread(work) if size > THREAD_BYTES else work()
