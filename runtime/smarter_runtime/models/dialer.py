"""The HTTP client for addresses that are checked: one pool of connections per set of allowed networks."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp

from smarter_crds.addresses import networks
from smarter_runtime.network import socket_factory

CONNECT_SECONDS = 10
IDLE_SECONDS = 60


class Dialer:
    """Lends connections. Retired, it closes when the last answer that uses it is done."""

    def __init__(
        self,
        allowed_cidrs: tuple[str, ...],
        authorities: str = "",
        connector: Callable[..., aiohttp.TCPConnector] = aiohttp.TCPConnector,
    ) -> None:
        """Take the authorities to trust, in PEM; none: the system's.

        Raises:
            ValueError: when the authorities are no PEM.
        """
        self._allowed = networks(allowed_cidrs)
        self._tls = _trusting(authorities) if authorities else True
        self._connector = connector
        self._session: aiohttp.ClientSession | None = None
        self._users = 0
        self._is_retired = False

    @asynccontextmanager
    async def session(self) -> AsyncIterator[aiohttp.ClientSession]:
        if self._session is None:
            self._session = self._open()
        self._users += 1
        try:
            yield self._session
        finally:
            self._users -= 1
            if self._is_retired and not self._users:
                await self.close()

    async def retire(self) -> None:
        self._is_retired = True
        if not self._users:
            await self.close()

    async def close(self) -> None:
        if self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def _open(self) -> aiohttp.ClientSession:
        connector = self._connector(
            limit=0, keepalive_timeout=IDLE_SECONDS, ssl=self._tls, socket_factory=socket_factory(self._allowed)
        )
        # Cookies of a provider have no place in the next visitor's request.
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())


def _trusting(authorities: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cadata=authorities)
    except ssl.SSLError as error:
        raise ValueError("the authorities are no PEM") from error
