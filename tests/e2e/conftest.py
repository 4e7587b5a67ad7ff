"""A whole cluster with the demo in it: real pods, ingress and certificates, and a browser."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
import pytest_asyncio
from openai import AsyncOpenAI
from playwright.async_api import Browser, async_playwright

from smarter_cluster import packages
from smarter_cluster.bots import Visitor
from smarter_cluster.cluster import Cluster
from smarter_cluster.demo import Answer, Demo
from support.api import Api
from support.https import client_of

ROOT = Path(__file__).parents[2]
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
]


@dataclass(frozen=True)
class Shop:
    """The demo as it runs."""

    cluster: Cluster
    answer: Answer

    def visitor(self, host: str) -> Visitor:
        return Visitor(host, self.cluster.https_address, self.cluster.ca_certificate)

    def client(self, host: str) -> httpx2.AsyncClient:
        """Return an HTTP client that reaches the cluster's hosts and trusts its authority alone."""
        return client_of(host, self.cluster.https_address, self.cluster.ca_certificate)

    async def openai(self, host: str) -> AsyncOpenAI:
        """Return the official SDK with a visitor's session."""
        client = self.client(host)
        answer = await client.post("/app/v1/session", json={}, headers={"Origin": f"https://{host}"})
        return AsyncOpenAI(
            base_url=f"https://{host}/v1", api_key=answer.json()["token"], http_client=client, max_retries=0
        )


@pytest.fixture(scope="session")
def shop(request: pytest.FixtureRequest) -> Iterator[Shop]:
    name = request.config.getoption("--cluster-name") or "smarter-e2e"
    answer = Demo(ROOT, "demo", print, name).run()
    cluster = Cluster(name, "full")
    yield Shop(cluster, answer)
    cluster.down()


@pytest_asyncio.fixture
async def api(shop: Shop) -> AsyncIterator[Api]:
    async with Api(str(shop.cluster.kubeconfig)) as opened:
        yield opened


@pytest_asyncio.fixture
async def browser(request: pytest.FixtureRequest) -> AsyncIterator[Browser]:
    """Chromium; `@pytest.mark.parametrize("browser", [flags], indirect=True)` adds flags."""
    packages.ensure(packages.BROWSER, print, packages.installer())
    async with async_playwright() as playwright:
        flags = [*FLAGS, *getattr(request, "param", [])]
        started = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        yield started
        await started.close()
