import asyncio
import copy
import re
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
import yaml
from aiohttp import web

from smarter_cluster.charts import NAMESPACE
from smarter_cluster.cluster import Cluster
from smarter_crds.compile.support import SUPPORT
from smarter_operator import webhook as server
from smarter_operator.admission import Verdict
from smarter_operator.conversion import Conversions, Version
from smarter_operator.settings import WebhookSettings
from support.api import Api, ApiError, Manifest, eventually
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_process import OperatorProcess, free_port
from support.real_api import ROOT
from support.samples import full
from support.webhook_place import WebhookPlace

Kubectl = Callable[..., subprocess.CompletedProcess[str]]

CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


def impossible(namespace: str) -> Manifest:
    return chatbot(namespace=namespace, plugins=[{"name": "twice"}, {"name": "twice"}])


def configuration(cluster: Cluster, place: WebhookPlace) -> Manifest:
    """Return the chart's own, for an operator outside of the cluster."""
    values = {
        "webhook.certificate": "Secret",
        "webhook.secretName": "unused",
        "webhook.caBundle": place.ca_bundle,
        "webhook.url": place.url,
    }
    options = [option for key, value in values.items() for option in ("--set-string", f"{key}={value}")]
    template = "templates/operator-validatingwebhookconfiguration.yaml"
    command = [cluster.program("helm"), "template", "smarter", ROOT / "charts" / "smarter", "--namespace", NAMESPACE]
    done = subprocess.run(
        [*map(str, command), "--show-only", template, *options], capture_output=True, text=True, check=True
    )
    parsed: Manifest = yaml.safe_load(done.stdout)
    return parsed


async def denied(api: Api, manifest: Manifest) -> str:
    """Return why the resource is denied, or nothing; it is not stored."""
    try:
        await _try(api, manifest)
    except ApiError as error:
        return str(error)
    return ""


async def _try(api: Api, manifest: Manifest) -> None:
    plural = f"{manifest['kind'].lower()}s"
    path = f"/apis/smarter.sh/v1alpha1/namespaces/{manifest['metadata']['namespace']}/{plural}"
    await api.call("POST", path, query={"dryRun": "All"}, body=manifest)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def asked(
    installed: Cluster, api: Api, operator: OperatorProcess, webhook: WebhookPlace
) -> AsyncIterator[Manifest]:
    """The API server asks the operator as long as this module runs."""
    made = await api.call("POST", CONFIGURATIONS, body=configuration(installed, webhook))
    # The API server learns of it a moment later.
    await eventually(lambda: denied(api, impossible("default")), 20)
    yield made
    await api.call("DELETE", f"{CONFIGURATIONS}/{made['metadata']['name']}")

    async def forgotten() -> bool:
        return not await denied(api, impossible("default"))

    await eventually(forgotten, 20)


async def admissions(operator: OperatorProcess) -> dict[str, float]:
    """Return how many resources were judged, by kind."""
    found: dict[str, float] = {}
    for line in (await operator.metrics()).splitlines():
        if match := re.match(r'smarter_admissions_total\{kind="(\w+)".*\} (.*)', line):
            found[match[1]] = found.get(match[1], 0) + float(match[2])
    return found


async def test_kubectl_prints_what_may_still_come_right(asked: Manifest, namespace: str, kubectl: Kubectl) -> None:
    bot = chatbot(namespace=namespace, plugins=[{"name": "nobody"}], exposure=exposed(mode="Disabled"))
    done = kubectl("apply", "-f", "-", input=yaml.safe_dump(bot))
    assert (done.returncode, done.stdout.strip()) == (0, "chatbot.smarter.sh/support created")
    assert done.stderr.splitlines() == [
        f"Warning: Provider 'demo' is not in namespace '{namespace}'; create it, or name another in "
        "`spec.model.providerRef`.",
        f"Warning: Plugin 'nobody' is not in namespace '{namespace}'; create it, or remove it from `spec.plugins`.",
        "Warning: The bot is served without TLS; set `spec.exposure.tls.mode`, or `issuerRef` beside it.",
    ]


