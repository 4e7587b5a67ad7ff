"""What is left when the charts are uninstalled, and when things are deleted while no operator runs: nothing stuck."""

import signal

import yaml

from smarter_cluster.charts import NAMESPACE
from support.api import Api, ApiError, Manifest, until_empty
from support.children import children
from support.helm import helm
from support.manifests import chatbot
from support.operator_process import OperatorProcess
from support.release_place import BOTS, RELEASE, SHOP, Place, make_bots

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_HERE = (RELEASE, "--namespace", NAMESPACE)
_PLURALS = {"ValidatingAdmissionPolicy": "validatingadmissionpolicies"}


async def test_uninstalling_leaves_nothing_of_the_charts_and_bots_run_on(place: Place) -> None:
    operator = await running(place)
    pods = await place.pods()
    written = await _versions(place.api)
    objects = [each for each in yaml.safe_load_all(helm(place.cluster, "get", "manifest", *_HERE)) if each]
    assert {"ValidatingWebhookConfiguration", "ClusterRole", "Deployment"} <= {each["kind"] for each in objects}

    helm(place.cluster, "uninstall", *_HERE, "--wait", "--timeout=60s")
    # The kubelet ends the operator, which may do nothing any more.
    assert await operator.stop() == 0
    await until_empty(lambda: _there(place, objects), 30)
    assert await place.pods() == pods
    assert await _versions(place.api) == written

    helm(place.cluster, "uninstall", "smarter-crds", "--namespace", NAMESPACE, "--wait", "--timeout=60s")
    assert await place.pods() == pods
    assert len(await place.api.list_all("Chatbot", SHOP)) == len(BOTS)
    # Nobody answers for the webhook any more, and nobody waits for it.
    await place.api.apply(chatbot("late", SHOP))
    await place.api.delete("Chatbot", SHOP, "late")
    await place.api.delete("Namespace", "", NAMESPACE)
    await until_empty(lambda: _rest(place.api, "Namespace", NAMESPACE), 60)


async def test_deleting_finishes_although_no_operator_runs(place: Place) -> None:
    operator = await running(place)
    await operator.stop(signal.SIGKILL)
    for name in BOTS:
        await place.api.delete("Chatbot", SHOP, name)
    await until_empty(lambda: _of(place.api, ""), 60)
    # Nobody makes anything of it: whether Kubernetes collects what a Chatbot owns whose kind goes too is a race of its
    # own (kubernetes/kubernetes#102641), and the documentation says so.
    await place.api.apply(chatbot("late", SHOP))
    definitions = await place.api.call("GET", CRDS)
    own = [each["metadata"]["name"] for each in definitions["items"] if each["spec"]["group"] == "smarter.sh"]
    assert "chatbots.smarter.sh" in own
    for name in own:
        await place.api.call("DELETE", f"{CRDS}/{name}")

    async def left() -> list[str]:
        rest = await place.api.call("GET", CRDS)
        return [each["metadata"]["name"] for each in rest["items"] if each["metadata"]["name"] in own]

    await until_empty(left, 90)
    await place.api.delete("Namespace", "", SHOP)
    await until_empty(lambda: _rest(place.api, "Namespace", SHOP), 60)


async def running(place: Place) -> OperatorProcess:
    """Return the operator as it is installed, with bots that are Ready."""
    place.install()
    operator = await place.operator()
    await make_bots(place.api)
    await place.settled()
    return operator


async def _versions(api: Api) -> dict[str, str]:
    """Return the versions of all children; a status that a controller writes makes a new one, too."""
    found = await children(api, SHOP)
    return {f"{each['kind']} {each['metadata']['name']}": each["metadata"]["resourceVersion"] for each in found}


async def _there(place: Place, objects: list[Manifest]) -> list[str]:
    """Name those of the chart's objects that are still there."""
    found = []
    for each in objects:
        group, _, version = each["apiVersion"].rpartition("/")
        root = f"/apis/{group}/{version}" if group else f"/api/{version}"
        scope = f"/namespaces/{NAMESPACE}" if "namespace" in each["metadata"] else ""
        plural = _PLURALS.get(each["kind"], f"{each['kind'].lower()}s")
        try:
            await place.api.call("GET", f"{root}{scope}/{plural}/{each['metadata']['name']}")
        except ApiError as error:
            if error.code == 404:
                continue
            raise
        found.append(f"{each['kind']} {each['metadata']['name']}")
    return found


async def _rest(api: Api, kind: str, name: str) -> list[str]:
    return [name] if await api.get(kind, "", name) else []


async def _of(api: Api, bot: str) -> list[str]:
    """Name the children and pods that are left of a bot, or of all."""
    selector = f"smarter.sh/chatbot={bot}" if bot else "smarter.sh/chatbot"
    rest = [*await children(api, SHOP, bot), *await api.list_all("Pod", SHOP, selector)]
    return [f"{each.get('kind', 'Pod')} {each['metadata']['name']}" for each in rest]
