"""Calls of a real HTTP API: what is sent, how often, and what the model gets of the answer."""

import asyncio
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runtime.api_server import (
    ApiServer,
    Reply,
    answers,
    api,
    bot_config,
    calling,
    hangs_up,
    parameter,
    plugin,
    sends,
)
from smarter_crds.api_config import MethodName, PairConfig
from smarter_runtime.tools.api import client, result
from smarter_runtime.tools.api.connector import ApiConnector
from smarter_runtime.tools.connectors import Unservable

ORDER_ID = parameter("order_id", "Integer", required=True)


async def called(secrets: Path, *replies: Reply, arguments: Any = None, **request: Any) -> tuple[str, ApiServer]:
    """Call a tool of this request; returns what the model gets, and the server."""
    made = plugin(*request.pop("parameters", ()), write=request.pop("write", None), **request)
    async with api(*replies) as server, calling(made, server.connection(), secrets) as call:
        return (await call(arguments)).content, server


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_request_is_sent_as_the_plugin_says(tmp_path: Path, method: MethodName) -> None:
    said, server = await called(
        tmp_path,
        answers({"state": "sent"}),
        arguments={"order_id": 7, "note": "ring\ntwice"},
        parameters=(ORDER_ID, parameter("note"), parameter("unused")),
        method=method,
        path="/orders/{order_id}",
        query=(PairConfig(name="lang", value="en"),),
        headers=(PairConfig(name="X-Trace", value="bot-{order_id}"),),
        body=None if method in ("GET", "DELETE") else {"id": "{order_id}", "note": "{note}"},
    )
    [seen] = server.seen
    assert json.loads(said) == {"state": "sent"}
    assert (seen.method, seen.target) == (method, "/orders/7?lang=en")
    assert {name: seen.headers.get(name) for name in ("accept", "x-trace", "authorization", "cookie")} == {
        "accept": "application/json",
        "x-trace": "bot-7",
        "authorization": None,
        "cookie": None,
    }
    if method in ("GET", "DELETE"):
        assert (seen.body, seen.headers.get("content-type")) == (b"", None)
    else:
        assert (seen.json, seen.headers["content-type"]) == ({"id": 7, "note": "ring\ntwice"}, "application/json")


async def test_the_path_is_below_that_of_the_connection_and_not_made_simpler(tmp_path: Path) -> None:
    async with api() as server:
        connection = server.connection(base_url=f"{server.url}/api/v2")
        async with calling(plugin(parameter("a"), path="/x/{a}"), connection, tmp_path) as call:
            assert not (await call({"a": "b/c%2e"})).is_error
    assert server.seen[0].target == "/api/v2/x/b%2Fc%252e"


async def test_headers_of_the_plugin_replace_the_usual_ones(tmp_path: Path) -> None:
    headers = (PairConfig(name="accept", value="text/csv"), PairConfig(name="Content-Type", value="application/x+json"))
    _, server = await called(tmp_path, method="POST", body={}, headers=headers)
    seen = server.seen[0].headers
    assert (seen["accept"], seen["content-type"]) == ("text/csv", "application/x+json")


