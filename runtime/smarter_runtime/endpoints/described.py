"""The descriptions of the two APIs, for programs that make clients of them."""

import orjson
from fastapi import Request, Response

from smarter_runtime import services as parts


async def openapi(request: Request) -> Response:
    # Imported here, as below: hardly anybody asks.
    from smarter_runtime.openapi import description

    return _json(description(parts.of(request).bot().config))


async def status_openapi(request: Request) -> Response:
    from smarter_runtime.openapi import status_description

    return _json(status_description(parts.of(request).bot().config))


def _json(described: object) -> Response:
    body = orjson.dumps(described)
    return Response(body, media_type="application/json", headers={"Cache-Control": "no-cache"})
