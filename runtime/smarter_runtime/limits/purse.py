"""The money of one answer: reserved before each round for the dearest that it can be, settled by what it was."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from smarter_crds.keys_config import KeyConfig
from smarter_crds.limits import Budget
from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.events import ModelFailed, Usage
from smarter_runtime.limits import money
from smarter_runtime.limits.ledger import Account, Charge
from smarter_runtime.limits.limiter import Limiter
from smarter_runtime.models import ModelRequest
from smarter_runtime.stores import StoreUnavailable

# After the month, so that answers which began in it are settled in it.
_KEPT_DAYS = 7


@dataclass
class Purse:
    """One for an answer; its rounds come one after the other."""

    limiter: Limiter
    config: RuntimeConfig
    key: KeyConfig | None
    _reserved: int = 0
    _accounts: list[Account] = field(default_factory=list)

    async def reserve(self, request: ModelRequest, provider: str) -> None:
        """Take the money for a round out of all budgets.

        Raises:
            ModelFailed: when one of them has not so much left, or nobody can say.
        """
        now = self.limiter.clock()
        self._reserved, self._accounts = 0, []
        budgets = list(_budgets(self.config, self.key))
        if not budgets:
            return
        prices = money.prices_of(self.config, provider, request.parameters.model)
        if prices is None:
            # Compile sees to it for budgets of bots; a key may open any.
            text = "This API key has a budget, and nobody knows what this chatbot's model costs."
            raise ModelFailed("budget_spent", text)
        accounts = [_account(name, budget, now) for name, budget in budgets]
        amount = money.nano(money.most(request, prices))
        if amount and (full := await self._taken(accounts, amount)) is not None:
            self.limiter.met("budget")
            raise ModelFailed("budget_spent", _spent(budgets[full][1], of_key=budgets[full][0].startswith("key/")))
        self._reserved, self._accounts = amount, accounts

    def settle(self, usage: Usage, provider: str, model: str) -> Decimal | None:
        """Give back what a round did not use, or take what it used beyond. Returns its cost; None: not known."""
        prices = money.prices_of(self.config, provider, model)
        if prices is None:
            return None
        cost = money.cost(usage, prices)
        rest = money.nano(cost) - self._reserved
        self.limiter.settle([Charge(account.key, rest, account.until_ms) for account in self._accounts])
        self._reserved, self._accounts = 0, []
        return cost

    async def _taken(self, accounts: list[Account], amount: int) -> int | None:
        try:
            return await self.limiter.reserve(accounts, amount)
        except StoreUnavailable as error:
            text = "This chatbot cannot look at its budget at the moment. Please try again later."
            raise ModelFailed("budget_unknown", text, retry_after=5, detail=error.reason) from error


def month_counter(account: str, now: datetime) -> str:
    """Return the counter of what an account has spent in the calendar month, in UTC."""
    return f"usd:{account}:{now.astimezone(UTC):%Y-%m}"


def _budgets(config: RuntimeConfig, key: KeyConfig | None) -> Iterator[tuple[str, Budget]]:
    if config.budget is not None:
        yield f"bot/{config.bot.uid}", config.budget
    if key is not None and key.budget is not None:
        yield f"key/{key.uid}", key.budget


def _account(name: str, budget: Budget, now: datetime) -> Account:
    today = now.astimezone(UTC)
    year, month = (today.year + today.month // 12, today.month % 12 + 1)
    until_ms = int(datetime(year, month, 1, tzinfo=UTC).timestamp() * 1000) + _KEPT_DAYS * 86_400_000
    return Account(month_counter(name, now), money.nano(Decimal(budget.amount)), until_ms)


def _spent(budget: Budget, *, of_key: bool) -> str:
    whose = "this API key's" if of_key else "this chatbot's"
    return (
        f"What is left of {whose} budget of {budget.amount} {budget.currency} for the month does not cover another "
        "answer. There is a new one when the month is over in UTC."
    )