@pytest.mark.parametrize(
    ("reply", "expression", "said"),
    [
        pytest.param(answers({"a": [1, 2]}), "", '{"a":[1,2]}', id="json"),
        pytest.param(answers({"items": [{"id": 1, "x": 2}]}), "items[].{id: id}", '[{"id":1}]', id="picked"),
        pytest.param(answers({"state": "sent"}), "state", "sent", id="a-string-is-its-text"),
        pytest.param(answers({}), "state", "null", id="nothing-found"),
        pytest.param(answers("x"), "sort(@)", "has another form than this tool expects", id="another-form"),
        pytest.param(sends(b"id;1", "text/csv"), "", "id;1", id="text"),
        pytest.param(sends("é".encode("latin-1"), "text/plain; charset=latin-1"), "", "é", id="charset"),
        pytest.param(sends("é".encode(), "text/plain; charset=klingon"), "", "é", id="unknown-charset"),
        pytest.param(sends(b"<a/>", "application/xml"), "", "<a/>", id="xml"),
        pytest.param(sends(b"{", "application/json"), "", "The API's answer is no JSON.", id="broken-json"),
        pytest.param(sends(b"<html>"), "a", "The API's answer is no JSON.", id="no-json"),
        pytest.param(sends(b'{"a": 1}', "text/plain"), "a", "1", id="json-that-says-it-is-text"),
        pytest.param(sends(b'{"a": 1}', "application/hal+json"), "", '{"a":1}', id="kind-of-json"),
        pytest.param(sends(b"\x89PNG", "image/png"), "", "The API's answer is no text but 'image/png'.", id="picture"),
        pytest.param(sends(b"", status=204), "", "Done: the API answered 204 without content.", id="no-content"),
        pytest.param(sends(gzip.compress(b'{"a": 1}'), Content_Encoding="gzip"), "a", "1", id="packed"),
    ],
)
async def test_what_the_model_gets_of_an_answer(tmp_path: Path, reply: Reply, expression: str, said: str) -> None:
    found, _ = await called(tmp_path, reply, result=expression)
    assert said in found


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        pytest.param(answers({"error": "no order"}, 404), 'The API answered 404: {"error": "no order"}', id="404"),
        pytest.param(sends(b"<html>stack trace", "text/html", 500), "The API answered 500.", id="500"),
        pytest.param(sends(b"a\n\n  b", "text/plain", 422), "The API answered 422: a b", id="422"),
        pytest.param(sends(b"x" * 9999, "text/plain", 400), "[cut: the result has 9999 characters]", id="long"),
        pytest.param(answers({}, 409, Retry_After="7"), "The API answered 409: {} Try again in 7 seconds.", id="409"),
        pytest.param(
            answers({}, 302, Location="http://127.0.0.1/"), "a redirect (302), which is not followed", id="302"
        ),
        pytest.param(answers({}, 401), "The API of this tool cannot be reached at the moment.", id="401"),
    ],
)  # fmt: skip
async def test_a_refusal_is_told_to_the_model(tmp_path: Path, reply: Reply, said: str) -> None:
    async with api(reply) as server, calling(plugin(), server.connection(), tmp_path) as call:
        found = await call()
    assert found.is_error
    assert said in found.content
    assert len(found.content) < 600
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(sends(b"x" * (client.MAX_ANSWER_BYTES + 1)), id="plain"),
        pytest.param(
            sends(gzip.compress(b"x" * (200 * client.MAX_ANSWER_BYTES)), Content_Encoding="gzip"), id="packed"
        ),
    ],
)
async def test_an_answer_has_a_bound_after_unpacking(tmp_path: Path, reply: Reply) -> None:
    found, _ = await called(tmp_path, reply)
    assert found == "The API's answer is too large; ask for less."


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(sends(b"no gzip", Content_Encoding="gzip"), id="no-gzip"),
        pytest.param(sends(b"x", Content_Encoding="br"), id="another-coding"),
    ],
)
async def test_an_answer_that_cannot_be_unpacked_is_a_problem_of_the_connection(tmp_path: Path, reply: Reply) -> None:
    async with api(reply) as server, calling(plugin(), server.connection(), tmp_path) as call:
        assert (await call()).content == "The API of this tool cannot be reached at the moment."
        assert [reason for reason, _ in call.problems()] == ["BadAnswer"]


async def test_a_large_answer_is_worked_on_beside_the_event_loop(tmp_path: Path) -> None:
    large = {"items": [{"id": number, "text": "x" * 100} for number in range(5000)]}
    assert len(json.dumps(large)) > result.THREAD_BYTES
    found, _ = await called(tmp_path, answers(large), result="items[?id == `7`].id")
    assert found == "[7]"


@pytest.mark.parametrize(
    "reply", [pytest.param(answers({}, status), id=str(status)) for status in (429, 502, 503, 504)]
)
async def test_a_read_is_tried_again_while_the_api_is_busy(tmp_path: Path, reply: Reply) -> None:
    found, server = await called(tmp_path, reply, reply, answers({"ok": True}))
    assert (found, len(server.seen)) == ('{"ok":true}', 3)


async def test_a_read_is_tried_again_after_a_lost_connection(tmp_path: Path) -> None:
    found, server = await called(tmp_path, hangs_up, answers({"ok": True}))
    assert (found, len(server.seen)) == ('{"ok":true}', 2)


async def test_a_read_is_tried_three_times_at_most(tmp_path: Path) -> None:
    found, server = await called(tmp_path, answers({"busy": 1}, 503))
    assert (found, len(server.seen)) == ('The API answered 503: {"busy": 1}', 3)
    found, server = await called(tmp_path, hangs_up)
    assert (found, len(server.seen)) == ("The API of this tool cannot be reached at the moment.", 3)


@pytest.mark.parametrize("status", [400, 403, 404, 500, 501])
async def test_what_will_not_change_is_not_tried_again(tmp_path: Path, status: int) -> None:
    _, server = await called(tmp_path, answers({}, status))
    assert len(server.seen) == 1


