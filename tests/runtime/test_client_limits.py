"""Limits of requests and of answers at the same time: whom they are charged to, and what is said when one is met."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from runtime.keys import TOKEN, key, put
from runtime.support import NOW, Running, config, played, running, says, until
from smarter_crds.addresses import networks
from smarter_crds.limits import KeyLimits
from smarter_crds.runtime_config import LimitsConfig, ServingConfig
from smarter_runtime.limits.prefixes import origin

PROXIED = ServingConfig(trusted_proxies=("127.0.0.0/8",))


async def codes(bot: Running, times: int, **headers: str) -> list[int]:
    body = {"messages": [{"role": "user", "content": "hi"}]}
    return [(await bot.post(body, **headers)).status for _ in range(times)]


async def error(response: aiohttp.ClientResponse) -> tuple[int, str, str, str | None, str | None]:
    said = (await response.json())["error"]
    return (
        response.status,
        said["code"],
        said["message"],
        response.headers.get("Retry-After"),
        response.headers.get("x-should-retry"),
    )


async def test_the_requests_of_a_minute_are_counted_for_the_whole_bot(tmp_path: Path) -> None:
    async with running(tmp_path, config(limits=LimitsConfig(requests_per_minute=2))) as bot:
        assert await codes(bot, 1) == [200]
        assert await codes(bot, 1, Authorization=f"Bearer {await bot.session()}") == [200]
        assert await error(await bot.chat("hi")) == (
            429,
            "rate_limit_exceeded",
            "This chatbot answers 2 requests per minute. Please try again in 61 seconds.",
            "61",
            "false",
        )
        assert 'smarter_limit_hits_total{limit="requestsPerMinute",mode="Enforce"} 1.0' in await bot.metrics()


async def test_it_answers_again_when_it_said_it_would(tmp_path: Path) -> None:
    now = NOW

    def clock() -> datetime:
        return now

    async with running(tmp_path, config(limits=LimitsConfig(requests_per_minute=2)), clock) as bot:
        assert await codes(bot, 3) == [200, 200, 429]
        now += timedelta(seconds=60)
        assert await codes(bot, 1, Authorization=f"Bearer {await bot.session()}") == [429]
        now += timedelta(seconds=1)
        assert await codes(bot, 2, Authorization=f"Bearer {await bot.session()}") == [200, 429]


async def test_one_client_does_not_take_what_is_there_for_others(tmp_path: Path) -> None:
    async with running(tmp_path, config(limits=LimitsConfig(requests_per_minute_per_client=2))) as bot:
        assert await codes(bot, 3) == [200, 200, 429]
        assert await codes(bot, 3, Authorization=f"Bearer {await bot.session()}") == [200, 200, 429]


async def test_a_visitor_who_makes_himself_new_stays_in_his_network(tmp_path: Path) -> None:
    document = config(limits=LimitsConfig(requests_per_minute_per_client=2), serving=PROXIED)
    async with running(tmp_path, document) as bot:
        sessions = [{"Authorization": f"Bearer {await bot.session()}"} for _ in range(4)]
        found = [(await codes(bot, 1, **each, **{"X-Forwarded-For": "203.0.113.7"}))[0] for each in sessions]
        assert found == [200, 200, 429, 429]
        assert await codes(bot, 1, **sessions[3], **{"X-Forwarded-For": "203.0.113.8"}) == [200]


@pytest.mark.parametrize(
    ("serving", "forged"),
    [
        pytest.param(ServingConfig(trusted_proxies=("192.0.2.0/24",)), "{}.0.0.1", id="said-by-a-stranger"),
        pytest.param(PROXIED, "{}.0.0.1, 203.0.113.7", id="put-before-what-the-proxy-says"),
        pytest.param(PROXIED, "{}.0.0.1, nonsense, 203.0.113.7:4711", id="with-nonsense-and-a-port"),
        pytest.param(PROXIED, "{}.0.0.1, 2001:db8:1:2::{}", id="another-address-of-one-network"),
    ],
)
async def test_a_forged_address_makes_nobody_new(tmp_path: Path, serving: ServingConfig, forged: str) -> None:
    document = config(limits=LimitsConfig(requests_per_minute_per_client=2), serving=serving)
    async with running(tmp_path, document) as bot:
        found = []
        for number in range(4):
            session = {"Authorization": f"Bearer {await bot.session()}"}
            found += await codes(bot, 1, **session, **{"X-Forwarded-For": forged.format(number + 1, number)})
        assert found == [200, 200, 429, 429]


@pytest.mark.parametrize(
    ("peer", "forwarded", "prefixes"),
    [
        pytest.param("203.0.113.7", ["198.51.100.1"], (), id="a-documentation-address-is-not-public"),
        pytest.param("8.8.8.8", ["9.9.9.9"], ("8.8.8.8/32",), id="nobody-is-trusted-yet-a-public-peer-is-known"),
        pytest.param("10.0.0.1", ["9.9.9.9"], (), id="a-proxy-that-nobody-told-us-of"),
        pytest.param("2600::1:2", [], ("2600::/64", "2600::/48"), id="ipv6"),
        pytest.param("::ffff:8.8.8.8", [], ("8.8.8.8/32",), id="ipv4-in-ipv6"),
        pytest.param("unix", [], (), id="no-address"),
    ],
)
def test_without_trusted_proxies_only_public_peers_are_known(
    peer: str, forwarded: list[str], prefixes: tuple[str, ...]
) -> None:
    assert origin(peer, forwarded, ()).prefixes == prefixes


@pytest.mark.parametrize(
    ("peer", "forwarded", "prefixes"),
    [
        pytest.param("10.0.0.1", ["9.9.9.9"], ("9.9.9.9/32",), id="one-proxy"),
        pytest.param("10.0.0.1", ["1.1.1.1, 9.9.9.9, 10.0.0.2"], ("9.9.9.9/32",), id="a-chain-of-them"),
        pytest.param("10.0.0.1", ["1.1.1.1", "9.9.9.9"], ("9.9.9.9/32",), id="two-headers"),
        pytest.param("10.0.0.1", ["10.0.0.3"], ("10.0.0.3/32",), id="a-client-among-the-proxies"),
        pytest.param("8.8.8.8", ["9.9.9.9"], ("8.8.8.8/32",), id="past-the-proxy"),
        pytest.param("10.0.0.1", ["nonsense"], (), id="nonsense"),
        pytest.param("10.0.0.1", ['"[2001:db8:7:8::9]:443"'], ("2001:db8:7:8::/64", "2001:db8:7::/48"), id="quoted"),
        pytest.param("::ffff:10.0.0.1", ["9.9.9.9"], ("9.9.9.9/32",), id="a-dual-stack-socket"),
        pytest.param("10.0.0.1", [], ("10.0.0.1/32",), id="the-proxy-itself"),
    ],
)
def test_trusted_proxies_are_believed_from_the_end(peer: str, forwarded: list[str], prefixes: tuple[str, ...]) -> None:
    assert origin(peer, forwarded, networks(["10.0.0.0/8"])).prefixes == prefixes


def held(release: asyncio.Event) -> Callable[[web.Request], Any]:
    """Return a reply that comes when it is released."""

    async def reply(request: web.Request) -> web.StreamResponse:
        await release.wait()
        return await says("done")(request)

    return reply


async def test_so_many_answers_at_the_same_time_and_no_more(tmp_path: Path) -> None:
    release = asyncio.Event()
    replies = [held(release), held(release), says("later")]
    async with played(tmp_path, *replies, limits=LimitsConfig(concurrent_per_client=2)) as (bot, provider):
        running_ = [asyncio.create_task(bot.chat("hi")) for _ in range(2)]
        await until(lambda: len(provider.bodies) == 2)
        assert await error(await bot.chat("hi")) == (
            429,
            "too_many_answers_at_once",
            "Only 2 answers at the same time are given to one client; wait until one of them is done.",
            "1",
            "false",
        )
        release.set()
        assert [(await each).status for each in running_] == [200, 200]
        assert (await bot.chat("hi")).status == 200


async def test_a_client_that_went_away_frees_its_slot(tmp_path: Path) -> None:
    release = asyncio.Event()
    async with played(tmp_path, held(release), says("later"), limits=LimitsConfig(concurrent_per_client=1)) as (
        bot,
        provider,
    ):
        first = asyncio.create_task(bot.chat("hi"))
        await until(lambda: provider.bodies)
        first.cancel()

        async def is_free() -> bool:
            return (await bot.chat("hi")).status == 200

        await until(is_free)
        release.set()


async def test_a_key_has_limits_of_its_own_beside_those_of_the_bot(tmp_path: Path) -> None:
    put(tmp_path, key(limits=KeyLimits(requests_per_minute=1, tokens_per_day=1_000_000)))
    async with running(tmp_path, config(limits=LimitsConfig(requests_per_minute=3))) as bot:
        assert await codes(bot, 2, Authorization=f"Bearer {TOKEN}") == [200, 429]
        assert await codes(bot, 3) == [200, 200, 429]


async def test_the_tokens_of_a_key_are_used_up_for_it_alone(tmp_path: Path) -> None:
    put(tmp_path, key(limits=KeyLimits(tokens_per_day=5)))
    async with running(tmp_path, config()) as bot:
        assert await codes(bot, 1, Authorization=f"Bearer {TOKEN}") == [200]
        body = {"messages": [{"role": "user", "content": "hi"}]}
        status, code, message, *_ = await error(await bot.post(body, Authorization=f"Bearer {TOKEN}"))
        assert (status, code) == (429, "insufficient_quota")
        assert message == "This API key has used its 5 tokens of today. It works again after midnight UTC."
        assert await codes(bot, 1) == [200]


async def test_in_shadow_mode_everything_is_counted_and_nothing_refused(tmp_path: Path) -> None:
    limits = LimitsConfig(requests_per_minute_per_client=1, requests_per_minute=1, tokens_per_day=1, mode="Shadow")
    async with running(tmp_path, config(limits=limits)) as bot:
        assert await codes(bot, 3) == [200] * 3
        metrics = await bot.metrics()
        for limit in ("requestsPerMinutePerClient", "requestsPerMinute", "tokensPerDay"):
            assert f'smarter_limit_hits_total{{limit="{limit}",mode="Shadow"}} 2.0' in metrics
        assert 'mode="Enforce"' not in metrics


async def test_sessions_are_made_for_a_network_only_so_fast(tmp_path: Path) -> None:
    serving = PROXIED.model_copy(update={"sessions_per_minute": 3})
    async with running(tmp_path, config(serving=serving)) as bot:

        async def session(address: str) -> int:
            headers = {"Origin": bot.url, "X-Forwarded-For": address}
            async with bot.http.post(f"{bot.url}/app/v1/session", json={}, headers=headers) as response:
                return response.status

        assert [await session("203.0.113.7") for _ in range(4)] == [200, 200, 200, 429]
        assert await session("203.0.113.8") == 200


async def test_a_pod_makes_as_many_answers_as_the_platform_says(tmp_path: Path) -> None:
    release = asyncio.Event()
    serving = ServingConfig(max_streams=1)
    async with played(tmp_path, held(release), serving=serving) as (bot, provider):
        first = asyncio.create_task(bot.chat("hi"))
        await until(lambda: provider.bodies)
        status, code, *_ = await error(await bot.chat("hi"))
        assert (status, code) == (503, "overloaded")
        release.set()
        assert (await first).status == 200
