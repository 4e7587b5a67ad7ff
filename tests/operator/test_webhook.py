import asyncio
import io
import json
import ssl
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from smarter_cluster.pki import Authority, KeyPair, Subject
from smarter_operator import webhook
from smarter_operator.admission import Verdict
from smarter_operator.conversion import CannotConvert, Conversions, Version
from smarter_operator.engine import Engine
from smarter_operator.settings import WebhookSettings
from support.api import eventually
from support.fake_cluster import FakeCluster
from support.manifests import chatbot, plugin
from support.operator_harness import SETTINGS, ScriptedPods
from support.operator_process import free_port

Manifest = dict[str, Any]
Client = TestClient[Any, Any]


def think(kind: str, manifest: Manifest, before: Manifest | None) -> Verdict:
    """Deny what is called `bad`, and tell what was asked."""
    if manifest["metadata"]["name"] == "bad":
        return Verdict(denial="This can never work.")
    return Verdict(warnings=(f"{kind} {manifest['metadata']['name']} after {bool(before)}",))


@pytest_asyncio.fixture
async def client() -> AsyncIterator[Client]:
    async with TestClient(TestServer(webhook.application(think))) as opened:
        yield opened


def review(manifest: Any, operation: str = "CREATE", **members: Any) -> Manifest:
    kind = {"group": "smarter.sh", "version": "v1alpha1", "kind": "Chatbot"}
    asked = {"uid": "u1", "kind": kind, "operation": operation, "object": manifest} | members
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}


async def answered(client: Client, path: str, body: Manifest) -> Manifest:
    async with client.post(path, json=body) as response:
        assert response.status == 200
        answer: Manifest = await response.json()
        assert (answer["apiVersion"], answer["kind"]) == (body["apiVersion"], body["kind"])
        assert answer["response"].pop("uid") == "u1"
        found: Manifest = answer["response"]
        return found


async def test_a_denial_carries_the_sentence(client: Client) -> None:
    answer = await answered(client, "/validate", review(chatbot("bad")))
    assert answer == {
        "allowed": False,
        "status": {"code": 422, "reason": "Invalid", "message": "This can never work."},
    }


@pytest.mark.parametrize(
    ("operation", "old", "said"),
    [
        pytest.param("CREATE", None, ["Chatbot support after False"], id="create"),
        pytest.param("UPDATE", chatbot(), ["Chatbot support after True"], id="update"),
        pytest.param("UPDATE", "garbage", ["Chatbot support after False"], id="update-of-garbage"),
        pytest.param("CONNECT", None, None, id="neither"),
    ],
)
async def test_warnings_reach_the_author(client: Client, operation: str, old: Any, said: list[str] | None) -> None:
    answer = await answered(client, "/validate", review(chatbot(), operation, oldObject=old))
    assert (answer["allowed"], answer.get("warnings")) == (True, said)


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"operation": "DELETE", "object": None, "oldObject": chatbot("bad")}, id="a-deletion"),
        pytest.param({"subResource": "status"}, id="a-status"),
        pytest.param({"subResource": "scale"}, id="a-scale"),
        pytest.param({"kind": {"group": "", "version": "v1", "kind": "Pod"}}, id="a-kind-of-others"),
        pytest.param({"kind": {"group": "smarter.sh", "version": "v9", "kind": "Chatbot"}}, id="a-version-to-come"),
        pytest.param(
            {"kind": {"group": "smarter.sh", "version": "v1alpha1", "kind": ["Chatbot"]}}, id="a-strange-kind"
        ),
        pytest.param({"kind": "Chatbot"}, id="a-kind-in-a-strange-shape"),
    ],
)
async def test_what_is_none_of_its_business_is_let_through(client: Client, members: Manifest) -> None:
    assert await answered(client, "/validate", review(chatbot("bad"), **members)) == {"allowed": True}


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param(None, id="nothing"),
        pytest.param([], id="a-list"),
        pytest.param({}, id="without-metadata"),
        pytest.param({"metadata": "bad"}, id="metadata-in-a-strange-shape"),
        pytest.param({"metadata": {"name": ["bad"]}}, id="a-strange-name"),
    ],
)
async def test_no_object_to_judge_is_said_and_let_through(client: Client, manifest: Any) -> None:
    answer = await answered(client, "/validate", review(manifest))
    assert answer == {"allowed": True, "warnings": ["The operator was sent no object to judge."]}


