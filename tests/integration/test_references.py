import pytest

from smarter_operator.kinds import REFERENCED
from support.api import Api, eventually
from support.samples import minimal


@pytest.mark.parametrize("kind", [kind.name for kind in REFERENCED])
async def test_everything_that_bots_refer_to_says_whether_it_can_be_used(api: Api, namespace: str, kind: str) -> None:
    manifest = minimal(kind)
    manifest["metadata"]["namespace"] = namespace
    [made] = await api.apply(manifest)

    async def said() -> bool:
        found = await api.get(kind, namespace, made["metadata"]["name"]) or {}
        status = found.get("status", {})
        judged = {"Accepted", "Ready"} <= {condition["type"] for condition in status.get("conditions", [])}
        return judged and bool(status["observedGeneration"] == found["metadata"]["generation"])

    await eventually(said)
