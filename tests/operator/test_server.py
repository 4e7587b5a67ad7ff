from aiohttp.test_utils import TestClient, TestServer

from smarter_operator.engine import Engine
from smarter_operator.health import STALLED_SECONDS, Vitals
from smarter_operator.server import application
from support.fake_cluster import FakeCluster
from support.operator_harness import SETTINGS, ScriptedPods


class Stuck(Engine):
    """An engine whose queue has not moved for too long."""

    def vitals(self) -> Vitals:
        return Vitals(stalled=STALLED_SECONDS + 1, longest_run=0, loop=0, neglect={})


def engine(kind: type[Engine] = Engine) -> Engine:
    return kind(FakeCluster(), ScriptedPods(), SETTINGS)


async def test_it_is_ready_once_everything_was_listed() -> None:
    made = engine()
    async with TestClient(TestServer(application(made))) as client:
        before = await client.get("/readyz")
        made.synced.set()
        after = await client.get("/readyz")
    assert (before.status, after.status) == (503, 200)


async def test_it_is_alive_while_the_queue_moves() -> None:
    async with TestClient(TestServer(application(engine()))) as client:
        moving = await client.get("/livez")
    async with TestClient(TestServer(application(engine(Stuck)))) as client:
        stuck = await client.get("/livez")
        said = await stuck.text()
    assert (moving.status, stuck.status) == (200, 503)
    assert said == "Resources are waiting and none was done for 301 s.\n"


async def test_metrics_have_the_promised_names() -> None:
    async with TestClient(TestServer(application(engine()))) as client:
        text = await (await client.get("/metrics")).text()
    for name in (
        "smarter_reconcile_total",
        "smarter_reconcile_duration_seconds",
        "smarter_queue_depth",
        "smarter_queue_oldest_seconds",
        "smarter_api_requests_total",
        "smarter_watch_staleness_seconds",
        "smarter_loop_lag_seconds",
        "smarter_leader",
        "smarter_chatbot_info",
        "smarter_chatbot_condition",
        "smarter_certificate_expiry_timestamp_seconds",
    ):
        assert f"# TYPE {name.removesuffix('_total')}" in text


async def test_metrics_can_be_asked_for_by_name() -> None:
    async with TestClient(TestServer(application(engine()))) as client:
        text = await (await client.get("/metrics?name[]=smarter_queue_depth&name[]=smarter_leader")).text()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert sorted(names) == ["smarter_leader", "smarter_queue_depth"]