@pytest.mark.parametrize("path", ["/validate", "/convert"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(b"", 400, id="empty"),
        pytest.param(b"\xff\x00garbage", 400, id="garbage"),
        pytest.param(b"[]", 400, id="a-list"),
        pytest.param(b"{}", 400, id="no-review"),
        pytest.param(json.dumps(review(chatbot(), uid=7)).encode(), 400, id="no-uid"),
        pytest.param(b'{"kind": "AdmissionReview", "request": []}', 400, id="a-strange-request"),
        pytest.param(b'{"a":' * 100_000, 400, id="deep"),
        pytest.param(b" " * (webhook.MAX_REQUEST_BYTES + 1), 413, id="huge"),
    ],
)
async def test_hostile_bodies_are_refused(client: Client, path: str, body: bytes, status: int) -> None:
    async with client.post(path, data=io.BytesIO(body)) as response:
        assert response.status == status
    assert (await answered(client, "/validate", review(chatbot())))["allowed"]


async def test_while_one_resource_is_judged_the_event_loop_goes_on() -> None:
    begun, goes_on = threading.Event(), threading.Event()

    def think_long(kind: str, manifest: Manifest, before: Manifest | None) -> Verdict:
        begun.set()
        return Verdict(warnings=() if goes_on.wait(10) else ("The loop stood still.",))

    async with TestClient(TestServer(webhook.application(think_long))) as client:
        asked = asyncio.create_task(answered(client, "/validate", review(chatbot())))
        assert await asyncio.to_thread(begun.wait, 10)
        goes_on.set()
        assert await asked == {"allowed": True}


async def test_other_methods_and_paths_are_not_there(client: Client) -> None:
    assert [(await client.get("/validate")).status, (await client.post("/metrics")).status] == [405, 404]


def conversion(objects: Any, desired: str = "smarter.sh/v1alpha1") -> Manifest:
    asked = {"uid": "u1", "desiredAPIVersion": desired, "objects": objects}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "ConversionReview", "request": asked}


async def test_objects_of_the_one_version_are_given_back_as_they_are(client: Client) -> None:
    objects = [chatbot(), plugin()]
    answer = await answered(client, "/convert", conversion(objects))
    assert answer == {"result": {"status": "Success"}, "convertedObjects": objects}


@pytest.mark.parametrize(
    ("objects", "desired", "said"),
    [
        pytest.param([chatbot()], "smarter.sh/v2", "'smarter.sh/v2' is not known", id="to-an-unknown-version"),
        pytest.param(
            [{**chatbot(), "apiVersion": "smarter.sh/v0"}], "smarter.sh/v1alpha1", "'smarter.sh/v0'", id="from-one"
        ),
        pytest.param([chatbot()], "apps/v1alpha1", "it knows smarter.sh/v1alpha1", id="of-another-group"),
        pytest.param([chatbot(), {"kind": "Pod"}], "smarter.sh/v1alpha1", "'Pod' is no kind", id="an-unknown-kind"),
        pytest.param([{"kind": ["Chatbot"]}], "smarter.sh/v1alpha1", "is no kind", id="a-strange-kind"),
        pytest.param("garbage", "smarter.sh/v1alpha1", "no list of objects", id="garbage"),
        pytest.param([1], "smarter.sh/v1alpha1", "no list of objects", id="no-objects"),
    ],
)
async def test_what_cannot_be_converted_fails_as_a_whole(client: Client, objects: Any, desired: str, said: str) -> None:
    answer = await answered(client, "/convert", conversion(objects, desired))
    assert (answer["result"]["status"], answer["convertedObjects"]) == ("Failed", [])
    assert said in answer["result"]["message"]


def _rename(manifest: Manifest, old: str, new: str) -> Manifest:
    spec = {new if key == old else key: value for key, value in manifest["spec"].items()}
    return {**manifest, "spec": spec}


