"""What many write first: the official SDK's typed objects relayed through FastAPI. `python runtime_sdk.py SETTINGS`."""

import json
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from openai import AsyncOpenAI


def application(settings: dict[str, Any]) -> FastAPI:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    trust = ssl.create_default_context(cafile=settings["ca"])
    http = httpx2.AsyncClient(verify=trust, timeout=120, limits=limits)
    sdk = AsyncOpenAI(base_url=settings["provider"], api_key=settings["provider_key"], http_client=http, max_retries=0)
    app = FastAPI()

    @app.get("/readyz")
    async def ready() -> Response:
        return PlainTextResponse("ok")

    @app.post("/v1/chat/completions")
    async def completions(request: Request) -> Response:
        if request.headers.get("Authorization") != f"Bearer {settings['token']}":
            raise HTTPException(401)
        body = await request.json()
        if not body.get("stream"):
            return JSONResponse((await sdk.chat.completions.create(**body)).model_dump())
        return StreamingResponse(_events(await sdk.chat.completions.create(**body)), media_type="text/event-stream")

    return app


async def _events(stream: Any) -> AsyncIterator[str]:
    async for chunk in stream:
        yield f"data: {chunk.model_dump_json()}\n\n"
    yield "data: [DONE]\n\n"


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    uvicorn.run(
        application(settings),
        host="127.0.0.1",
        port=settings["port"],
        ssl_certfile=settings["certificate"],
        ssl_keyfile=settings["key"],
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    main()
