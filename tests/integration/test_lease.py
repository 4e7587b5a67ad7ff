import asyncio
from datetime import UTC, datetime
from pathlib import Path

from smarter_cluster.charts import NAMESPACE
from smarter_operator.kubernetes_cluster import KubernetesCluster, load_configuration, new_session
from smarter_operator.kubernetes_lease import KubernetesLease
from smarter_operator.leader import Elector
from support.api import eventually


async def test_the_charts_account_may_take_renew_and_give_up_its_lease(operator_kubeconfig: Path) -> None:
    configuration = await load_configuration(str(operator_kubeconfig))
    async with new_session(configuration, connections=1) as session:
        cluster = KubernetesCluster(str(configuration.host), session, timeout_seconds=10)
        lease = KubernetesLease(cluster, NAMESPACE, "smarter")
        elector = Elector(lease, "test", lambda: datetime.now(UTC))
        task = asyncio.create_task(elector.run())

        async def renewed() -> bool:
            found = await lease.read()
            return found is not None and found["spec"]["renewTime"] > found["spec"]["acquireTime"]

        await eventually(renewed, 20)
        assert elector.is_leader
        task.cancel()
        await elector.release()
        found = await lease.read()
        assert found is not None
        assert found["spec"]["holderIdentity"] == ""