async def test_what_can_never_work_is_denied_with_the_sentence_and_not_stored(
    asked: Manifest, api: Api, namespace: str, kubectl: Kubectl
) -> None:
    too_large = plugin(namespace=namespace, static={"data": {"a": "x" * 140_000}})
    done = kubectl("apply", "--server-side", "-f", "-", input=yaml.safe_dump(too_large))
    assert done.returncode == 1
    assert "`spec.static.data` takes 140008 bytes as JSON, and 131072 are allowed; shorten it" in done.stderr
    assert await api.get("Plugin", namespace, "returns") is None


async def test_what_exists_by_now_is_no_warning(asked: Manifest, api: Api, namespace: str, kubectl: Kubectl) -> None:
    await api.apply(provider(namespace=namespace), plugin(namespace=namespace))
    bot = chatbot(namespace=namespace, plugins=[{"name": "returns"}], exposure=exposed())

    async def silent() -> bool:
        # The operator learns of them by its watch.
        return kubectl("apply", "--dry-run=server", "-f", "-", input=yaml.safe_dump(bot)).stderr == ""

    await eventually(silent, 10)


async def test_every_kind_is_asked_about_and_no_subresource(
    asked: Manifest, api: Api, namespace: str, operator: OperatorProcess
) -> None:
    before = await admissions(operator)
    for kind in SUPPORT:
        sample = full(kind)
        sample["metadata"]["namespace"] = namespace
        assert await denied(api, sample) == "", kind
    after = await admissions(operator)
    assert {kind: after[kind] - before.get(kind, 0) for kind in SUPPORT} == dict.fromkeys(SUPPORT, 1)


async def test_statuses_scales_deletions_and_the_systems_namespaces_are_not_asked_about(
    asked: Manifest, api: Api, namespace: str, operator: OperatorProcess
) -> None:
    await api.apply(chatbot(namespace=namespace))
    before = await admissions(operator)
    await api.patch("Chatbot", namespace, "support", {"status": {"model": "x/y"}}, "status")
    await api.patch("Chatbot", namespace, "support", {"spec": {"replicas": 2}}, "scale")
    await api.delete("Chatbot", namespace, "support")
    assert await denied(api, impossible("kube-system")) == ""
    assert await admissions(operator) == before


async def test_a_name_that_the_server_makes_is_judged_as_made(asked: Manifest, api: Api, namespace: str) -> None:
    bot = chatbot(namespace=namespace)
    bot["metadata"] = {"generateName": "support-", "namespace": namespace}
    assert await denied(api, bot) == ""


async def test_what_was_stored_before_is_edited_and_deleted_freely(
    asked: Manifest, api: Api, namespace: str, operator: OperatorProcess
) -> None:
    assert await operator.stop() == 0
    bot = impossible(namespace)
    bot["metadata"]["finalizers"] = ["test.example/held"]
    # Nobody answers: it is stored all the same, at once.
    async with asyncio.timeout(5):
        await api.apply(bot)
    await operator.start()
    await eventually(lambda: denied(api, impossible("default")), 20)
    await api.patch("Chatbot", namespace, "support", {"metadata": {"labels": {"a": "b"}}})
    await api.patch("Chatbot", namespace, "support", {"spec": {"language": "es"}})
    with pytest.raises(ApiError, match="3 times"):
        await api.patch("Chatbot", namespace, "support", {"spec": {"plugins": [{"name": "twice"}] * 3}})
    await api.delete("Chatbot", namespace, "support")
    await api.patch("Chatbot", namespace, "support", {"metadata": {"finalizers": None}})
    assert await api.get("Chatbot", namespace, "support") is None


async def test_an_operator_that_hangs_delays_a_write_and_does_not_prevent_it(
    asked: Manifest, api: Api, namespace: str, operator: OperatorProcess
) -> None:
    operator.signal(signal.SIGSTOP)
    try:
        async with asyncio.timeout(10):
            await api.apply(impossible(namespace))
    finally:
        operator.signal(signal.SIGCONT)
    await api.delete("Chatbot", namespace, "support")


