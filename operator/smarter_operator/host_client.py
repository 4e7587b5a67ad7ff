"""Asks the world about hosts: the resolver for addresses, and HTTPS at those addresses for who answers."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from pydantic import BaseModel, Field, ValidationError

from smarter_operator.findings import Answer

PATH = "/.well-known/smarter"
TIMEOUT_SECONDS = 10.0
LONGEST_ANSWER_BYTES = 4096

_NO_SUCH_NAME = (socket.EAI_NONAME, socket.EAI_NODATA)
_CERTIFICATE_IS_BAD = frozenset({9, 10, 62})
"""OpenSSL's verdicts `not yet valid`, `has expired` and `host name mismatch`; all others are about the authority."""


class HttpsHostClient:
    """Asks at `port`, without redirects and without a proxy; trusts what the system trusts."""

    def __init__(self, port: int, lookup: Callable[[str], Awaitable[Sequence[str]]] | None = None) -> None:
        self._port = port
        self._lookup = lookup or _lookup
        self._ssl = ssl.create_default_context()
        self._timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)

    async def resolve(self, host: str) -> tuple[str, ...] | None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                # The dot keeps the search domains of the operator's own pod out of it.
                return tuple(await self._lookup(f"{host}."))
        except socket.gaierror as error:
            return () if error.errno in _NO_SUCH_NAME else None
        except (OSError, TimeoutError):
            return None

    async def ask(self, host: str, addresses: Sequence[str]) -> Answer:
        connector = aiohttp.TCPConnector(resolver=_At(addresses), use_dns_cache=False, force_close=True, ssl=self._ssl)
        url = f"https://{host}:{self._port}{PATH}"
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=self._timeout) as session,
                session.get(url, allow_redirects=False) as response,
            ):
                return _read(response.status, await response.content.read(LONGEST_ANSWER_BYTES))
        except aiohttp.ClientConnectorCertificateError as error:
            code = getattr(error.certificate_error, "verify_code", 0)
            return Answer("BadCertificate" if code in _CERTIFICATE_IS_BAD else "Untrusted")
        except aiohttp.ClientResponseError:
            return Answer("Other")
        except (aiohttp.ClientError, OSError, TimeoutError):
            return Answer("NoConnection")


class _Identity(BaseModel):
    uid: str = Field(min_length=1, max_length=128)


class _At(AbstractResolver):
    """Leads every name to the given addresses: what was checked is what is dialled."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None: ...


async def _lookup(name: str) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def _read(status: int, body: bytes) -> Answer:
    if status != 200:
        return Answer("Other")
    try:
        return Answer("Identity", _Identity.model_validate_json(body).uid)
    except ValidationError:
        return Answer("Other")
