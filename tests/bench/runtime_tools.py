"""How long the tools of the plugins take, by the runtime's own metric."""

import re
from typing import Any

import aiohttp

from bench import runtime_load as load
from bench import runtime_stacks as stacks
from runtime.keys import TOKEN
from smarter_crds.runtime_config import ModelConfig

CALLS = 50
_SUM = re.compile(r"^smarter_tool_duration_seconds_(sum|count)\{[^}]*\} ([0-9.e+-]+)$", re.MULTILINE)


async def tool_times(at: stacks.Place, provider: str) -> dict[str, Any]:
    """Return the mean milliseconds of a call per kind of plugin."""
    static = stacks.three_plugins()[:1]
    return {"tool_ms_static": await _mean_ms(at, provider, static)}


async def _mean_ms(at: stacks.Place, provider: str, plugins: Any, **changes: Any) -> float:
    calling = ModelConfig(provider="main", name="calls")
    async with stacks.smarter(at, provider, plugins, model=calling, **changes) as running:
        async with load.client(at, running.url, TOKEN) as ask:
            for _ in range(CALLS):
                await ask.stream("calls")
        async with aiohttp.ClientSession() as session, session.get(f"{running.status_url}/metrics") as response:
            found = dict(_SUM.findall(await response.text()))
    return round(float(found["sum"]) / float(found["count"]) * 1000, 3)
