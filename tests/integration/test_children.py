"""The API server takes every child that the golden files hold, to the letter, without keeping any."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import yaml

from smarter_operator.kinds import BY_NAME, LISTENER_SET, POD_MONITOR
from support.api import Api, Manifest
from support.definitions import listener_sets, served

GOLDEN = Path(__file__).parents[1] / "operator" / "golden"
CASES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
KEYS = Path(__file__).parents[1] / "operator" / "golden-keys" / "api-keys.yaml"

DRY_RUN = {"fieldManager": "smarter-operator", "force": "true", "dryRun": "All", "fieldValidation": "Strict"}


async def dry_run(api: Api, manifest: Manifest) -> Manifest:
    metadata = manifest["metadata"]
    path = BY_NAME[manifest["kind"]].path(metadata["namespace"], metadata["name"])
    return await api.call("PATCH", path, query=DRY_RUN, body=manifest, content_type="application/apply-patch+yaml")


@pytest.mark.parametrize("case", CASES)
async def test_the_api_server_takes_the_children(api: Api, case: str) -> None:
    namespace = await api.namespace("golden")
    children = list(yaml.safe_load_all((GOLDEN / f"{case}.yaml").read_text(encoding="utf-8")))
    # The definition of a PodMonitor is not on this cluster.
    known = [child for child in children if child["kind"] != POD_MONITOR.name]
    assert {"ServiceAccount", "ConfigMap"} <= {child["kind"] for child in known}
    async with AsyncExitStack() as stack:
        if any(child["kind"] == LISTENER_SET.name for child in known):
            await stack.enter_async_context(served(api, listener_sets()))
        for child in known:
            child["metadata"]["namespace"] = namespace
            taken = await dry_run(api, child)
            assert taken["metadata"]["name"] == child["metadata"]["name"]
            if child["kind"] == LISTENER_SET.name:
                assert taken["spec"] == child["spec"], "what the server fills in would look like drift"


async def test_the_api_server_takes_the_keys_of_a_chatbot(api: Api) -> None:
    namespace = await api.namespace("golden")
    child = yaml.safe_load(KEYS.read_text(encoding="utf-8"))
    child["metadata"]["namespace"] = namespace
    assert (await dry_run(api, child))["data"] == child["data"]
