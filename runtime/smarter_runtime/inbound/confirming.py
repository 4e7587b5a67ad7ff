"""The field `smarter`, which requests of every format may have beside OpenAI's."""

from smarter_runtime.confirmations import MAX_TOKEN_CHARACTERS
from smarter_runtime.errors import invalid
from smarter_runtime.inbound.values import Given, items, mapping, only

FIELD = "smarter"
MAX_CONFIRMATIONS = 8


def confirmed_tokens(given: Given) -> tuple[str, ...]:
    """Return the tokens of what the person confirms.

    Raises:
        ApiError: with a sentence that names the place.
    """
    if given.get(FIELD) is None:
        return ()
    member = mapping(given[FIELD], FIELD)
    only(member, ("confirm",), FIELD)
    place = f"{FIELD}.confirm"
    tokens = items(member.get("confirm") or [], place, MAX_CONFIRMATIONS)
    for index, token in enumerate(tokens):
        if not isinstance(token, str) or len(token) > MAX_TOKEN_CHARACTERS:
            raise invalid(f"`{place}[{index}]` must be a token from `{FIELD}.confirmations` of an answer.", place)
    return tuple(tokens)
