"""Sends one request over the way of a connection, once, and reads the answer whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from smarter_crds.api_config import ApiConnectionConfig
from smarter_runtime.models.failures import pause
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.tools.api.bodies import ACCEPTED, body
from smarter_runtime.tools.api.faults import call_fault
from smarter_runtime.tools.api.way import Way


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    media_type: str
    charset: str
    body: bytes
    retry_after: float | None = None


class Transport:
    """Leads to the servers of one connection."""

    def __init__(self, config: ApiConnectionConfig, files: SecretFiles) -> None:
        self._way = Way(config, files)
        self._timeout = aiohttp.ClientTimeout(total=None, sock_connect=config.connect_timeout_seconds)

    async def send(self, method: str, url: URL, headers: Mapping[str, str], data: Any, at_most: int) -> Answer:
        """Return the answer, whatever its status; a redirect is not followed.

        Raises:
            SecretMissing: when a Secret that the way needs has nothing that can be used.
            ApiFault: when there is no answer.
            TooLarge: when its body has more than `at_most` bytes.
        """
        leg = await self._way.leg(url)
        sent = {**headers, **leg.headers, "Accept-Encoding": ACCEPTED, "User-Agent": "Smarter"}
        try:
            async with (
                leg.dialer.session() as session,
                session.request(
                    method,
                    url,
                    headers=sent,
                    data=data,
                    timeout=self._timeout,
                    allow_redirects=False,
                    auto_decompress=False,
                    proxy=leg.proxy,
                    proxy_headers=dict(leg.proxy_headers),
                    middlewares=(_only_once,),
                ) as response,
            ):
                return Answer(
                    status=response.status,
                    media_type=response.content_type.lower(),
                    charset=response.charset or "utf-8",
                    body=await body(response, at_most),
                    retry_after=pause(response.headers),
                )
        except _Lost as lost:
            raise call_fault(lost.error, self._way.place(url, lost.error)) from lost.error
        except (aiohttp.ClientError, OSError) as error:
            raise call_fault(error, self._way.place(url, error)) from error

    async def retire(self) -> None:
        await self._way.retire()

    async def close(self) -> None:
        await self._way.close()


class _Lost(Exception):
    """Carries an error past the client, which else would send some requests a second time by itself."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


async def _only_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientError, OSError) as error:
        raise _Lost(error) from error
