"""Which limits a request is measured by: the bot's, its client's, and its key's."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from smarter_crds.keys_config import KeyConfig
from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.limits.ledger import Charge, Kind, Line
from smarter_runtime.limits.prefixes import Origin


@dataclass(frozen=True)
class Asker:
    """Who asks for an answer."""

    id: str
    """As in `Caller.id`."""
    key: KeyConfig | None
    origin: Origin


@dataclass(frozen=True)
class Named:
    """A line, and the field that sets it."""

    line: Line
    name: str
    of_key: bool = False


def lines(config: RuntimeConfig, asker: Asker, now: datetime) -> list[Named]:
    """Return everything that must have room for an answer."""
    return [*_of_bot(config, asker, now), *(_of_key(asker.key, now) if asker.key else ())]


def session_lines(config: RuntimeConfig, origin: Origin) -> list[Named]:
    """Return everything that must have room for a visitor's session: visitors cost nothing, networks do."""
    return [
        _named("Rate", "sessionsPerMinute", config.serving.sessions_per_minute, f"{config.bot.uid}/{prefix}")
        for prefix in origin.prefixes
    ]


def token_charges(config: RuntimeConfig, key: KeyConfig | None, tokens: int, now: datetime) -> list[Charge]:
    """Return what tokens are charged to, whether it is limited today or not."""
    until_ms = int(midnight(now).timestamp() * 1000) + 1000 * 86_400
    return [Charge(counter, tokens, until_ms) for counter in _token_counters(config, key, now)]


def midnight(now: datetime) -> datetime:
    """Return the end of the day in UTC."""
    return datetime.combine(now.astimezone(UTC).date() + timedelta(days=1), time(), UTC)


def bot_tokens(config: RuntimeConfig, now: datetime) -> str:
    """Return the counter of the bot's tokens of the day."""
    return f"tokens:bot/{config.bot.uid}:{now.astimezone(UTC).date().isoformat()}"


def _key_tokens(key: KeyConfig, now: datetime) -> str:
    return f"tokens:key/{key.uid}:{now.astimezone(UTC).date().isoformat()}"


def _token_counters(config: RuntimeConfig, key: KeyConfig | None, now: datetime) -> Iterator[str]:
    yield bot_tokens(config, now)
    if key is not None:
        yield _key_tokens(key, now)


def _of_bot(config: RuntimeConfig, asker: Asker, now: datetime) -> Iterator[Named]:
    limits, bot = config.limits, config.bot.uid
    if limits.tokens_per_day is not None:
        yield Named(Line("Quota", limits.tokens_per_day, bot_tokens(config, now)), "tokensPerDay")
    if limits.requests_per_minute is not None:
        yield _named("Rate", "requestsPerMinute", limits.requests_per_minute, f"bot/{bot}")
    # Who makes himself a new visitor with every request stays in the same network.
    for account in (asker.id, *asker.origin.prefixes):
        if limits.requests_per_minute_per_client is not None:
            yield _named(
                "Rate", "requestsPerMinutePerClient", limits.requests_per_minute_per_client, f"{bot}/{account}"
            )
        if limits.concurrent_per_client is not None:
            yield _named("Slot", "concurrentPerClient", limits.concurrent_per_client, f"{bot}/{account}")


def _of_key(key: KeyConfig, now: datetime) -> Iterator[Named]:
    """A key's own limits hold over all bots that it opens and that share a Store."""
    limits = key.limits
    if limits is None:
        return
    if limits.tokens_per_day is not None:
        yield Named(Line("Quota", limits.tokens_per_day, _key_tokens(key, now)), "tokensPerDay", of_key=True)
    if limits.requests_per_minute is not None:
        line = Line("Rate", limits.requests_per_minute, f"requestsPerMinute:key/{key.uid}")
        yield Named(line, "requestsPerMinute", of_key=True)
    if limits.concurrent_per_client is not None:
        line = Line("Slot", limits.concurrent_per_client, f"concurrentPerClient:key/{key.uid}")
        yield Named(line, "concurrentPerClient", of_key=True)


def _named(kind: Kind, name: str, limit: int, account: str) -> Named:
    return Named(Line(kind, limit, f"{name}:{account}"), name)
