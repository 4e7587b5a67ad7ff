"""Lets answers in and counts what they use: in the Store, or in the pod where there is none or it is away."""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field

from smarter_crds.keys_config import KeyConfig
from smarter_crds.limits import LimitMode
from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.background import Background
from smarter_runtime.limits import Clock
from smarter_runtime.limits.embedded_ledger import EmbeddedLedger
from smarter_runtime.limits.ledger import Account, Charge, Hit, Lease, Ledger, Line
from smarter_runtime.limits.lines import Asker, Named, bot_tokens, lines, session_lines, token_charges
from smarter_runtime.limits.postgresql_ledger import PostgreSqlLedger
from smarter_runtime.limits.prefixes import Origin
from smarter_runtime.limits.redis_ledger import RedisLedger
from smarter_runtime.limits.refusals import refusal, store_unavailable
from smarter_runtime.metrics import Metrics
from smarter_runtime.stores import StoreUnavailable
from smarter_runtime.stores.connections import StoreConnections

logger = logging.getLogger(__name__)

RESERVE_SECONDS = 60
"""How much longer than the longest answer a slot is held whose holder died."""


FLUSH_SECONDS = 1.0


@dataclass(frozen=True)
class Admitted:
    """An answer that was let in."""

    lease: Lease
    named: tuple[Named, ...]


