"""Requests with an `Idempotency-Key`: sent twice, answered once."""

import asyncio
import hashlib
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from runtime.keys import TOKEN, key, put
from runtime.support import NOW, Reply, Running, config, delta, lines, played, refuses, running, says, scripted, stream
from runtime.test_client_tools import OTHER_TOKEN, Clock
from smarter_crds.runtime_config import LimitsConfig
from smarter_runtime.errors import ApiError
from smarter_runtime.recordings import Recording, Recordings

KEY = {"Idempotency-Key": "8d1f-42"}


async def ask(
    bot: Running, text: str = "hello", *, path: str = "chat/completions", **fields: Any
) -> tuple[int, str, bool]:
    """Return status, body and whether it was a repetition."""
    headers = {"Authorization": f"Bearer {bot.token}", **KEY, **fields.pop("headers", {})}
    body = {"messages": [{"role": "user", "content": text}], **fields} if path.startswith("chat") else fields
    async with bot.http.post(f"{bot.url}/v1/{path}", json=body, headers=headers) as response:
        return response.status, await response.text(), "Idempotent-Replayed" in response.headers


async def code_of(bot: Running, text: str = "hello", **fields: Any) -> tuple[int, str]:
    response = await bot.post({"messages": [{"role": "user", "content": text}]}, **(KEY | fields))
    return response.status, (await response.json())["error"]["code"]


@pytest.mark.parametrize("streamed", [False, True], ids=["document", "stream"])
async def test_the_same_request_gets_the_same_answer_again(tmp_path: Path, streamed: bool) -> None:
    async with played(tmp_path, says("Once."), says("Twice.")) as (bot, script):
        first = await ask(bot, stream=streamed)
        used = await bot.used_tokens()
        second = await ask(bot, stream=streamed)
        assert await bot.used_tokens() == used
        metrics = await bot.metrics()
    assert (first[0], first[2], second[2]) == (200, False, True)
    assert second[:2] == first[:2]
    assert "Once." in first[1]
    assert len(script.bodies) == 1
    assert 'smarter_requests_total{reason="repeated",status="200"} 1.0' in metrics


async def test_an_answer_of_the_other_format_is_repeated_too(tmp_path: Path) -> None:
    async with played(tmp_path, says("Once.")) as (bot, _):
        first = await ask(bot, path="responses", input="hello", stream=True)
        assert (await ask(bot, path="responses", input="hello", stream=True))[1] == first[1]
        assert (await ask(bot, path="chat/completions"))[0] == 400


async def test_without_a_key_nothing_is_remembered(tmp_path: Path) -> None:
    async with played(tmp_path, says("one"), says("two")) as (bot, script):
        await bot.chat()
        await bot.chat()
    assert len(script.bodies) == 2


async def test_after_ten_minutes_the_request_is_a_new_one(tmp_path: Path) -> None:
    clock = Clock()
    async with (
        scripted(says("Once."), says("Twice.")) as script,
        running(tmp_path, config(providers=script.config()), clock) as bot,
    ):
        await ask(bot)
        clock.now += timedelta(minutes=9, seconds=59)
        assert "Once." in (await ask(bot))[1]
        clock.now += timedelta(seconds=1)
        assert "Twice." in (await ask(bot))[1]


async def test_another_request_under_the_key_is_refused(tmp_path: Path) -> None:
    async with played(tmp_path, says("Once.")) as (bot, _):
        await ask(bot)
        response = await bot.post({"messages": [{"role": "user", "content": "something else"}]}, **KEY)
        error = (await response.json())["error"]
    assert (response.status, error["code"], error["type"]) == (400, "idempotency_key_reused", "idempotency_error")
    assert response.headers["x-should-retry"] == "false"


async def test_a_key_is_the_callers_own(tmp_path: Path) -> None:
    put(tmp_path, key(), key(OTHER_TOKEN, "other"))
    async with played(tmp_path, says("one"), says("two"), says("three")) as (bot, script):
        for token in (bot.token, TOKEN, OTHER_TOKEN):
            assert (await ask(bot, headers={"Authorization": f"Bearer {token}"}))[2] is False
    assert len(script.bodies) == 3


