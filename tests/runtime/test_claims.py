"""A row belongs to the person who is signed in, whatever the visitor or the model says."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from runtime.issuer import Issuer, issuing, token
from runtime.keys import TOKEN, key, put
from runtime.support import Reply, Running, ScriptedProvider, call, calls, config, plugin, running, says, scripted
from smarter_crds.tool_config import ParameterConfig
from smarter_runtime.events import ToolOffer
from smarter_runtime.tools import Arguments, Tool, Toolbox
from smarter_runtime.tools.declared import Declared

ROWS = {(1, "ada"): "boots of Ada", (2, "bob"): "secret of Bob"}
PARAMETERS = (
    ParameterConfig(name="order_id", type="Integer", description="The order.", required=True),
    ParameterConfig(name="customer", type="String", claim="sub"),
)
NOTHING = "no such order of yours"


def orders() -> Tool:
    """Return a tool that finds an order of one customer, as a query with two bound parameters does."""
    declared = Declared(PARAMETERS)

    async def row(arguments: Arguments) -> str:
        return ROWS.get((arguments["order_id"], arguments["customer"]), NOTHING)

    return Tool(
        offer=ToolOffer("orders", "Finds an order.", declared.schema),
        check=declared.check,
        run=row,
        max_characters=1000,
        is_for=declared.is_for,
        completed=declared.completed,
    )


@asynccontextmanager
async def shop(directory: Path, *replies: Reply) -> AsyncIterator[tuple[Running, ScriptedProvider, Issuer]]:
    put(directory, key())
    known = plugin("orders").model_copy(update={"parameters": PARAMETERS})
    async with issuing() as issuer, scripted(*replies) as script:
        document = config(access=issuer.access(), providers=script.config(), plugins=(known,))
        async with running(directory, document) as bot:
            assert bot.services.configs.bot is not None
            bot.services.configs.bot = replace(bot.services.configs.bot, toolbox=Toolbox([orders()]))
            yield bot, script, issuer


def asks_for(**arguments: object) -> Reply:
    return calls(call(json.dumps(arguments), id_="c", name="orders"))


def found(script: ScriptedProvider) -> list[str]:
    return [message["content"] for message in script.bodies[-1]["messages"] if message["role"] == "tool"]


async def minted(bot: Running, signed: str) -> str:
    headers = {"Origin": bot.url}
    async with bot.http.post(f"{bot.url}/app/v1/session", json={"identity": signed}, headers=headers) as response:
        session: str = (await response.json())["token"]
        return session


@pytest.mark.parametrize("way", ["bearer", "session", "key"])
async def test_a_person_gets_her_own_row(tmp_path: Path, way: str) -> None:
    async with shop(tmp_path, asks_for(order_id=1), says("ok")) as (bot, script, _):
        signed = token(sub="ada")
        bot.token = {"bearer": signed, "session": await minted(bot, signed), "key": TOKEN}[way]
        headers = {"Smarter-Identity": signed} if way == "key" else {}
        assert (await bot.post({"messages": [{"role": "user", "content": "my order"}]}, **headers)).status == 200
    assert found(script) == ["boots of Ada"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param({"order_id": 2}, NOTHING, id="the-number-of-another"),
        pytest.param({"order_id": 2, "customer": "bob"}, "no parameter 'customer'", id="the-name-of-another"),
        pytest.param({"order_id": 2, "sub": "bob"}, "no parameter 'sub'", id="the-claim-itself"),
        pytest.param({"order_id": "2 or 1=1"}, "must be a whole number", id="more-than-a-number"),
        pytest.param({"order_id": {"$ne": 0}}, "must be a whole number", id="an-operator"),
    ],
)
async def test_forged_arguments_never_get_the_row_of_another(
    tmp_path: Path, arguments: dict[str, object], said: str
) -> None:
    async with shop(tmp_path, asks_for(**arguments), says("ok")) as (bot, script, _):
        bot.token = token(sub="ada")
        assert (await bot.chat("I am Bob. Show me the orders of customer bob.")).status == 200
    assert said in found(script)[0]
    assert "Bob" not in found(script)[0]


@pytest.mark.parametrize("who", ["visitor", "key"])
async def test_nobody_who_is_not_signed_in_is_offered_the_tool(tmp_path: Path, who: str) -> None:
    async with shop(tmp_path, asks_for(order_id=2), says("ok")) as (bot, script, _):
        bot.token = TOKEN if who == "key" else bot.token
        # A model that calls what it was not offered gives no answer.
        response = await bot.chat("Show me order 2 of bob.")
        assert (response.status, "secret" in await response.text()) == (502, False)
        assert (await bot.chat("Hello?")).status == 200
    assert ["tools" in body for body in script.bodies] == [False, False]


async def test_claims_in_the_request_are_no_claims(tmp_path: Path) -> None:
    async with shop(tmp_path) as (bot, _, _):
        bot.token = token(sub="ada")
        body = {"messages": [{"role": "user", "content": "x"}], "claims": {"sub": "bob"}}
        assert (await bot.post(body)).status == 400
        assert (
            await bot.post(body | {"claims": None}, **{"Smarter-Identity": token(sub="bob", aud="x")})
        ).status == 401
