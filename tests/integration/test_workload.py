"""What users and others change about a bot's pods, on a real API server."""

import copy
from typing import Any

import pytest

from smarter_operator.kinds import BY_NAME
from support.api import Api, ApiError, Manifest, eventually
from support.manifests import chatbot, exposed, provider


async def make(api: Api, namespace: str, **spec: Any) -> None:
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, **({"exposure": exposed()} | spec)))


async def ready(api: Api, namespace: str) -> None:
    await eventually(lambda: api.is_ready(namespace, "support"))


async def child(api: Api, namespace: str, kind: str, name: str = "support") -> Manifest:
    found = await api.get(kind, namespace, name)
    assert found is not None
    return found


async def pod_template(api: Api, namespace: str) -> Manifest:
    template: Manifest = (await child(api, namespace, "Deployment"))["spec"]["template"]
    return template


async def test_what_is_added_to_pods_and_route_arrives_and_ours_stays(api: Api, namespace: str) -> None:
    await make(
        api,
        namespace,
        exposure=exposed() | {"annotations": {"web.example/waf": "strict"}},
        runtime={"image": "registry.example/runtime:2"},
        podTemplate={
            "labels": {"team": "web"},
            "annotations": {"sidecar.example/inject": "true"},
            "serviceAccountAnnotations": {"cloud.example/role": "bots"},
            "env": [{"name": "TZ", "value": ""}],
            "tolerations": [{"key": "dedicated", "operator": "Exists"}],
            "affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
        },
    )
    await ready(api, namespace)
    [pod] = await api.list_all("Pod", namespace, "smarter.sh/chatbot=support,team=web")
    assert pod["metadata"]["annotations"]["sidecar.example/inject"] == "true"
    assert pod["spec"]["containers"][0]["image"] == "registry.example/runtime:2"
    assert [variable["name"] for variable in pod["spec"]["containers"][0]["env"]] == ["SMARTER_POD_UID", "TZ"]
    ingress, account = await child(api, namespace, "Ingress"), await child(api, namespace, "ServiceAccount")
    assert ingress["metadata"]["annotations"]["web.example/waf"] == "strict"
    assert account["metadata"]["annotations"]["cloud.example/role"] == "bots"

    await make(api, namespace)
    await eventually(lambda: _without_additions(api, namespace))


