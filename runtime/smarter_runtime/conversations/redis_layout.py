"""How conversations lie in Redis: the names of the keys, and what is in the hashes."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import orjson

from smarter_runtime.conversations import Head, Question, Turn, title_of


class Keys:
    """Those of one bot. All have its UID in braces, so that a cluster keeps them on one server."""

    def __init__(self, bot: str) -> None:
        prefix = f"smarter:{{{bot}}}:conversations"
        self._prefix = prefix
        self.by_age = f"{prefix}:by-age"
        """The ids of all conversations, by when they were used last."""
        self.days = f"{prefix}:days"
        """The retention that the lives of the keys were set by."""

    def head(self, id_: str) -> str:
        return f"{self._prefix}:head:{id_}"

    def turns(self, id_: str) -> str:
        return f"{self._prefix}:turns:{id_}"

    def of(self, owner: str) -> str:
        """Return where the ids of an owner's conversations are, by when they were used last."""
        return f"{self._prefix}:of:{owner}"


def created(question: Question, turn: Turn) -> dict[str, Any]:
    """Return the hash of a new conversation."""
    first = {"owner": question.owner, "title": title_of(question.text), "created_ms": question.now_ms, "memory": ""}
    return first | opened(question, turn)


def opened(question: Question, turn: Turn) -> dict[str, Any]:
    """Return what a turn that begins changes in the hash."""
    return {
        "turns": turn.number,
        "updated_ms": question.now_ms,
        "open_answer": question.answer_id,
        "open_until_ms": question.until_ms,
    }


def read_text(values: Mapping[bytes, bytes]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in values.items()}


def read_head(id_: str, head: Mapping[str, str]) -> Head:
    return Head(
        id=id_,
        title=head["title"],
        created_ms=int(head["created_ms"]),
        updated_ms=int(head["updated_ms"]),
        turns=int(head["turns"]),
        open_until_ms=int(head["open_until_ms"]),
    )


def write_turn(turn: Turn) -> bytes:
    return orjson.dumps(asdict(turn))


def read_turn(text: bytes) -> Turn:
    return Turn(**orjson.loads(text))
