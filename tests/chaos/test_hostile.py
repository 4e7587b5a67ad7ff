"""What a cluster may refuse, and how the operator bears it."""

import asyncio

from support.api import Api, ApiError, Manifest, eventually
from support.data_plane import DataPlane
from support.manifests import chatbot, exposed, provider
from support.operator_process import OperatorProcess

POLICIES = "/apis/admissionregistration.k8s.io/v1"
SAID_SECONDS = 30
LOOKED_AT_SECONDS = 20


def refusing(namespace: str) -> tuple[Manifest, Manifest]:
    """Return a policy that refuses every Deployment in the namespace, and its binding."""
    rule = {
        "apiGroups": ["apps"],
        "apiVersions": ["v1"],
        "operations": ["CREATE", "UPDATE"],
        "resources": ["deployments"],
    }
    policy = {
        "metadata": {"name": namespace},
        "spec": {
            "failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": "false", "message": "Deployments are made by the platform team."}],
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
    return policy, binding


async def calls(operator: OperatorProcess, kind: str) -> float:
    """Count what the operator has sent about objects of one kind."""
    lines = [line for line in (await operator.metrics()).splitlines() if line.startswith("smarter_api_requests_total")]
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if f'kind="{kind}"' in line and 'verb="PATCH"' in line)


async def test_what_an_admission_policy_refuses_is_said_and_not_hammered(
    api: Api, namespace: str, operator: OperatorProcess, data_plane: DataPlane
) -> None:
    policy, binding = refusing(namespace)
    await api.call("POST", f"{POLICIES}/validatingadmissionpolicies", body=policy)
    await api.call("POST", f"{POLICIES}/validatingadmissionpolicybindings", body=binding)
    await eventually(lambda: _refused(api, namespace))
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure=exposed()))

    async def said() -> bool:
        status, reason, message = await api.condition(namespace, "support", "Ready")
        return (status, reason) == ("False", "ApplyRefused") and "made by the platform team" in message

    await eventually(said, SAID_SECONDS)
    before = await calls(operator, "Deployment")
    await asyncio.sleep(LOOKED_AT_SECONDS)
    # It is tried again every fifteen seconds, and after events of the other children.
    assert await calls(operator, "Deployment") - before <= 5

    await api.call("DELETE", f"{POLICIES}/validatingadmissionpolicybindings/{namespace}")
    await api.call("DELETE", f"{POLICIES}/validatingadmissionpolicies/{namespace}")
    await eventually(lambda: api.is_ready(namespace, "support"), 60)


async def _refused(api: Api, namespace: str) -> bool:
    """Tell whether the API server knows the policy by now."""
    container = {"name": "main", "image": "none:1"}
    template = {"metadata": {"labels": {"app": "try"}}, "spec": {"containers": [container]}}
    deployment = {
        "metadata": {"name": "try"},
        "spec": {"selector": {"matchLabels": {"app": "try"}}, "template": template},
    }
    path = f"/apis/apps/v1/namespaces/{namespace}/deployments"
    try:
        await api.call("POST", path, query={"dryRun": "All"}, body=deployment)
    except ApiError as error:
        return "platform team" in str(error)
    return False
