"""Calls that a person confirms at another pod than the one that asked: made once, whichever pods are told."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runtime.api_server import ApiServer, answers, api
from runtime.support import Reply, Running, ScriptedProvider, says, scripted
from runtime.test_confirmations import CANCEL, wants
from servers.pods import away, two_pods
from support.api import eventually
from support.postgresql import PostgreSQL
from support.redis_server import Redis

Server = Redis | PostgreSQL


@dataclass
class Shop:
    """Two pods of a bot whose tool cancels orders, the API behind it, and the model."""

    pods: list[Running]
    api: ApiServer
    model: ScriptedProvider

    @property
    def writes(self) -> int:
        return len(self.api.seen)

    async def offer(self, pod: int) -> str:
        answer = await (await self.pods[pod].chat("Cancel order 7")).json()
        [offer] = answer["smarter"]["confirmations"]
        token: str = offer["token"]
        return token

    async def confirm(self, pod: int, *tokens: str) -> tuple[int, Any]:
        response = await self.pods[pod].chat("I confirm.", smarter={"confirm": list(tokens)})
        return response.status, (await response.json()).get("error", {}).get("code")


@asynccontextmanager
async def shop(server: Server, folder: Path, *replies: Reply) -> AsyncIterator[Shop]:
    async with AsyncExitStack() as stack:
        erp = await stack.enter_async_context(api(answers({"cancelled": True})))
        model = await stack.enter_async_context(scripted(*replies))
        connections = {"erp": erp.connection()}
        pods = await stack.enter_async_context(
            two_pods(server, folder, providers=model.config(), plugins=(CANCEL,), api_connections=connections)
        )
        pods[1].token = pods[0].token
        yield Shop(pods, erp, model)


async def test_a_call_is_confirmed_at_any_pod_and_made_once(server: Server, tmp_path: Path) -> None:
    async with shop(server, tmp_path, wants(), says("Please confirm."), says("Done.")) as made:
        token = await made.offer(0)
        assert await made.confirm(1, token) == (200, None)
        for pod in (0, 1):
            assert await made.confirm(pod, token) == (409, "confirmation_used")
        assert made.writes == 1


async def test_of_racers_at_all_pods_one_writes(server: Server, tmp_path: Path) -> None:
    async with shop(server, tmp_path, wants(), says("Please confirm."), *[says("ok")] * 20) as made:
        token = await made.offer(0)
        found = await asyncio.gather(*(made.confirm(number % 2, token, token) for number in range(20)))
        assert set(found) <= {(200, None), (409, "confirmation_used")}
        assert made.writes == 1


async def test_while_nobody_can_say_whether_a_call_was_made_it_is_not_made(server: Server, tmp_path: Path) -> None:
    async with shop(server, tmp_path, wants(), says("Please confirm."), says("Done.")) as made:
        token = await made.offer(0)
        with away(server):
            for pod in (0, 1):
                assert await made.confirm(pod, token) == (503, "store_unavailable")
            assert made.writes == 0
        assert await made.confirm(1, token) == (200, None)
        assert made.writes == 1


async def test_a_store_that_goes_away_between_the_question_and_the_call_prevents_it(
    server: Server, tmp_path: Path
) -> None:
    async with shop(server, tmp_path, wants(), says("Please confirm.")) as made:
        pod = made.pods[0]
        confirmed = await pod.services.confirmations.read(await made.offer(0), pod.services.bot(), owner(pod))
        with away(server):
            assert "it was not done" in await confirmed.claim()

        async def taken() -> bool:
            refusal = await confirmed.claim()
            assert refusal == "" or "it was not done" in refusal
            return refusal == ""

        # A database that has just come back may not take the first connection.
        await eventually(taken)
        assert "done before" in await confirmed.claim()


def owner(pod: Running) -> str:
    visitor = pod.services.sessions.visitor(f"Bearer {pod.token}", "uid-of-support")
    return f"uid-of-support/{visitor.id}"
