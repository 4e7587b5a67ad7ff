"""Any sequence of edits, deletions, accidents and crashes ends in the state that a fresh operator would bring about."""

from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from support.turmoil import Turmoil
from support.turmoil_in_memory import SiteInMemory


class TurmoilInMemory(Turmoil):
    open_site = SiteInMemory


def test_whatever_happens_the_cluster_converges() -> None:
    # Not shrunk: that takes longer than reading the steps of the failure.
    bounds = settings(
        max_examples=15,
        stateful_step_count=25,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(TurmoilInMemory, settings=bounds)
