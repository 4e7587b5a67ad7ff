"""What a cluster may refuse, and how the operator bears it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from support.api import Api, ApiError, Manifest, eventually
from support.data_plane import DataPlane
from support.denying_webhook import denying
from support.manifests import chatbot, exposed, provider
from support.operator_metrics import calls, since
from support.operator_process import OperatorProcess

POLICIES = "/apis/admissionregistration.k8s.io/v1"
SAID_SECONDS = 10
LOOKED_AT_SECONDS = 20
BY_POLICY = "refused-by-policy"
BY_WEBHOOK = {
    "refused-401": 401,
    "refused-403": 403,
    "refused-409": 409,
    "refused-422": 422,
    "refused-429": 429,
    "refused-500": 500,
    "refused-unheard": None,
}
"""Names of Chatbots whose Deployment a webhook refuses, and with which code; None: the webhook does not answer."""

WORDS = (
    {BY_POLICY: "made by the platform team"}
    | {name: f"{name} is not wanted here" for name in BY_WEBHOOK}
    | {"refused-unheard": 'failed calling webhook "silent.test.example"'}
)


async def test_whatever_admission_refuses_with_whatever_code_is_said_in_ten_seconds_and_not_hammered(
    api: Api, namespace: str, operator: OperatorProcess, data_plane: DataPlane, tmp_path: Path
) -> None:
    loop = asyncio.get_running_loop()
    await api.apply(provider(namespace=namespace))
    async with policy(api, namespace), denying(api, namespace, tmp_path, BY_WEBHOOK):
        for name, words in WORDS.items():
            await eventually(lambda name=name, words=words: _is_refused(api, namespace, name, words))  # type: ignore[misc]
        began = loop.time()
        seconds: dict[str, float] = {}
        await api.apply(*(chatbot(name, namespace, exposure=exposed()) for name in WORDS))

        async def all_said() -> bool:
            for name in WORDS.keys() - seconds.keys():
                status, reason, message = await api.condition(namespace, name, "Ready")
                if (status, reason) == ("False", "ApplyRefused") and WORDS[name] in message:
                    seconds[name] = loop.time() - began
            return seconds.keys() == WORDS.keys()

        await eventually(all_said, SAID_SECONDS)
        before = await calls(operator)
        await asyncio.sleep(LOOKED_AT_SECONDS)
        # Each is tried again every fifteen seconds, and after events of the other children; a hot loop tries hundreds.
        tries = since(before, await calls(operator))["PATCH", "Deployment"] / len(WORDS)
        print(f"\nsaid after {max(seconds.values()):.1f} s; then {tries:.1f} tries in {LOOKED_AT_SECONDS} s")
        assert tries <= 6

    async def all_ready() -> bool:
        return all([await api.is_ready(namespace, name) for name in WORDS])

    await eventually(all_ready, 60)


@asynccontextmanager
async def policy(api: Api, namespace: str) -> AsyncIterator[None]:
    """Refuse one Deployment of the namespace while the context lasts."""
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"],
    }
    refusal = {
        "expression": f"object.metadata.name != '{BY_POLICY}'",
        "message": "Deployments are made by the platform team.",
        "reason": "Forbidden",
    }
    made: Manifest = {
        "metadata": {"name": namespace},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [refusal],
        },
    }
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    binding = {
        "metadata": {"name": namespace},
        "spec": {
            "policyName": namespace,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": selector},
        },
    }
    await api.call("POST", f"{POLICIES}/validatingadmissionpolicies", body=made)
    await api.call("POST", f"{POLICIES}/validatingadmissionpolicybindings", body=binding)
    try:
        yield
    finally:
        await api.call("DELETE", f"{POLICIES}/validatingadmissionpolicybindings/{namespace}")
        await api.call("DELETE", f"{POLICIES}/validatingadmissionpolicies/{namespace}")


async def _is_refused(api: Api, namespace: str, name: str, words: str) -> bool:
    """Tell whether the API server knows by now that a Deployment of this name is refused."""
    container = {"name": "main", "image": "none:1"}
    template = {"metadata": {"labels": {"app": "try"}}, "spec": {"containers": [container]}}
    deployment = {
        "metadata": {"name": name},
        "spec": {"selector": {"matchLabels": {"app": "try"}}, "template": template},
    }
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    try:
        await api.call("POST", path, query={"dryRun": "All"}, body=deployment)
    except ApiError as error:
        return words in str(error).replace('\\"', '"')
    return False
