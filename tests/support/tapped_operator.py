"""An operator whose line to the API server is tapped, alone in its cluster while a test has it."""

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from smarter_cluster.charts import NAMESPACE
from smarter_cluster.cluster import Cluster
from support.api import Api
from support.operator_process import OperatorProcess, service_account_token, with_token
from support.tap import Tap


class TappedOperator:
    """Starts the operator behind the tap, and kills it."""

    def __init__(self, tap: Tap, process: OperatorProcess) -> None:
        self.tap = tap
        self._process = process

    async def start(self) -> None:
        """Start it anew if it does not run."""
        if not self.runs:
            self.tap.arm()
            await self._process.start()

    async def kill(self) -> None:
        if self.runs:
            await self._process.stop(signal.SIGKILL)

    @property
    def runs(self) -> bool:
        return self._process.has_started and self._process.returncode is None

    @property
    def log(self) -> Path:
        return self._process.log

    def kill_after(self, number: int) -> None:
        """Kill it as soon as the API server has answered so many calls from now on; it does not see the last answer."""
        self.tap.arm(number, self.kill)


@asynccontextmanager
async def tapped_operator(
    cluster: Cluster, api: Api, other: OperatorProcess, folder: Path
) -> AsyncIterator[TappedOperator]:
    """Run the operator in place of the `other`, which comes back afterwards."""
    if other.returncode is None:
        assert await other.stop() == 0
    token = await service_account_token(api, NAMESPACE, "smarter")
    async with Tap(with_token(cluster.kubeconfig, token, folder / "direct.kubeconfig")) as tap:
        process = other.twin(tap.kubeconfig(folder / "tapped.kubeconfig"), folder / "operator.log")
        tapped = TappedOperator(tap, process)
        await tapped.start()
        try:
            yield tapped
        finally:
            await tapped.kill()
    await other.start()
