"""The APIs against their own descriptions, with requests that nobody would think of."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from starlette.routing import Route

from runtime.keys import TOKEN, key, put
from runtime.support import Running, config, plugin, running
from smarter_crds.access_config import OriginsConfig
from smarter_crds.runtime_config import RuntimeConfig
from smarter_runtime.app import create_api, create_status
from smarter_runtime.conversations.talk import HEADER
from smarter_runtime.inbound import chat, responses
from smarter_runtime.openapi import description, status_description

HELLO = {"role": "user", "content": "Hello"}
PLATFORM = "a-token-of-the-platform"
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def bot_config() -> RuntimeConfig:
    """Return the demo, which has an answer to everything."""
    return config(
        plugins=(plugin(),),
        origins=OriginsConfig(frame_ancestors=("https://shop.example",)),
        status_tokens=(hashlib.sha256(PLATFORM.encode()).hexdigest(),),
    )


DESCRIPTIONS = {
    "api": json.loads(json.dumps(description(bot_config()))),
    "status": json.loads(json.dumps(status_description(bot_config()))),
}
SAME_EXAMPLES = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
# Nothing is looked for on the disk. Parameters that nobody knows are ignored, and who comes is said below.
_WAYS = {
    "seed": 1,
    "generation": {"allow-extra-parameters": False, "with-security-parameters": False},
    "checks": {"negative_data_rejection": {"expected-statuses": ["4xx"]}},
}
DESCRIBED = {
    app: schemathesis.openapi.from_dict(whole, config=SchemathesisConfig.from_dict(_WAYS))
    for app, whole in DESCRIPTIONS.items()
}
OPERATIONS = [
    pytest.param(app, path, method, id=f"{app}-{method}-{path}")
    for app, whole in DESCRIPTIONS.items()
    for path, methods in whole["paths"].items()
    for method in methods
]
REQUIRED = {"delete /conversations": {"query": {"visitor": "v" * 22}}}
"""What an operation needs beside its body."""


@dataclass(frozen=True)
class Door:
    """One of the two APIs."""

    app: str
    url: str
    tokens: dict[str, str]
    """Of those who come; nobody has none."""

    def operation(self, path: str, method: str) -> Any:
        return DESCRIBED[self.app][path][method.upper()]

    def call(self, case: Any, who: str = "insider", *more: Any) -> int:
        token = self.tokens[who]
        headers = {"Origin": self.url, **({"Authorization": f"Bearer {token}"} if token else {})}
        answer = case.call_and_validate(base_url=self.url, headers=headers, checks=[*CHECKS, *more], timeout=20)
        status: int = answer.status_code
        return status


@asynccontextmanager
async def serving(directory: Path, app: str) -> AsyncIterator[tuple[Running, Door]]:
    put(directory, key())
    async with running(directory, bot_config()) as bot:
        await bot.chat("hello")
        insider, url = (TOKEN, bot.url) if app == "api" else (PLATFORM, bot.status_url)
        yield bot, Door(app, url, {"insider": insider, "visitor": bot.token, "nobody": ""})


def test_what_is_read_is_what_is_described() -> None:
    schemas = DESCRIPTIONS["api"]["components"]["schemas"]
    for table, name in ((chat.TABLE, "ChatRequest"), (responses.TABLE, "ResponsesRequest")):
        described = schemas[name]["properties"]
        assert set(described) == table.honoured | table.overridden | table.with_key
        assert set(described).isdisjoint(table.refused)
        assert all(described.values()), "a field has no schema"


async def test_every_operation_is_described(tmp_path: Path) -> None:
    async with running(tmp_path, bot_config()) as bot:
        apps = {"api": _routes(create_api(bot.services)), "status": _routes(create_status(bot.services))}
    own = {"/", "/livez", "/readyz", "/openapi.json", "/app/assets/{name}"}
    for app, routes in apps.items():
        described = {
            (path, method.upper()) for path, methods in DESCRIPTIONS[app]["paths"].items() for method in methods
        }
        assert {(path, method) for path, method in routes if path not in own} == described


@pytest.mark.parametrize("app", ["api", "status"])
def test_the_description_is_one(app: str) -> None:
    DESCRIBED[app].validate()


@pytest.mark.parametrize("app", ["api", "status"])
async def test_anybody_may_read_it(tmp_path: Path, app: str) -> None:
    async with serving(tmp_path, app) as (bot, door), bot.http.get(f"{door.url}/openapi.json") as response:
        assert (response.status, await response.json()) == (200, DESCRIPTIONS[app])


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as-described", "otherwise"])
@pytest.mark.parametrize(("app", "path", "method"), OPERATIONS)
async def test_every_answer_is_as_described(
    tmp_path: Path, app: str, path: str, method: str, mode: GenerationMode
) -> None:
    async with serving(tmp_path, app) as (_, door):

        @SAME_EXAMPLES
        @given(case=door.operation(path, method).as_strategy(generation_mode=mode))
        def check(case: Any) -> None:
            # What does not fit the description is for a caller who may ask everything else to see refused.
            door.call(case, "insider", *([negative_data_rejection] if mode.is_negative else []))
            door.call(case, "visitor")
            door.call(case, "nobody")

        try:
            await asyncio.to_thread(check)
        except Unsatisfiable:
            # There is nothing that an operation without a body or parameters could be sent wrongly.
            assert mode.is_negative


@pytest.mark.parametrize(("app", "path", "method"), OPERATIONS)
async def test_what_is_asked_as_described_is_answered(tmp_path: Path, app: str, path: str, method: str) -> None:
    async with serving(tmp_path, app) as (bot, door):
        operation = door.operation(path, method)
        given: dict[str, Any] = dict(REQUIRED.get(f"{method} {path}", {}))
        if "{id}" in path:
            kept = await bot.post({"messages": [HELLO]}, **{"Authorization": f"Bearer {TOKEN}", HEADER: "new"})
            given["path_parameters"] = {"id": kept.headers[HEADER]}
        if content := DESCRIPTIONS[app]["paths"][path][method].get("requestBody", {}).get("content"):
            given |= {"body": content["application/json"]["example"], "media_type": "application/json"}
        status = await asyncio.to_thread(door.call, operation.Case(**given))
    assert str(status) in DESCRIPTIONS[app]["paths"][path][method]["responses"]


def _routes(app: Any) -> set[tuple[str, str]]:
    while not isinstance(app, FastAPI):
        app = app._app
    routes = [route for route in app.routes if isinstance(route, Route)]
    return {(route.path, method) for route in routes for method in route.methods or () if method != "HEAD"}
