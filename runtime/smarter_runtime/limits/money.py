"""What rounds cost, in whole billionths of a US dollar, which every ledger can add up exactly."""

from decimal import ROUND_CEILING, Decimal

from smarter_crds.price_config import ModelPrices, PriceConfig
from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.bot import DEMO
from smarter_runtime.events import Usage
from smarter_runtime.models import ModelRequest

NANO = 10**9
_MILLION = Decimal(1_000_000)

MOST_OUTPUT_TOKENS = 16_384
"""What a round is taken to write at most, if nobody has set a limit for it."""

_BYTES_PER_TOKEN = 3
"""The fewest that tokens have on average, in prose of any language: more would be read than was reserved for."""
_TOKENS_PER_MESSAGE = 8


def cost(usage: Usage, prices: ModelPrices) -> Decimal:
    """Return the cost in USD."""
    price = _at(prices, usage.input_tokens)
    cached = min(usage.cached_tokens, usage.input_tokens)
    total = (
        (usage.input_tokens - cached) * price.input + cached * price.cached_input + usage.output_tokens * price.output
    )
    return total / _MILLION


def nano(amount: Decimal) -> int:
    """Return an amount of USD in billionths, what is less than one counted as one."""
    return int((amount * NANO).to_integral_value(ROUND_CEILING))


def most(request: ModelRequest, prices: ModelPrices) -> Decimal:
    """Return what a round costs at most: all is read anew, and as much is written as may be."""
    limit = request.parameters.max_tokens
    return cost(Usage(_most_read(request), MOST_OUTPUT_TOKENS if limit is None else limit), prices)


def prices_of(config: RuntimeConfig, provider: str, model: str) -> ModelPrices | None:
    """Return the prices of a model; None if they are not known. The demo costs nothing, and needs none."""
    found = config.providers[provider]
    return () if found.type == DEMO else found.prices.get(model)


def unknown_models(config: RuntimeConfig) -> list[str]:
    """Return the models that may answer and whose prices are not known."""
    named = [(each.provider, each.name) for each in (config.model, *config.model.fallbacks)]
    named += [
        (each.model.provider, each.model.name) for each in config.plugins if each.model.provider and each.model.name
    ]
    return sorted({model for provider, model in named if prices_of(config, provider, model) is None})


def _at(prices: ModelPrices, tokens_read: int) -> PriceConfig:
    reached = [each for each in prices if each.from_tokens <= tokens_read]
    return reached[-1] if reached else _FREE


_FREE = PriceConfig(input=Decimal(0), output=Decimal(0), cached_input=Decimal(0))


def _most_read(request: ModelRequest) -> int:
    texts = [message.text for message in request.messages]
    texts += [call.arguments for message in request.messages for call in message.tool_calls]
    texts += [f"{offer.name}{offer.description}{offer.parameters}" for offer in request.offers]
    size = sum(len(text.encode()) for text in texts)
    return size // _BYTES_PER_TOKEN + _TOKENS_PER_MESSAGE * (len(request.messages) + len(request.offers))
