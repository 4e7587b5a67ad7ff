"""Edits under load that is otherwise at rest: one Chatbot after the other, and one Plugin that all of them use."""

import statistics
import time
from dataclasses import dataclass
from typing import Any

from bench.operator_load import bot, create
from bench.operator_stage import LONGEST_SECONDS, PLUGIN, Stage, reconciles, settled
from smarter_operator.kinds import CHATBOT_LABEL, CONFIG_MAP, DEPLOYMENT
from support.api import Manifest, eventually
from support.manifests import plugin
from support.operator_process import OperatorProcess

BYSTANDERS = 20
"""Chatbots that do not use the edited Plugin."""

POLL_SECONDS = 0.01
_BYSTANDERS_PLUGIN = "bystander"
_FIRST_BYSTANDER = 90_000


@dataclass(frozen=True, kw_only=True)
class FanOut:
    """What one edit of a Plugin did: the time until all users carry it, runs per user, and who else was touched."""

    seconds: float
    reconciles_per_user: float
    touched_bystanders: int
    newcomer_applied_s: float

    def results(self) -> dict[str, Any]:
        return {
            "plugin_fanout_s": round(self.seconds, 2),
            "plugin_fanout_reconciles_per_bot": round(self.reconciles_per_user, 2),
            "plugin_fanout_touched_bystanders": self.touched_bystanders,
            "plugin_fanout_newcomer_applied_s": round(self.newcomer_applied_s, 2),
        }


async def edit_to_applied(stage: Stage, namespace: str, bots: int, edits: int) -> dict[str, Any]:
    """Return the percentiles of the seconds from an edit of a Chatbot to its new ConfigMap."""
    seconds = sorted([await _edit(stage, namespace, number % bots, number) for number in range(edits)])
    return {
        "edit_applied_p50_s": round(statistics.median(seconds), 3),
        "edit_applied_p95_s": round(statistics.quantiles(seconds, n=20, method="inclusive")[18], 3),
        "edits": edits,
    }


async def _edit(stage: Stage, namespace: str, bot_number: int, version: int) -> float:
    name = bot(namespace, bot_number)["metadata"]["name"]
    before = await _config_hash(stage, namespace, name)
    started = time.perf_counter()
    await stage.api.patch("Chatbot", namespace, name, {"spec": {"systemPrompt": f"You are version {version}."}})

    async def changed() -> bool:
        return await _config_hash(stage, namespace, name) != before

    await eventually(changed, LONGEST_SECONDS, POLL_SECONDS)
    return time.perf_counter() - started


async def _config_hash(stage: Stage, namespace: str, name: str) -> str:
    found = await stage.api.get(CONFIG_MAP.name, namespace, f"{name}-config")
    return str(found["data"]["hash"]) if found else ""


async def plugin_edit(stage: Stage, operator: OperatorProcess, namespace: str) -> FanOut:
    """Edit the Plugin that all but a few Chatbots of the namespace use, and create one more right after."""
    await _make_bystanders(stage, operator, namespace)
    before = await _configs(stage, namespace)
    users = {name for name in before if not name.startswith(f"bot-{_FIRST_BYSTANDER // 1000}")}
    runs = await reconciles(operator)
    started = time.perf_counter()
    await stage.api.apply(plugin(PLUGIN, namespace, static={"data": {"window": "60 days"}}))
    newcomer = await _newcomer(stage, namespace)

    async def all_carry_it() -> bool:
        now = await _configs(stage, namespace)
        return all(now[name] != before[name] for name in users)

    await eventually(all_carry_it, LONGEST_SECONDS, every_seconds=0.5)
    taken = time.perf_counter() - started
    await settled(operator)
    after = await _configs(stage, namespace)
    return FanOut(
        seconds=taken,
        reconciles_per_user=(await reconciles(operator) - runs) / len(users),
        touched_bystanders=sum(after[name] != version for name, version in before.items() if name not in users),
        newcomer_applied_s=newcomer,
    )


async def _make_bystanders(stage: Stage, operator: OperatorProcess, namespace: str) -> None:
    await stage.api.apply(plugin(_BYSTANDERS_PLUGIN, namespace))
    for number in range(_FIRST_BYSTANDER, _FIRST_BYSTANDER + BYSTANDERS):
        await create(stage, bot(namespace, number, _BYSTANDERS_PLUGIN))
    await settled(operator)


async def _newcomer(stage: Stage, namespace: str) -> float:
    """Return the seconds from the creation of a Chatbot to its Deployment, the last of its children."""
    made: Manifest = bot(namespace, _FIRST_BYSTANDER + BYSTANDERS, _BYSTANDERS_PLUGIN)
    started = time.perf_counter()
    await create(stage, made)
    name = made["metadata"]["name"]
    await eventually(lambda: stage.api.get(DEPLOYMENT.name, namespace, name), LONGEST_SECONDS, POLL_SECONDS)
    return time.perf_counter() - started


async def _configs(stage: Stage, namespace: str) -> dict[str, str]:
    """Return the version of every Chatbot's ConfigMap, by the Chatbot's name."""
    found = await stage.api.list_all(CONFIG_MAP.name, namespace, CHATBOT_LABEL)
    configs = [item for item in found if item["metadata"]["name"].endswith("-config")]
    return {item["metadata"]["labels"][CHATBOT_LABEL]: item["metadata"]["resourceVersion"] for item in configs}
