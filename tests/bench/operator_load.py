"""Making many Chatbots at once, by the operator and without it, and the time until all their children are there."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from secrets import token_bytes

from bench.operator_stage import LONGEST_SECONDS, PLUGIN, RUNTIME_IMAGE, Stage
from smarter_crds.base import Metadata
from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Problem, compile_chatbot, parse
from smarter_crds.session_key import SESSION_KEY_BYTES
from smarter_operator import resources
from smarter_operator.cache import Cache
from smarter_operator.kinds import BY_NAME, CHATBOT, DEPLOYMENT, SECRET
from smarter_operator.kubernetes_cluster import KubernetesCluster
from smarter_operator.observe import observe
from smarter_operator.pods import PodReports
from smarter_operator.resources.session_secret import session_secret
from smarter_operator.settings import Settings
from support.api import Manifest, eventually
from support.manifests import chatbot, exposed, plugin, provider

SETTINGS = Settings(runtime_image=RUNTIME_IMAGE)
WORKERS = SETTINGS.workers
"""How many Chatbots are worked on at the same time, by every side."""

POLL_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How long a number of resources took, with all that is made for them."""

    resources: int
    objects: int
    seconds: float

    @property
    def resources_per_s(self) -> float:
        return round(self.resources / self.seconds, 2)

    @property
    def objects_per_s(self) -> float:
        return round(self.objects / self.seconds, 1)


def bot(namespace: str, number: int, plugin_name: str = PLUGIN) -> Manifest:
    """Return a Chatbot with a Plugin and a host of its own behind an Ingress."""
    name = f"bot-{number:05}"
    return chatbot(name, namespace, plugins=[{"name": plugin_name}], exposure=exposed(f"{name}.{namespace}.example"))


class Renderer:
    """Renders children just as the operator does."""

    def __init__(self, namespace: str, served: Callable[[str], bool]) -> None:
        self._served = served
        self._cache = Cache()
        for known in (provider(namespace=namespace), plugin(PLUGIN, namespace)):
            metadata = {**known["metadata"], "uid": known["kind"], "generation": 1}
            self._cache.put(BY_NAME[known["kind"]], {**known, "metadata": metadata})

    def children(self, raw: Manifest) -> list[Manifest]:
        """Return what the operator would apply for the Chatbot `raw`, of the kinds that the API server knows."""
        parsed = parse(Chatbot, raw)
        if isinstance(parsed, Problem):
            raise ValueError(parsed.message)
        world = observe(raw, self._cache, PodReports())
        compiled = compile_chatbot(parsed, world.references, SETTINGS.platform)
        return [child for child in resources.desired(parsed, compiled, "", SETTINGS) if self._served(child["kind"])]


async def renderer(stage: Stage, namespace: str) -> Renderer:
    missing = {kind.name for kind in BY_NAME.values() if kind.optional and not await _is_served(stage, kind.name)}
    return Renderer(namespace, lambda kind: kind not in missing)


async def raw_loop(stage: Stage, namespace: str, size: int) -> Speed:
    """Create Chatbots and apply their children without an operator: the same objects by the same client."""
    renders = await renderer(stage, namespace)
    objects = 0

    async def one(number: int) -> None:
        nonlocal objects
        created = await create(stage, bot(namespace, number))
        children = renders.children(created)
        objects += len(children) + 1
        first = [child for child in children if child["kind"] != DEPLOYMENT.name]
        await client.create_object(SECRET, _session_secret(created))
        await _apply(client, first)
        await _apply(client, [child for child in children if child["kind"] == DEPLOYMENT.name])

    async with stage.client() as client:
        started = time.perf_counter()
        await at_once(one, range(size))
        return Speed(resources=size, objects=objects, seconds=time.perf_counter() - started)


async def by_operator(stage: Stage, namespace: str, numbers: range) -> Speed:
    """Create Chatbots and wait until the running operator has applied all their children."""
    renders = await renderer(stage, namespace)
    sample = {**bot(namespace, 0), "metadata": {"name": "sample", "namespace": namespace, "uid": "0", "generation": 1}}
    kinds = Counter(child["kind"] for child in renders.children(sample))
    before = {kind: await stage.count(kind, namespace) for kind in kinds}
    started = time.perf_counter()
    creating = asyncio.create_task(at_once(lambda number: create(stage, bot(namespace, number)), numbers))
    # The Deployment comes last of a Chatbot's children, and so the others are mostly there when it is.
    for kind in sorted(kinds, key=lambda name: name != DEPLOYMENT.name):
        await until_count(stage, namespace, kind, before[kind] + kinds[kind] * len(numbers))
    taken = time.perf_counter() - started
    await creating
    # The Secret with the session key comes first of all.
    return Speed(resources=len(numbers), objects=(sum(kinds.values()) + 1) * len(numbers), seconds=taken)


async def until_count(stage: Stage, namespace: str, kind: str, count: int) -> None:
    async def reached() -> bool:
        return await stage.count(kind, namespace) >= count

    await eventually(reached, LONGEST_SECONDS, POLL_SECONDS)


async def create(stage: Stage, manifest: Manifest) -> Manifest:
    return await stage.api.call("POST", CHATBOT.path(manifest["metadata"]["namespace"]), body=manifest)


async def at_once(work: Callable[[int], Awaitable[object]], numbers: Iterable[int]) -> None:
    """Do `work` for every number, so many at the same time as the operator has workers."""
    waiting = iter(numbers)

    async def worker() -> None:
        for number in waiting:
            await work(number)

    async with asyncio.TaskGroup() as group:
        for _ in itertools.repeat(None, WORKERS):
            group.create_task(worker())


def _session_secret(chatbot: Manifest) -> Manifest:
    return session_secret(Metadata.model_validate(chatbot["metadata"]), token_bytes(SESSION_KEY_BYTES))


async def _apply(client: KubernetesCluster, children: Iterable[Manifest]) -> None:
    await asyncio.gather(*(client.apply(BY_NAME[child["kind"]], child) for child in children))


async def _is_served(stage: Stage, kind: str) -> bool:
    known = BY_NAME[kind]
    groups = (await stage.api.call("GET", "/apis"))["groups"]
    return any(known.group == group["name"] for group in groups)
