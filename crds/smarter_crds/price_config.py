"""The part of the contract between operator and runtime about money: what models cost."""

from decimal import Decimal

from smarter_crds.base import ApiModel


class PriceConfig(ApiModel):
    """Prices of a model in USD per million tokens, for rounds that read at least `from_tokens`."""

    from_tokens: int = 0
    input: Decimal
    output: Decimal
    cached_input: Decimal
    """Of tokens that the provider had in its cache."""


ModelPrices = tuple[PriceConfig, ...]
"""By `from_tokens`, from 0 on; the last one that a round reaches holds for all of its tokens."""
