"""What the model is given to read, in an order that keeps the beginning equal from request to request."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.events import Message
from smarter_runtime.selection import FROM_THE_START, Selected

KEEP_SHARE = 0.6


def prompt(
    config: RuntimeConfig, history: Sequence[Message], selected: Iterable[Selected], kept_from: int, now: datetime
) -> tuple[Message, ...]:
    """Return the messages: system prompt, `Always` roles, history with each new role at its turn, the date last.

    `kept_from` is the index of the first message of `history`, after the caller's context, that is still shown; roles
    of plugins that were selected earlier come before it.
    """
    leading = leading_context(history)
    roles = [(each.since, each.plugin.system_role) for each in selected if each.plugin.system_role]
    parts = [config.system_prompt, *(role for since, role in roles if since == FROM_THE_START)]
    messages = [Message("system", "\n\n".join(part for part in parts if part))] if any(parts) else []
    # What callers say of themselves comes after what the operator says, and stays when old turns are dropped.
    messages += history[:leading]
    messages += [Message("system", role) for since, role in roles if FROM_THE_START < since < kept_from]
    for index in range(kept_from, len(history)):
        messages += [Message("system", role) for since, role in roles if since == index]
        messages.append(history[index])
    return (*messages, Message("system", date_line(now, config.time_zone)))


def date_line(now: datetime, time_zone: str) -> str:
    # The day only: a time of day would differ in every request.
    return f"Today is {now.astimezone(ZoneInfo(time_zone)):%A, %Y-%m-%d} ({time_zone})."


def leading_context(history: Sequence[Message]) -> int:
    """Return how many messages at the start are context that a caller gave."""
    return next((index for index, message in enumerate(history) if message.role != "system"), len(history))


def first_kept(history: Sequence[Message], max_characters: int) -> int:
    """Return where a conversation begins for the model, so that it has at most `max_characters`.

    Whole turns are dropped, down to 60 % at once, so that the beginning stays equal for many requests after a cut.
    The latest turn always stays, and so does the caller's context before the first one.
    """
    leading = leading_context(history)
    room = max_characters - sum(len(message.text) for message in history[:leading])
    turns: list[tuple[int, int]] = []
    dropped = characters = 0
    for index, message in enumerate(history[leading:], leading):
        if message.role == "user" or not turns:
            turns.append((index, 0))
        start, size = turns[-1]
        turns[-1] = (start, size + len(message.text))
        characters += len(message.text)
        if characters > room:
            while dropped < len(turns) - 1 and characters > room * KEEP_SHARE:
                characters -= turns[dropped][1]
                dropped += 1
    return turns[dropped][0] if turns else leading