async def test_a_certificate_that_is_not_trusted_prevents_nothing(
    asked: Manifest, api: Api, namespace: str, installed: Cluster, tmp_path: Path, webhook: WebhookPlace
) -> None:
    stranger = WebhookPlace.make(tmp_path)
    path = f"{CONFIGURATIONS}/{asked['metadata']['name']}"
    for bundle, expected in ((stranger.ca_bundle, False), (webhook.ca_bundle, True)):
        replaced = [
            {**hook, "clientConfig": {**hook["clientConfig"], "caBundle": bundle}} for hook in asked["webhooks"]
        ]
        await api.call("PATCH", path, body={"webhooks": replaced}, content_type="application/merge-patch+json")

        async def as_expected(expected: bool = expected) -> bool:
            return bool(await denied(api, impossible(namespace))) == expected

        await eventually(as_expected, 20)


GREETERS = "/apis/test.smarter.example"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
GREETER: Manifest = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "greeters.test.smarter.example"},
    "spec": {
        "group": "test.smarter.example",
        "scope": "Namespaced",
        "names": {"kind": "Greeter", "plural": "greeters", "singular": "greeter", "listKind": "GreeterList"},
        "versions": [
            {"name": name, "served": True, "storage": name == "v1beta1", "schema": {"openAPIV3Schema": ANYTHING}}
            for name in ("v1alpha1", "v1beta1")
        ],
    },
}


def _renamed(old: str, new: str) -> Callable[[Manifest], Manifest]:
    def change(manifest: Manifest) -> Manifest:
        spec = {new if key == old else key: value for key, value in manifest["spec"].items()}
        return {**manifest, "spec": spec}

    return change


@pytest_asyncio.fixture(loop_scope="session")
async def greeters(api: Api, webhook: WebhookPlace) -> AsyncIterator[None]:
    """A kind with two versions, converted by a server like the operator's, with one entry more in its table."""
    old = Version(to_stored=_renamed("greeting", "salute"), from_stored=_renamed("salute", "greeting"))
    versions = {"v1alpha1": old, "v1beta1": Version()}
    conversions = Conversions("test.smarter.example", frozenset({"Greeter"}), versions)
    settings = WebhookSettings(certificate_folder=str(webhook.folder), port=free_port())
    app: web.Application = server.application(lambda *_: Verdict(), conversions)
    serving = asyncio.create_task(server.serve_application(app, settings, "127.0.0.1"))
    client = {"url": f"https://127.0.0.1:{settings.port}/convert", "caBundle": webhook.ca_bundle}
    definition = copy.deepcopy(GREETER)
    how = {"clientConfig": client, "conversionReviewVersions": ["v1"]}
    definition["spec"]["conversion"] = {"strategy": "Webhook", "webhook": how}
    crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    await api.call("POST", crds, body=definition)
    yield
    await api.call("DELETE", f"{crds}/{definition['metadata']['name']}")
    await eventually(lambda: _gone(api, f"{crds}/{definition['metadata']['name']}"))
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
    # A TLS connection outlives its server until the other side has said goodbye.
    await eventually(lambda: _unconnected(settings.port), 40)


async def _gone(api: Api, path: str) -> bool:
    try:
        await api.call("GET", path)
    except ApiError as error:
        return error.code == 404
    return False


async def _unconnected(port: int) -> bool:
    """Tell whether no connection to this process's port is left."""
    return port not in {connection.laddr.port for connection in psutil.Process().net_connections() if connection.laddr}


async def test_the_api_server_has_versions_converted_there_and_back(api: Api, namespace: str, greeters: None) -> None:
    def path(version: str, name: str = "") -> str:
        return f"{GREETERS}/{version}/namespaces/{namespace}/greeters/{name}".rstrip("/")

    manifest = {
        "apiVersion": "test.smarter.example/v1alpha1",
        "kind": "Greeter",
        "metadata": {"name": "one", "labels": {"kept": "yes"}},
        "spec": {"greeting": "hello"},
    }

    async def made() -> bool:
        try:
            await api.call("POST", path("v1alpha1"), body=manifest)
        except ApiError as error:
            # The API server serves a new kind a moment later.
            assert error.code == 404, error
            return False
        return True

    await eventually(made, 20)
    new = await api.call("GET", path("v1beta1", "one"))
    assert (new["spec"], new["metadata"]["labels"]) == ({"salute": "hello"}, {"kept": "yes"})
    change = {"spec": {"salute": "good day"}}
    await api.call("PATCH", path("v1beta1", "one"), body=change, content_type="application/merge-patch+json")
    [old] = (await api.call("GET", path("v1alpha1")))["items"]
    assert old["spec"] == {"greeting": "good day"}