@pytest.mark.parametrize("value", ["", " ", "x" * 256, "é"], ids=["empty", "blank", "long", "letters"])
async def test_a_key_that_is_none_is_refused(tmp_path: Path, value: str) -> None:
    async with played(tmp_path) as (bot, _):
        assert await code_of(bot, **{"Idempotency-Key": value}) == (400, "invalid_idempotency_key")


def held(go_on: asyncio.Event, *before: bytes) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for piece in before:
            await response.write(piece)
        await go_on.wait()
        await response.write(lines(delta(content="end"), delta("stop")))
        return response

    return reply


@pytest.mark.parametrize("streamed", [False, True], ids=["document", "stream"])
async def test_requests_at_the_same_time_wait_for_one_answer(tmp_path: Path, streamed: bool) -> None:
    go_on = asyncio.Event()
    async with played(tmp_path, held(go_on, lines(delta(content="beginning, "), done=False))) as (bot, script):
        asking = [asyncio.create_task(ask(bot, stream=streamed)) for _ in range(5)]
        while not script.bodies:  # noqa: ASYNC110
            await asyncio.sleep(0)
        go_on.set()
        answers = await asyncio.gather(*asking)
    assert len(script.bodies) == 1
    assert len({text for _, text, _ in answers}) == 1
    assert "end" in answers[0][1]
    assert sorted(repeated for _, _, repeated in answers) == [False, True, True, True, True]


