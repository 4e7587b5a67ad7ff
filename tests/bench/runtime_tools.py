"""How long the tools of the plugins take, by the runtime's own metric."""

import re
import secrets
from collections.abc import Mapping
from typing import Any

import aiohttp

from bench import runtime_load as load
from bench import runtime_stacks as stacks
from runtime.keys import TOKEN
from smarter_crds.api_config import ApiConfig, ApiConnectionConfig
from smarter_crds.connection_config import TlsConfig
from smarter_crds.runtime_config import ModelConfig, PluginConfig, SelectorConfig
from smarter_crds.sql_config import SqlConnectionConfig
from smarter_crds.tool_config import ParameterConfig
from support.postgresql import PostgreSQL, Role, running_postgresql
from support.sql_tools import CREDENTIALS, LOOPBACK, query

WARM_UP = 20
CALLS = 200
_SUM = re.compile(r"^smarter_tool_duration_seconds_(sum|count)\{[^}]*\} ([0-9.e+-]+)$", re.MULTILINE)
_TABLE = """
    create table orders (id int primary key, customer text not null, state text not null, price numeric(8, 2) not null);
    insert into orders select n, 'customer ' || n % 100, 'sent', n * 1.5 from generate_series(1, 10000) n;
"""


async def tool_times(at: stacks.Place, provider: str) -> dict[str, Any]:
    """Return the mean milliseconds of a call per kind of plugin."""
    return {
        "tool_ms_static": await _mean_ms(at, provider, stacks.three_plugins()[0]),
        "tool_ms_sql": await _sql_ms(at, provider),
        "tool_ms_api": await _api_ms(at, provider),
    }


async def _sql_ms(at: stacks.Place, provider: str) -> float:
    """Ask a PostgreSQL of its own for one row by its key, over TLS, as the role that the documentation says to make."""
    with running_postgresql() as server:
        reader = _reader(server)
        connection = SqlConnectionConfig(
            name="shop",
            engine="PostgreSQL",
            host="localhost",
            port=server.port,
            database=reader.database,
            credentials=CREDENTIALS,
            tls=TlsConfig(ca_file="database-ca"),
            allowed_cidrs=LOOPBACK,
        )
        order = query("order", "select state, price from orders where id = :id", {"id": "Integer"})
        files = {"username": reader.username, "password": reader.password, "database-ca": server.authority.read_text()}
        return await _mean_ms(at, provider, order, files, sql_connections={"shop": connection})


def _reader(server: PostgreSQL) -> Role:
    owner = server.database()
    server.sql(f"set role {owner.username}; {_TABLE}", owner.database)
    reader = Role(f"reader_{secrets.token_hex(6)}", secrets.token_hex(12), owner.database)
    made = (
        f"create role {reader.username} login password '{reader.password}'; grant select on orders to {reader.username}"
    )
    server.sql(made, reader.database)
    return reader


async def _api_ms(at: stacks.Place, provider: str) -> float:
    """Ask the server of the provider for a small document, over TLS and with a token."""
    connection = ApiConnectionConfig.model_validate(
        {
            "name": "shop",
            "base_url": provider,
            "auth": {"type": "Bearer", "secret_file": "key"},
            "ca_file": "ca",
            "allowed_cidrs": LOOPBACK,
        }
    )
    order = PluginConfig(
        name="order",
        type="Api",
        hash="0",
        description="Looks up an order.",
        selector=SelectorConfig(directive="Always"),
        parameters=(ParameterConfig(name="id", type="Integer", description="The number.", required=True),),
        api=ApiConfig(connection="shop", method="GET", path="/orders/{id}", result="items[0]"),
    )
    return await _mean_ms(at, provider, order, api_connections={"shop": connection})


async def _mean_ms(
    at: stacks.Place, provider: str, plugin: PluginConfig, files: Mapping[str, str] | None = None, **changes: Any
) -> float:
    calling = ModelConfig(provider="main", name="calls")
    async with stacks.smarter(at, provider, (plugin,), files, model=calling, **changes) as running:
        async with load.client(at, running.url, TOKEN) as ask:
            await _asked(ask, WARM_UP)
            seconds, calls = await _so_far(running)
            await _asked(ask, CALLS)
        more_seconds, more_calls = await _so_far(running)
    assert more_calls - calls == CALLS, "not every answer called the tool"
    return round((more_seconds - seconds) / CALLS * 1000, 3)


async def _asked(ask: load.Client, number: int) -> None:
    for _ in range(number):
        await ask.stream("calls")


async def _so_far(running: stacks.Running) -> tuple[float, float]:
    """Return the seconds and the number of all calls that went well."""
    async with aiohttp.ClientSession() as session, session.get(f"{running.status_url}/metrics") as response:
        text = await response.text()
    assert 'result="error"' not in text, "the tool does not work"
    found = dict(_SUM.findall(text))
    return float(found["sum"]), float(found["count"])
