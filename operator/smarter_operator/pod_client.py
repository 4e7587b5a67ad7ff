"""Asks a pod's status port over plain HTTP inside the cluster's network."""

import aiohttp
from pydantic import ValidationError

from smarter_crds.runtime_config import RuntimeStatus

ASK_TIMEOUT_SECONDS = 2.0
LONGEST_ANSWER_BYTES = 256 * 1024


class HttpStatusClient:
    """Asks `GET http://<address>:<port>/status`."""

    def __init__(self, session: aiohttp.ClientSession, port: int) -> None:
        self._session = session
        self._port = port
        self._timeout = aiohttp.ClientTimeout(total=ASK_TIMEOUT_SECONDS)

    async def ask(self, address: str) -> RuntimeStatus | None:
        host = f"[{address}]" if ":" in address else address
        try:
            url = f"http://{host}:{self._port}/status"
            async with self._session.get(url, timeout=self._timeout, allow_redirects=False) as response:
                if response.status != 200:
                    return None
                return RuntimeStatus.model_validate_json(await response.content.read(LONGEST_ANSWER_BYTES))
        except (aiohttp.ClientError, TimeoutError, ValidationError):
            return None
