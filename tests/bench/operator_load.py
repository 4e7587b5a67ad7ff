"""Making many Chatbots at once, by the operator and without it, and the time until all their children are there."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from secrets import token_bytes

import psutil

from bench.operator_stage import LONGEST_SECONDS, PLUGIN, RUNTIME_IMAGE, Stage, cpu_seconds
from smarter_crds.base import Metadata
from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Problem, compile_chatbot, parse
from smarter_crds.session_key import SESSION_KEY_BYTES
from smarter_operator import resources
from smarter_operator.cache import Cache
from smarter_operator.claims import host_claim
from smarter_operator.kinds import BY_NAME, CHATBOT, DEPLOYMENT, HOST_CLAIM, SECRET
from smarter_operator.kubernetes_cluster import KubernetesCluster
from smarter_operator.observe import observe
from smarter_operator.pods import PodReports
from smarter_operator.resources.session_secret import session_secret
from smarter_operator.settings import Settings
from support.api import Manifest, eventually
from support.manifests import chatbot, exposed, plugin, provider
from support.operator_process import OperatorProcess

SETTINGS = Settings(runtime_image=RUNTIME_IMAGE)
WORKERS = SETTINGS.workers
"""How many Chatbots are worked on at the same time, by every side."""

POLL_SECONDS = 0.25

_CREATED = {kind.name: kind for kind in (SECRET, HOST_CLAIM)}
"""What is made and never applied: the one holds what nobody may read again, the other is for whoever comes first."""


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How long a number of resources took, with all that is made for them."""

    resources: int
    objects: int
    seconds: float
    cpu_seconds: float = 0.0
    """What the process that made the objects used of the processor, which hardly depends on what else runs there."""

    @property
    def resources_per_s(self) -> float:
        return round(self.resources / self.seconds, 2)

    @property
    def objects_per_s(self) -> float:
        return round(self.objects / self.seconds, 1)

    @property
    def cpu_ms_per_resource(self) -> float:
        return round(1000 * self.cpu_seconds / self.resources, 2)


def bot(namespace: str, number: int, plugin_name: str = PLUGIN) -> Manifest:
    """Return a Chatbot with a Plugin and a host of its own behind an Ingress."""
    name = f"bot-{number:05}"
    return chatbot(name, namespace, plugins=[{"name": plugin_name}], exposure=exposed(f"{name}.{namespace}.example"))


class Renderer:
    """Renders what a Chatbot is made of just as the operator does."""

    def __init__(self, namespace: str, served: Callable[[str], bool]) -> None:
        self._served = served
        self._cache = Cache()
        for known in (provider(namespace=namespace), plugin(PLUGIN, namespace)):
            metadata = {**known["metadata"], "uid": known["kind"], "generation": 1}
            self._cache.put(BY_NAME[known["kind"]], {**known, "metadata": metadata})

    def objects(self, raw: Manifest) -> list[Manifest]:
        """Return Secret, HostClaims and children of the Chatbot `raw`, as far as the API server knows their kinds."""
        parsed = parse(Chatbot, raw)
        if isinstance(parsed, Problem):
            raise ValueError(parsed.message)
        world = observe(raw, self._cache, PodReports())
        compiled = compile_chatbot(parsed, world.references, SETTINGS.platform)
        children = [child for child in resources.desired(parsed, compiled, "", SETTINGS) if self._served(child["kind"])]
        return [_session_secret(raw), *(host_claim(host, raw) for host in compiled.hosts), *children]


async def renderer(stage: Stage, namespace: str) -> Renderer:
    missing = {kind.name for kind in BY_NAME.values() if kind.optional and not await _is_served(stage, kind.name)}
    return Renderer(namespace, lambda kind: kind not in missing)


async def raw_loop(stage: Stage, namespace: str, size: int) -> Speed:
    """Create Chatbots and what they are made of without an operator: the same objects by the same client.

    It knows from the start that nothing is there yet, watches nothing and reports nothing.
    """
    renders = await renderer(stage, namespace)
    objects = 0

    async def one(number: int) -> None:
        nonlocal objects
        made = renders.objects(await create(stage, bot(namespace, number)))
        objects += len(made)
        # As for the operator, the Deployment comes when all that its pods need is there.
        await asyncio.gather(*(_write(client, each) for each in made if each["kind"] != DEPLOYMENT.name))
        await asyncio.gather(*(_write(client, each) for each in made if each["kind"] == DEPLOYMENT.name))

    own = psutil.Process()
    async with stage.client() as client:
        started, used = time.perf_counter(), cpu_seconds(own)
        await at_once(one, range(size))
        taken, used = time.perf_counter() - started, cpu_seconds(own) - used
    return Speed(resources=size, objects=objects, seconds=taken, cpu_seconds=used)


async def by_operator(stage: Stage, operator: OperatorProcess, namespace: str, numbers: range) -> Speed:
    """Create Chatbots and wait until the running operator has made all that they are made of."""
    renders = await renderer(stage, namespace)
    sample = {**bot(namespace, 0), "metadata": {"name": "sample", "namespace": namespace, "uid": "0", "generation": 1}}
    kinds = Counter(made["kind"] for made in renders.objects(sample))
    before = {kind: await stage.count(kind, namespace) for kind in kinds}
    process = psutil.Process(operator.pid)
    started, used = time.perf_counter(), cpu_seconds(process)
    creating = asyncio.create_task(at_once(lambda number: create(stage, bot(namespace, number)), numbers))
    # The Deployment comes last of what a Chatbot is made of, and so the others are mostly there when it is.
    for kind in sorted(kinds, key=lambda name: name != DEPLOYMENT.name):
        await until_count(stage, namespace, kind, before[kind] + kinds[kind] * len(numbers))
    taken, used = time.perf_counter() - started, cpu_seconds(process) - used
    await creating
    objects = sum(kinds.values()) * len(numbers)
    return Speed(resources=len(numbers), objects=objects, seconds=taken, cpu_seconds=used)


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


async def _write(client: KubernetesCluster, manifest: Manifest) -> None:
    if manifest["kind"] in _CREATED:
        await client.create_object(_CREATED[manifest["kind"]], manifest)
    else:
        await client.apply(BY_NAME[manifest["kind"]], manifest)


async def _is_served(stage: Stage, kind: str) -> bool:
    known = BY_NAME[kind]
    groups = (await stage.api.call("GET", "/apis"))["groups"]
    return any(known.group == group["name"] for group in groups)