async def test_who_comes_later_hears_the_stream_from_its_beginning_while_it_goes_on(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with played(tmp_path, held(go_on, lines(delta(content="beginning, "), done=False))) as (bot, _):
        body = {"messages": [{"role": "user", "content": "x"}], "stream": True}
        headers = {"Authorization": f"Bearer {bot.token}", **KEY}
        post = partial(bot.http.post, f"{bot.url}/v1/chat/completions", json=body, headers=headers)
        async with post() as first:
            assert b"beginning" in await until(first, b"beginning")
            async with post() as second:
                assert b"beginning" in await until(second, b"beginning")
                go_on.set()
                assert "end" in await second.text()
            assert "end" in await first.text()


async def until(response: aiohttp.ClientResponse, word: bytes) -> bytes:
    read = b""
    while word not in read:
        read += await response.content.readany()
    return read


async def test_an_answer_is_finished_for_the_retry_when_the_client_goes(tmp_path: Path) -> None:
    go_on = asyncio.Event()
    async with played(tmp_path, held(go_on, lines(delta(content="beginning, "), done=False))) as (bot, script):
        first = asyncio.create_task(ask(bot, stream=True))
        while not script.bodies:  # noqa: ASYNC110
            await asyncio.sleep(0)
        first.cancel()
        while 'reason="client_gone"' not in await bot.metrics():
            pass
        assert bot.services.places.taken == 1
        go_on.set()
        status, text, is_repeated = await ask(bot, stream=True)
        assert (status, is_repeated, "end" in text) == (200, True, True)
    assert len(script.bodies) == 1


async def test_a_failure_is_not_repeated(tmp_path: Path) -> None:
    async with played(tmp_path, refuses(401), says("Better.")) as (bot, _):
        assert await code_of(bot) == (502, "provider_auth")
        assert "Better." in (await ask(bot))[1]


async def test_an_answer_that_broke_off_is_not_repeated(tmp_path: Path) -> None:
    broken = stream(lines(delta(content="half"), {"error": {"code": "overloaded"}}, done=False))
    async with played(tmp_path, broken, says("Better.")) as (bot, _):
        assert "error" in (await ask(bot, stream=True))[1]
        assert "Better." in (await ask(bot, stream=True))[1]


async def test_all_who_wait_are_told_of_the_failure(tmp_path: Path) -> None:
    go_on = asyncio.Event()

    async def late(request: web.Request) -> web.StreamResponse:
        await go_on.wait()
        return web.json_response({"error": {"message": "no"}}, status=401)

    async with played(tmp_path, late) as (bot, script):
        asking = [asyncio.create_task(code_of(bot)) for _ in range(3)]
        while not script.bodies:  # noqa: ASYNC110
            await asyncio.sleep(0)
        go_on.set()
        assert await asyncio.gather(*asking) == [(502, "provider_auth")] * 3


async def test_what_is_repeated_costs_nothing_of_the_day(tmp_path: Path) -> None:
    async with played(tmp_path, says("Once."), limits=LimitsConfig(tokens_per_day=10)) as (bot, _):
        await ask(bot)
        assert (await bot.chat()).status == 429
        assert "Once." in (await ask(bot))[1]


async def test_a_request_that_is_refused_can_be_sent_again_corrected(tmp_path: Path) -> None:
    async with played(tmp_path, says("Once.")) as (bot, _):
        assert (await code_of(bot, ""))[0] == 400
        assert (await ask(bot))[0] == 200


# ---- what is kept


async def recorded(recordings: Recordings, key_: str, *pieces: bytes) -> None:
    recording = recordings.open(key_, b"digest")
    recording.begin([])
    for piece in pieces:
        await recordings.add(recording, piece)
    recordings.end(recording)
    await recordings.close(key_, recording)


async def heard(recordings: Recordings, key_: str) -> bytes | str | None:
    try:
        recording = recordings.find(key_, b"digest")
    except ApiError as error:
        return error.code
    if recording is None:
        return None
    with recording.reader() as reader:
        return b"".join([piece async for piece in recording.pieces(reader)])


async def test_what_is_remembered_is_bounded_and_the_oldest_goes_first() -> None:
    recordings = Recordings(lambda: NOW, max_bytes=100, max_answer_bytes=80)
    # Digests cannot be made smaller.
    said = {letter: hashlib.sha512(letter.encode()).digest()[:35] for letter in "abc"}
    for letter, piece in said.items():
        await recorded(recordings, letter, piece)
    assert [await heard(recordings, letter) for letter in "abc"] == [None, said["b"], said["c"]]


async def test_a_long_answer_is_passed_on_and_cannot_be_repeated() -> None:
    recordings = Recordings(lambda: NOW, max_answer_bytes=10)
    recording = recordings.open("key", b"digest")
    recording.begin([])
    with recording.reader() as reader:
        listening = asyncio.create_task(collected(recording.pieces(reader)))
        for piece in (b"12345", b"67890", b"abc", b"def"):
            await recordings.add(recording, piece)
        recordings.end(recording)
        await recordings.close("key", recording)
        assert await listening == [b"12345", b"67890", b"abc", b"def"]
    assert await heard(recordings, "key") == "idempotency_answer_too_long"


async def collected(pieces: Any) -> list[bytes]:
    return [piece async for piece in pieces]


async def test_a_long_answer_waits_for_the_slowest_listener() -> None:
    recordings = Recordings(lambda: NOW, max_answer_bytes=4)
    recording = recordings.open("key", b"digest")
    may_go_on = asyncio.Event()
    got: list[bytes] = []

    async def listen(reader: object) -> None:
        async for piece in recording.pieces(reader):
            got.append(piece)
            await may_go_on.wait()

    with recording.reader() as reader:
        listening = asyncio.create_task(listen(reader))
        adding = asyncio.create_task(added(recordings, recording, b"12345", b"67890"))
        while not got:  # noqa: ASYNC110
            await asyncio.sleep(0)
        assert not adding.done()
        may_go_on.set()
        await adding
        recordings.end(recording)
        await recordings.close("key", recording)
        await listening
    assert got == [b"12345", b"67890"]


async def added(recordings: Recordings, recording: Recording, *pieces: bytes) -> None:
    for piece in pieces:
        await recordings.add(recording, piece)


async def test_who_listens_while_a_recording_is_packed_hears_all_of_it() -> None:
    recordings = Recordings(lambda: NOW)
    recording = recordings.open("key", b"digest")
    recording.begin([])
    await recordings.add(recording, b"one ")
    with recording.reader() as early:
        pieces = recording.pieces(early)
        assert await anext(pieces) == b"one "
        await recordings.add(recording, b"two")
        recordings.end(recording)
        await recordings.close("key", recording)
        assert await heard(recordings, "key") == b"one two"
        assert await anext(pieces) == b"two"
        assert await heard(recordings, "key") == b"one two"
    assert await heard(recordings, "key") == b"one two"
