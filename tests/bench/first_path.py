"""Measures the way from a Chatbot to its answer on a real cluster, and what a bot costs: `make bench`."""

import asyncio
import functools
import json
import platform
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import psutil

from smarter_cluster.bots import Refused, Visitor
from smarter_cluster.cluster import Cluster
from smarter_cluster.demo import Demo
from support.api import Api, Manifest, eventually
from support.https import client_of
from support.manifests import chatbot, plugin, provider

ROOT = Path(__file__).parents[2]
RESULTS = Path(__file__).parent / "results"
NAME = "smarter-bench"
BOTS = 5
EDITS = 20
STARTS = 5
LONGEST_SECONDS = 60.0
WORDS = 900

T = TypeVar("T")


async def main() -> None:
    """Run everything in one cluster and write the results."""
    Demo(ROOT, "demo", print, NAME).run()
    cluster = Cluster(NAME, "full")
    try:
        images = cluster.build_images(ROOT)
        async with Api(str(cluster.kubeconfig)) as api, aiohttp.ClientSession() as http:
            answers = [await apply_to_answer(cluster, api, number) for number in range(BOTS)]
            print(f"apply → answer: {answers}")
            edits = await config_live(cluster, api, http)
            print(f"config live: {edits}")
            starts = [await start_to_ready(api, http) for _ in range(STARTS)]
            print(f"start → ready: {starts}")
            found = results(answers, edits, starts) | {
                "pss_idle_mib": await idle_pss_mib(api),
                "image_mib": {part: await image_mib(api, image) for part, image in images.items()},
            }
    finally:
        cluster.down()
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(found, indent=2)
    (RESULTS / "first_path.json").write_text(text + "\n", encoding="utf-8")
    print(text)


def results(answers: list[float], edits: list[float], starts: list[float]) -> dict[str, Any]:
    return {
        "machine": {"cpus": psutil.cpu_count(), "python": platform.python_version()},
        "apply_to_answer_s": {"median": statistics.median(answers), "max": max(answers), "goal": 8.0, "bots": BOTS},
        "config_live_s": {
            "p50": statistics.median(edits),
            "p95": round(statistics.quantiles(edits, n=20, method="inclusive")[18], 3),
            "goal_p95": 1.5,
            "edits": EDITS,
        },
        "start_to_ready_s": {"median": statistics.median(starts), "max": max(starts), "goal": 1.0, "starts": STARTS},
    }


async def apply_to_answer(cluster: Cluster, api: Api, number: int) -> float:
    """Seconds from the apply of a bot in a new namespace to its first verified answer with the plugin's fact."""
    namespace, fact = f"bench-{number}", f"fact-{time.time_ns()}"
    await api.namespace(namespace)
    data = {"lighthouse": {"keeper": fact}}
    await api.apply(
        provider(namespace=namespace),
        plugin("facts", namespace, description="Facts about the lighthouse.", static={"data": data}),
    )
    visitor = Visitor(f"{namespace}.localhost", cluster.https_address, cluster.ca_certificate)
    started = time.perf_counter()
    exposure = {"hosts": [visitor.host], "tls": {"mode": "Issuer"}}
    await api.apply(chatbot(namespace=namespace, plugins=[{"name": "facts"}], exposure=exposure))
    await until(lambda: asyncio.to_thread(says, visitor, fact))
    return round(time.perf_counter() - started, 2)


def says(visitor: Visitor, fact: str) -> bool:
    try:
        return fact in visitor.ask("Who is the keeper of the lighthouse?")
    except (OSError, Refused):
        return False


async def config_live(cluster: Cluster, api: Api, http: aiohttp.ClientSession) -> list[float]:
    """Seconds from each edit of the system prompt until every pod serves it, while a long answer streams."""
    namespace = "bench-0"
    story = " ".join(f"step{number}" for number in range(WORDS))
    slow = provider(namespace=namespace, defaultModel="demo-slow")
    facts = {"lighthouse": {"keeper": "nobody", "story": story}}
    tale = plugin("facts", namespace, description="Facts about the lighthouse.", static={"data": facts})
    [pod] = await pods(api, namespace)
    for manifest in (slow, tale):
        before = await served(http, pod["status"]["podIP"])
        await api.apply(manifest)
        await until(functools.partial(changed, http, pod["status"]["podIP"], {before}))
    seconds = []
    async with client_of(f"{namespace}.localhost", cluster.https_address, cluster.ca_certificate) as client:
        listening = asyncio.create_task(listen(client, namespace))
        await asyncio.sleep(1)
        for number in range(EDITS):
            seconds.append(await edit(api, http, namespace, number))
        if listening.done():
            raise RuntimeError("The stream did not outlast the edits; make the story longer.")
        words = await listening
    if words != WORDS:
        raise RuntimeError(f"The stream lost words: {words} of {WORDS} came.")
    return seconds


