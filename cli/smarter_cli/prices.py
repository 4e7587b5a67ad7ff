"""The table of models' prices, which comes with a library that is renewed with every release."""

from datetime import UTC, date, datetime
from typing import Any

from smarter_crds.compile import SnapshotPrices


def _snapshot() -> Any:
    # It takes half a second to load: a bot whose models cost nothing does without.
    from genai_prices import data_snapshot

    return data_snapshot.get_snapshot()


def _today() -> date:
    return datetime.now(UTC).date()


TABLE = SnapshotPrices(_snapshot, _today)
