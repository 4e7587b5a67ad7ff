"""What models cost: by a table that is handed in, and by what a Provider says itself."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from smarter_crds.price_config import ModelPrices, PriceConfig
from smarter_crds.provider import Provider

NOTHING: ModelPrices = (PriceConfig(input=Decimal(0), output=Decimal(0), cached_input=Decimal(0)),)

_TABLE_NAMES = {
    "OpenAI": "openai",
    "AzureOpenAI": "azure",
    "Anthropic": "anthropic",
    "Google": "google",
    "Mistral": "mistral",
    "Groq": "groq",
    "Together": "together",
    "Fireworks": "fireworks",
    "Cohere": "cohere",
    "DeepSeek": "deepseek",
}
"""What the table calls the types whose prices it can know."""

_HOURS = range(24)


class PriceTable:
    """Knows prices by type of Provider and model. This one knows none."""

    def prices(self, provider_type: str, model: str) -> ModelPrices:
        """Return the prices; nothing if they are not known."""
        return ()


class SnapshotPrices(PriceTable):
    """Reads a snapshot of the library `genai-prices`, which is loaded when it is needed first."""

    def __init__(self, load: Any, today: Any) -> None:
        """Take what returns the snapshot, and what returns the day whose prices hold."""
        self._load = load
        self._today = today
        self._snapshot: Any = None
        self._known: dict[tuple[date, str, str], ModelPrices] = {}

    def prices(self, provider_type: str, model: str) -> ModelPrices:
        if provider_type not in _TABLE_NAMES:
            return ()
        day = self._today()
        key = (day, provider_type, model)
        if key not in self._known:
            self._known = {each: found for each, found in self._known.items() if each[0] == day}
            self._known[key] = self._looked_up(day, provider_type, model)
        return self._known[key]

    def _looked_up(self, day: date, provider_type: str, model: str) -> ModelPrices:
        if self._snapshot is None:
            self._snapshot = self._load()
        try:
            _, found = self._snapshot.find_provider_model(model, None, _TABLE_NAMES[provider_type], None)
        except LookupError:
            return ()
        # Some prices depend on the hour; a budget must last at all of them.
        hours = [datetime.combine(day, time(hour), UTC) for hour in _HOURS]
        return _highest([found.get_prices(hour) for hour in hours], reads_are_cached=provider_type == "Anthropic")


def prices_of(provider: Provider, model: str, table: PriceTable) -> ModelPrices:
    """Return what `model` of `provider` costs; nothing if that is not known. What the Provider says goes first."""
    if provider.spec.type == "Demo":
        return NOTHING
    own, known = provider.spec.prices, table.prices(provider.spec.type, model)
    if own is None:
        return known
    names = ("input", "output", "cached_input")
    given = {name: Decimal(value) for name in names if (value := getattr(own, name)) is not None}
    if known:
        return tuple(each.model_copy(update=given) for each in known)
    if {"input", "output"} <= set(given):
        return (PriceConfig(**{"cached_input": given["input"]} | given),)
    return ()


def _highest(those: Iterable[Any], *, reads_are_cached: bool) -> ModelPrices:
    levels = [_levels(each, reads_are_cached=reads_are_cached) for each in those]
    starts = sorted({start for level in levels for start in level})
    found = [
        PriceConfig(
            from_tokens=start,
            **{name: max(_at(level, start)[name] for level in levels) for name in ("input", "output", "cached_input")},
        )
        for start in starts
        if all(_at(level, start) for level in levels)
    ]
    return tuple(found) if found and found[0].from_tokens == 0 else ()


def _at(level: Mapping[int, Mapping[str, Decimal]], start: int) -> Mapping[str, Decimal]:
    return level[max((each for each in level if each <= start), default=0)] if level else {}


def _levels(prices: Any, *, reads_are_cached: bool) -> dict[int, dict[str, Decimal]]:
    """Return the prices by the number of tokens read from which they hold; nothing if one is missing."""
    read, written = _price(prices, "input_mtok"), _price(prices, "output_mtok")
    if read is None or written is None:
        return {}
    # What is read for the first time is written to the provider's cache, and costs what that costs.
    stored = (_price(prices, "cache_write_mtok") or read) if reads_are_cached else read
    cached = _price(prices, "cache_read_mtok") or read
    starts = sorted({0, *(start for each in (stored, written, cached) for start, _ in each)})
    return {
        start: {"input": _of(stored, start), "output": _of(written, start), "cached_input": _of(cached, start)}
        for start in starts
    }


def _price(prices: Any, name: str) -> list[tuple[int, Decimal]] | None:
    value = getattr(prices, name, None)
    if value is None:
        return None
    if isinstance(value, Decimal | int | float):
        return [(0, Decimal(str(value)))]
    return [(0, Decimal(str(value.base))), *((tier.start, Decimal(str(tier.price))) for tier in value.tiers)]


def _of(levels: list[tuple[int, Decimal]], start: int) -> Decimal:
    return [price for begin, price in levels if begin <= start][-1]