async def listen(client: Any, namespace: str) -> int:
    """Stream the whole story. Returns how many of its words came."""
    origin = f"https://{namespace}.localhost"
    token = (await client.post("/app/v1/session", json={}, headers={"Origin": origin})).json()["token"]
    messages = [{"role": "user", "content": "Tell the story of the lighthouse."}]
    body = {"model": "demo-slow", "messages": messages, "stream": True}
    said = ""
    headers = {"Authorization": f"Bearer {token}"}
    async with client.stream("POST", "/v1/chat/completions", json=body, headers=headers, timeout=300) as response:
        async for line in response.aiter_lines():
            if line.startswith("data: {"):
                choices = json.loads(line[6:])["choices"]
                said += "".join(choice["delta"].get("content") or "" for choice in choices)
    return len({word.strip(".,;") for word in said.split() if word.startswith("step")})


async def edit(api: Api, http: aiohttp.ClientSession, namespace: str, number: int) -> float:
    addresses = [pod["status"]["podIP"] for pod in await pods(api, namespace)]
    before = {await served(http, address) for address in addresses}
    started = time.perf_counter()
    await api.patch("Chatbot", namespace, "support", {"spec": {"systemPrompt": f"You are version {number}."}})
    for address in addresses:
        await until(functools.partial(changed, http, address, before))
    taken = time.perf_counter() - started
    await asyncio.sleep(0.5)
    return round(taken, 3)


async def changed(http: aiohttp.ClientSession, address: str, before: set[str]) -> bool:
    return await served(http, address) not in before


async def served(http: aiohttp.ClientSession, address: str) -> str:
    async with http.get(f"http://{address}:9090/status") as response:
        return str((await response.json())["configHash"])


async def start_to_ready(api: Api, http: aiohttp.ClientSession) -> float:
    """Seconds from the start of a pod's process to its first 200 at `/readyz`."""
    namespace = "bench-1"
    [old] = await pods(api, namespace)
    await api.delete("Pod", namespace, old["metadata"]["name"])

    async def replaced() -> Manifest | None:
        found = [pod for pod in await pods(api, namespace) if pod["metadata"]["uid"] != old["metadata"]["uid"]]
        return next((pod for pod in found if pod["status"].get("podIP")), None)

    pod = await until(replaced)

    async def process() -> psutil.Process | None:
        return process_of(pod["metadata"]["uid"])

    started = (await until(process)).create_time()

    async def ready() -> bool:
        try:
            async with http.get(f"http://{pod['status']['podIP']}:8080/readyz") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    await until(ready)
    taken = time.time() - started
    await eventually(lambda: api.is_ready(namespace, "support"), LONGEST_SECONDS)
    return round(taken, 2)


async def idle_pss_mib(api: Api) -> float:
    """Memory of a pod that has nothing to do, its share of shared pages included, in MiB."""
    [pod] = await pods(api, "bench-2")
    process = process_of(pod["metadata"]["uid"])
    if process is None:
        raise RuntimeError("The pod has no process on this machine.")
    return float(round(process.memory_full_info().pss / 2**20, 1))


def process_of(pod_uid: str) -> psutil.Process | None:
    """Return the runtime's process of a pod on this machine."""
    for process in psutil.process_iter():
        try:
            groups = Path(f"/proc/{process.pid}/cgroup").read_text(encoding="utf-8")
            if pod_uid in groups and "smarter_runtime" in process.cmdline():
                return process
        except (OSError, psutil.Error):
            continue
    return None


async def image_mib(api: Api, image: str) -> float:
    """Size of an image as the node tells it, in MiB."""
    for node in (await api.call("GET", "/api/v1/nodes"))["items"]:
        for found in node["status"]["images"]:
            if image in found["names"]:
                return float(round(found["sizeBytes"] / 2**20, 1))
    raise RuntimeError(f"No node has the image {image!r}.")


async def pods(api: Api, namespace: str) -> list[Manifest]:
    found = await api.list_all("Pod", namespace, "smarter.sh/chatbot")
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


async def until(check: Callable[[], Awaitable[T | None]]) -> T:
    """Ask every 10 ms until there is an answer."""
    found = await eventually(check, LONGEST_SECONDS, 0.01)
    assert found is not None
    return found


if __name__ == "__main__":
    asyncio.run(main())