def test_another_version_is_one_entry_and_every_pair_of_versions_follows() -> None:
    versions = {
        "v1alpha1": Version(lambda m: _rename(m, "greeting", "hello"), lambda m: _rename(m, "hello", "greeting")),
        "v1beta1": Version(lambda m: _rename(m, "salute", "hello"), lambda m: _rename(m, "hello", "salute")),
        "v1": Version(),
    }
    made = Conversions("test.example", frozenset({"Greeter"}), versions)
    old = {"apiVersion": "test.example/v1alpha1", "kind": "Greeter", "spec": {"greeting": "hi"}}
    [beta] = made.convert([old], "test.example/v1beta1")
    assert beta == {"apiVersion": "test.example/v1beta1", "kind": "Greeter", "spec": {"salute": "hi"}}
    [stored] = made.convert([beta], "test.example/v1")
    assert stored["spec"] == {"hello": "hi"}
    assert made.convert([stored], "test.example/v1alpha1") == [old]
    with pytest.raises(CannotConvert, match=r"test\.example/v2"):
        made.convert([old], "test.example/v2")


def put(pair: KeyPair, folder: Path) -> None:
    (folder / "tls.crt").write_bytes(pair.certificate.read_bytes())
    (folder / "tls.key").write_bytes(pair.key.read_bytes())


def issued(folder: Path, name: str) -> tuple[KeyPair, Path]:
    """Return a certificate for 127.0.0.1 of an authority of its own, and that authority's."""
    authority = Authority(folder / name, name)
    return authority.issue("server", Subject(name=name, hosts=("127.0.0.1",))), authority.pair.certificate


async def subject_served(port: int, authority: Path) -> str:
    """Return the name in the certificate that is served, or why it is not to be trusted."""
    context = ssl.create_default_context(cafile=str(authority))
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    except (OSError, ssl.SSLError) as error:
        return type(error).__name__
    peer = writer.get_extra_info("peercert")
    writer.close()
    return str(peer["subject"][-1][0][1])


async def served_as(port: int, authority: Path, expected: str) -> None:
    async def served() -> bool:
        return await subject_served(port, authority) == expected

    await eventually(served, 10, every_seconds=0.02)


async def logged(caplog: pytest.LogCaptureFixture, message: str) -> None:
    async def found() -> bool:
        return message in caplog.text

    await eventually(found, 10, every_seconds=0.02)


async def test_a_certificate_is_renewed_without_a_restart_and_a_broken_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, port = tmp_path / "mounted", free_port()
    folder.mkdir()
    (first, first_authority), (second, second_authority) = issued(tmp_path, "first"), issued(tmp_path, "second")
    settings = SETTINGS.model_copy(
        update={
            "server_host": "127.0.0.1",
            "webhook": WebhookSettings(certificate_folder=str(folder), port=port, refresh_seconds=0.01),
        }
    )
    engine = Engine(FakeCluster(), ScriptedPods(), settings)
    async with webhook.serve(engine, settings):
        assert await subject_served(port, first_authority) == "ConnectionRefusedError"
        put(first, folder)
        await served_as(port, first_authority, "first")
        (folder / "tls.key").write_bytes(second.key.read_bytes())
        await logged(caplog, "webhook certificate not usable")
        await served_as(port, first_authority, "first")
        put(second, folder)
        await served_as(port, second_authority, "second")
        (folder / "tls.crt").unlink()
        await served_as(port, second_authority, "second")
    assert await subject_served(port, second_authority) == "ConnectionRefusedError"


async def test_an_operator_without_a_certificate_folder_serves_no_webhook() -> None:
    before = len(asyncio.all_tasks())
    async with webhook.serve(Engine(FakeCluster(), ScriptedPods(), SETTINGS), SETTINGS):
        assert len(asyncio.all_tasks()) == before


async def test_a_taken_port_does_not_stop_the_operator(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pair, authority = issued(tmp_path, "first")
    put(pair, tmp_path)
    taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    port = taken.sockets[0].getsockname()[1]
    settings = WebhookSettings(certificate_folder=str(tmp_path), port=port, refresh_seconds=0.01)
    serving = asyncio.create_task(webhook.serve_application(webhook.application(think), settings, "127.0.0.1"))
    await logged(caplog, "cannot serve webhooks")
    taken.close()
    await taken.wait_closed()
    await served_as(port, authority, "first")
    serving.cancel()
    await asyncio.gather(serving, return_exceptions=True)
