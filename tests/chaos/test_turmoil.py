"""The state machine that `tests/operator/test_turmoil.py` runs in memory, on a real API server."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from smarter_cluster.cluster import Cluster
from support.api import Api
from support.data_plane import DataPlane
from support.operator_process import OperatorProcess
from support.tapped_operator import tapped_operator
from support.turmoil import Turmoil
from support.turmoil_on_api_server import SiteOnApiServer, Stage

LONG_ROUNDS = 40


class TurmoilOnApiServer(Turmoil):
    open_site = SiteOnApiServer


@pytest.mark.timeout(3600)
async def test_whatever_happens_on_a_real_api_server_it_converges(
    installed: Cluster, api: Api, operator: OperatorProcess, data_plane: DataPlane, tmp_path: Path, rounds: int
) -> None:
    bounds = settings(
        max_examples=rounds if rounds >= LONG_ROUNDS else 2,
        stateful_step_count=20 if rounds >= LONG_ROUNDS else 10,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    async with tapped_operator(installed, api, operator, tmp_path) as tapped:
        SiteOnApiServer.stage = Stage(api, tapped, asyncio.get_running_loop())
        await asyncio.to_thread(run_state_machine_as_test, TurmoilOnApiServer, settings=bounds)
        seconds = sorted(SiteOnApiServer.stage.seconds)
    assert seconds, "nothing was tried"
    print(f"\nconverged {len(seconds)} times, after {seconds[len(seconds) // 2]:.1f} s (median) to {seconds[-1]:.1f} s")