async def test_a_pause_that_is_longer_than_the_time_left_is_told_and_not_waited_for(tmp_path: Path) -> None:
    found, server = await called(tmp_path, answers({}, 429, Retry_After="120"))
    assert (found, len(server.seen)) == ("The API answered 429: {} Try again in 120 seconds.", 1)


async def test_the_pause_that_the_api_asks_for_is_kept(tmp_path: Path) -> None:
    times: list[float] = []

    async def busy(request: web.Request) -> web.StreamResponse:
        times.append(asyncio.get_running_loop().time())
        return await (answers({}, 503, Retry_After="0.4") if len(times) == 1 else answers({}))(request)

    found, _ = await called(tmp_path, busy)
    assert found == "{}"
    assert times[1] - times[0] >= 0.4


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
@pytest.mark.parametrize("reply", [hangs_up, answers({}, 503), answers({}, 401)], ids=["lost", "busy", "refused"])
async def test_a_write_is_never_sent_twice(tmp_path: Path, method: MethodName, reply: Reply) -> None:
    made = plugin(method=method, write=True)
    async with api(answers({}), reply) as server, calling(made, server.connection(), tmp_path) as call:
        # The second goes over the connection of the first, which clients like to make anew by themselves.
        assert not (await call()).is_error
        assert (await call()).is_error
    assert len(server.seen) == 2


async def test_the_outcome_of_a_write_that_got_no_answer_is_not_known(tmp_path: Path) -> None:
    said = "The API did not answer, so it is not known whether this was carried out."
    found, _ = await called(tmp_path, hangs_up, method="POST")
    assert found.startswith(said)

    async def hangs(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        return web.Response()

    found, _ = await called(tmp_path, hangs, method="POST", timeout_seconds=1)
    assert found.startswith(said)
    found, server = await called(tmp_path, hangs, timeout_seconds=1)
    assert (found, len(server.seen)) == ("The API did not answer within 1 seconds.", 1)


async def test_a_post_that_only_reads_is_tried_again(tmp_path: Path) -> None:
    found, server = await called(tmp_path, answers({}, 503), answers({"hits": 1}), method="POST", body={}, write=False)
    assert (found, [seen.method for seen in server.seen]) == ('{"hits":1}', ["POST", "POST"])


async def test_wrong_arguments_reach_nobody(tmp_path: Path) -> None:
    found, server = await called(
        tmp_path, arguments={"order_id": "7"}, parameters=(ORDER_ID,), path="/orders/{order_id}"
    )
    assert (found, server.seen) == ("'order_id' must be a whole number of 64 bits.", [])
    found, server = await called(tmp_path, arguments={"a": ".."}, parameters=(parameter("a"),), path="/orders/{a}")
    assert (found.partition(";")[0], server.seen) == ("A value would lead to another path", [])


async def test_a_claim_goes_where_the_plugin_says_and_a_forged_one_nowhere(tmp_path: Path) -> None:
    made = plugin(ORDER_ID, parameter("customer", claim="sub"), path="/customers/{customer}/orders/{order_id}")
    async with api(answers({})) as server, calling(made, server.connection(), tmp_path) as call:
        assert (await call({"order_id": 7})).content == "Nobody who may use this is signed in."
        assert (await call({"order_id": 7, "customer": "eve"}, {"sub": "ada"})).is_error
        assert not (await call({"order_id": 7}, {"sub": "ada"})).is_error
    assert [seen.target for seen in server.seen] == ["/customers/ada/orders/7"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        pytest.param(
            {"connection": "x"}, "names connection 'x', which `apiConnections` does not have", id="connection"
        ),
        pytest.param({"path": "/{a}{b}"}, r"does not declare: \['a', 'b'\]", id="parameter"),
        pytest.param({"result": "a["}, "has a value that cannot be read", id="expression"),
    ],
)
def test_a_config_that_lacks_something_is_refused(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    made, connection = plugin(**changes), ApiServer([], "http://erp.example").connection()
    with pytest.raises(Unservable, match=said):
        ApiConnector(tmp_path).tool(made, bot_config(made, connection))


def test_a_plugin_without_its_request_is_refused(tmp_path: Path) -> None:
    made = plugin().model_copy(update={"api": None})
    with pytest.raises(Unservable, match="has no `api` member"):
        ApiConnector(tmp_path).tool(made, bot_config(made, ApiServer([], "http://erp.example").connection()))
