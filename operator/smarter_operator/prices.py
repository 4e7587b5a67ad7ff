"""The table of models' prices, which comes with a library that is renewed with every release."""

from datetime import UTC, date, datetime
from typing import Any

from smarter_crds.compile import SnapshotPrices


def _snapshot() -> Any:
    # It weighs 35 MiB: an operator whose Providers have no prices in it does without.
    from genai_prices import data_snapshot

    return data_snapshot.get_snapshot()


def _today() -> date:
    return datetime.now(UTC).date()


TABLE = SnapshotPrices(_snapshot, _today)
