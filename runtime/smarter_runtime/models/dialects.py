"""How the servers that speak OpenAI's formats differ, by provider type."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """What one type of server wants."""

    limit: str = "max_tokens"
    """How the limit of the answer's length is called in ChatCompletions."""
    seed: str = "seed"
    asks_for_usage: bool = True
    takes_system_messages_anywhere: bool = False
    knows_client_ids: bool = False
    """Whether `store` and `safety_identifier` are known."""
    call_id: re.Pattern[str] = re.compile(r"[!-~]{1,40}")
    """The ids of tool calls that it takes."""
    call_id_length: int = 32
    """Length of the ids that are made for it."""


_OPENAI = Dialect(
    # Newer models refuse `max_tokens`; most other servers know nothing else.
    limit="max_completion_tokens",
    takes_system_messages_anywhere=True,
    knows_client_ids=True,
)
_MISTRAL = Dialect(
    seed="random_seed",
    # Usage comes unasked, and the request is refused when it asks.
    asks_for_usage=False,
    call_id=re.compile(r"[A-Za-z0-9]{9}"),
    call_id_length=9,
)
_DIALECTS: Mapping[str, Dialect] = {"OpenAI": _OPENAI, "AzureOpenAI": _OPENAI, "Mistral": _MISTRAL}
_OTHERS = Dialect()


def dialect(provider_type: str) -> Dialect:
    return _DIALECTS.get(provider_type, _OTHERS)


def call_id(id_: str, of: Dialect) -> str:
    """Return `id_` in a form that the server takes; equal ids stay equal and different ones different."""
    if of.call_id.fullmatch(id_):
        return id_
    return hashlib.sha256(id_.encode()).hexdigest()[: of.call_id_length]