@dataclass
class Limiter:
    """One for the process."""

    stores: StoreConnections
    metrics: Metrics
    clock: Clock
    background: Background
    memory: EmbeddedLedger
    """What counts without a Store, and while it is away."""
    _late: list[Charge] = field(default_factory=list)
    """What the Store must still be told."""
    _flushing: asyncio.Lock = field(default_factory=asyncio.Lock)

    def ledger(self) -> Ledger:
        """Return the ledger of the bot in service."""
        config = self.stores.config
        if config is None:
            return self.memory
        return RedisLedger(self.stores) if config.type == "Redis" else PostgreSqlLedger(self.stores)

    async def recall(self) -> None:
        """Go on with what an earlier process of this pod has counted."""
        await self.memory.recall(self._now_ms())

    async def admit(self, config: RuntimeConfig, asker: Asker) -> Admitted:
        """Count a request and hold the slots of its answer.

        Raises:
            ApiError: 429, when a limit is met and enforced.
        """
        until = 1000 * (config.limits.max_answer_seconds + RESERVE_SECONDS)
        lease = Lease(secrets.token_hex(8), self._now_ms() + until)
        named = tuple(lines(config, asker, self.clock()))
        has_budget = bool(config.budget or (asker.key and asker.key.budget))
        await self._count(config, named, lease, has_budget=has_budget)
        return Admitted(lease, named)

    async def admit_session(self, config: RuntimeConfig, origin: Origin) -> None:
        """Count a visitor's session.

        Raises:
            ApiError: 429, when too many came from the network.
        """
        await self._count(config, session_lines(config, origin), Lease("", self._now_ms()))

    async def is_first_use(self, of: str, until_ms: int) -> bool:
        """Use up what is good once, and may be forgotten at `until_ms`; tell whether nobody had done so before."""
        slot, holder = Line("Slot", 1, of), Lease("used", until_ms)
        return not await self._hits([slot], holder, enforce=True, has_budget=False)

    async def use_once(self, key: str, until_ms: int) -> bool:
        """Use up what must never be used twice; tell whether nobody had done so before.

        Raises:
            StoreUnavailable: when the Store cannot say; no pod decides it by itself.
        """
        return await self.ledger().reserve([Account(key, 1, until_ms)], 1) is None

    async def was_used(self, key: str) -> bool:
        """Tell whether something has been used up by `use_once`, which may raise the same."""
        return (await self.ledger().used([key]))[0] > 0

    async def reserve(self, accounts: Sequence[Account], amount: int) -> int | None:
        """Add to counters that have a limit, see `Ledger.reserve`.

        Raises:
            StoreUnavailable: money is spent by nobody who does not know how much there is.
        """
        return await self.ledger().reserve(accounts, amount)

    def met(self, limit: str, mode: LimitMode = "Enforce") -> None:
        """Note that a request met a limit."""
        self.metrics.limit_hits.labels(limit, mode).inc()
        logger.warning("a request met a limit", extra={"limit": limit, "mode": mode})

    def release(self, admitted: Admitted) -> None:
        """Free what the answer held; nobody waits for it."""
        held = [each.line for each in admitted.named if each.line.kind == "Slot"]
        self.memory.free(held, admitted.lease)
        if held and self.ledger() is not self.memory:
            self.background.start(self._release(held, admitted.lease))

    def charge(self, config: RuntimeConfig, key: KeyConfig | None, tokens: int) -> None:
        """Count tokens that were used; nobody waits for it."""
        charges = token_charges(config, key, tokens, self.clock())
        if self.ledger() is not self.memory:
            # What this pod knows by itself, should the Store go away.
            self.memory.add(charges)
        self.settle(charges)

    def settle(self, charges: Sequence[Charge]) -> None:
        """Add to counters; if the Store is away, as soon as it is back."""
        due = [charge for charge in charges if charge.amount]
        if not due:
            return
        if self.ledger() is self.memory:
            self.memory.add(due)
        else:
            self._late += due
            self.background.start(self.flush())

    async def flush(self) -> None:
        """Tell the Store what it must still be told; afterwards it knows all that was there before."""
        async with self._flushing:
            due, self._late = self._late, []
            if not due:
                return
            try:
                await self.ledger().charge(due)
            except StoreUnavailable:
                self._keep(due)
            except BaseException:
                self._late += due
                raise

    async def watch(self) -> None:
        """Tell a Store that was away what it has missed, as soon as it is back."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()

    async def used_tokens(self, config: RuntimeConfig) -> int:
        """Return the tokens that the bot has used today."""
        await self.flush()
        return (await self.ledger().used([bot_tokens(config, self.clock())]))[0]

    def _keep(self, charges: Sequence[Charge]) -> None:
        merged: dict[str, Charge] = {}
        for charge in (*self._late, *charges):
            before = merged[charge.key].amount if charge.key in merged else 0
            merged[charge.key] = Charge(charge.key, before + charge.amount, charge.until_ms)
        self._late = list(merged.values())

    async def _release(self, held: Sequence[Line], lease: Lease) -> None:
        try:
            await self.ledger().release(held, lease)
        except StoreUnavailable:
            logger.warning("slots are free only after a while", extra={"lease": lease.id})

    async def _count(
        self, config: RuntimeConfig, named: Sequence[Named], lease: Lease, *, has_budget: bool = False
    ) -> None:
        enforce = config.limits.mode == "Enforce"
        asked = [each.line for each in named]
        hits = await self._hits(asked, lease, enforce=enforce, has_budget=has_budget) if asked else ()
        met = {(named[hit.line].name, named[hit.line].of_key): hit for hit in hits}
        for (name, of_key), hit in met.items():
            self.met(name, config.limits.mode)
            if enforce:
                raise refusal(named[hit.line], _longest(hits, named, name, of_key), self.clock())

    async def _hits(self, asked: Sequence[Line], lease: Lease, *, enforce: bool, has_budget: bool) -> Sequence[Hit]:
        now_ms = self._now_ms()
        try:
            return await self.ledger().admit(asked, lease, now_ms, enforce=enforce)
        except StoreUnavailable:
            if has_budget:
                raise store_unavailable() from None
            # Better counted by each pod for itself than not at all, and better than no answers.
            return await self.memory.admit(asked, lease, now_ms, enforce=enforce)

    def _now_ms(self) -> int:
        return int(self.clock().timestamp() * 1000)


def _longest(hits: Sequence[Hit], named: Sequence[Named], name: str, of_key: bool) -> Hit:
    """Return the hit of this limit that stays longest: there may be one per network."""
    return max(
        (hit for hit in hits if (named[hit.line].name, named[hit.line].of_key) == (name, of_key)),
        key=lambda hit: hit.retry_ms,
    )