async def _without_additions(api: Api, namespace: str) -> bool:
    template, ingress = await pod_template(api, namespace), await child(api, namespace, "Ingress")
    added = {"tolerations", "affinity"} & template["spec"].keys() or "team" in template["metadata"]["labels"]
    return not added and "web.example/waf" not in ingress["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("spec", "reason", "said"),
    [
        pytest.param(
            {"podTemplate": {"serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn"}}},
            "AnnotationForbidden",
            "`platform.allowed.serviceAccountAnnotations`",
            id="cloud-role",
        ),
        pytest.param(
            {"podTemplate": {"affinity": {"nodeAffinty": {}}}},
            "ApplyRefused",
            ".spec.template.spec.affinity.nodeAffinty: field not declared in schema",
            id="misspelt-affinity",
        ),
        pytest.param(
            {"podTemplate": {"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "zone"}]}},
            "ApplyRefused",
            "topologySpreadConstraints[0].maxSkew",
            id="impossible-spread",
        ),
        pytest.param(
            {"podTemplate": {"priorityClassName": "nowhere"}},
            "PodsRefused",
            "no PriorityClass with name nowhere was found",
            id="no-such-priority-class",
        ),
    ],
)
async def test_what_cannot_be_had_is_said_at_once(
    api: Api, namespace: str, spec: Manifest, reason: str, said: str
) -> None:
    await make(api, namespace, **spec)

    async def refused() -> bool:
        _, found, message = await api.condition(namespace, "support", "Ready")
        return found == reason and said in message

    await eventually(refused, 10)
    await make(api, namespace)
    await ready(api, namespace)


async def test_a_deployment_that_was_made_anew_with_another_selector_is_replaced(api: Api, namespace: str) -> None:
    await make(api, namespace)
    await ready(api, namespace)
    old = await child(api, namespace, "Deployment")
    other = copy.deepcopy(old)
    other["metadata"] = {key: old["metadata"][key] for key in ("name", "namespace", "labels", "ownerReferences")}
    other["spec"]["template"]["metadata"]["labels"]["other"] = "yes"
    other["spec"]["selector"] = {"matchLabels": {"other": "yes"}}
    other.pop("status")
    # As it comes out of a backup, and for once faster than the operator.
    for _ in range(20):
        await api.delete("Deployment", namespace, "support")
        if await _created(api, other):
            break
    else:
        pytest.fail("the operator was always faster")

    async def replaced() -> bool:
        found = await api.get("Deployment", namespace, "support")
        return found is not None and found["spec"]["selector"] == old["spec"]["selector"]

    async def none_left() -> bool:
        pods = await api.list_all("Pod", namespace, "other=yes")
        return all("deletionTimestamp" in pod["metadata"] for pod in pods)

    await eventually(replaced, 10)
    await ready(api, namespace)
    # The garbage collector comes after the Deployment has gone, and not at once.
    await eventually(none_left)


async def _created(api: Api, deployment: Manifest) -> bool:
    """Create it; returns False where one of that name exists."""
    path = BY_NAME["Deployment"].path(deployment["metadata"]["namespace"])
    try:
        await api.call("POST", path, body=deployment)
    except ApiError as error:
        assert error.code == 409, error
        return False
    return True


async def test_a_sidecar_a_restart_and_foreign_labels_survive_our_own_changes(api: Api, namespace: str) -> None:
    await make(api, namespace)
    await ready(api, namespace)
    restarted = {"kubectl.kubernetes.io/restartedAt": "2026-11-22T12:00:00Z"}
    mesh = {"name": "mesh", "image": "mesh:1"}
    container = {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}} | mesh
    template = {
        "metadata": {"annotations": restarted, "labels": {"foreign": "yes"}},
        "spec": {"containers": [container]},
    }
    selector = {"matchLabels": {"smarter.sh/chatbot": "support"}}
    foreign = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "support", "namespace": namespace, "labels": {"foreign": "yes"}},
        "spec": {"selector": selector, "template": template},
    }
    await api.apply(foreign, manager="mesh-injector")
    await make(api, namespace, podTemplate={"tolerations": [{"key": "dedicated", "operator": "Exists"}]})

    async def changed() -> bool:
        return "tolerations" in (await pod_template(api, namespace))["spec"]

    await eventually(changed, 10)
    kept = await child(api, namespace, "Deployment")
    template = kept["spec"]["template"]
    assert kept["metadata"]["labels"]["foreign"] == "yes"
    assert template["metadata"]["labels"]["foreign"] == "yes"
    assert template["metadata"]["annotations"] == restarted
    assert sorted(c["name"] for c in template["spec"]["containers"]) == ["mesh", "runtime"]
    await ready(api, namespace)


async def test_a_bot_with_a_certificate_of_its_own_names_its_secret_and_has_none_made(api: Api, namespace: str) -> None:
    tls = {"mode": "Secret", "secretName": "acme-wildcard"}
    await api.apply(provider(namespace=namespace), chatbot(namespace=namespace, exposure=exposed()))
    await eventually(lambda: api.is_ready(namespace, "support"))
    assert await api.list_all("Certificate", namespace)
    await api.apply(chatbot(namespace=namespace, exposure=exposed() | {"tls": tls}))

    async def uses_it() -> bool:
        ingress = await api.get("Ingress", namespace, "support")
        secrets = [entry.get("secretName") for entry in ingress["spec"].get("tls", [])] if ingress else []
        return secrets == ["acme-wildcard"] and await api.is_ready(namespace, "support")

    await eventually(uses_it)
    assert (await api.condition(namespace, "support", "CertificateReady"))[:2] == ("True", "FromSecret")

    async def no_certificate() -> bool:
        return not await api.list_all("Certificate", namespace)

    await eventually(no_certificate)
