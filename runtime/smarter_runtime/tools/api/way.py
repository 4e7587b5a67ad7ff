"""The way to the servers of one connection: whom to trust, which proxy to use, made anew when a Secret changes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from smarter_crds.addresses import networks
from smarter_crds.api_config import ApiConnectionConfig
from smarter_runtime.models.dialer import Dialer
from smarter_runtime.secret_files import SecretFiles, SecretMissing
from smarter_runtime.tools.api.credentials import basic
from smarter_runtime.tools.api.faults import ApiFault
from smarter_runtime.tools.api.literals import may_be_named

SOCKS_PORT = 1080


@dataclass(frozen=True, slots=True)
class Leg:
    """What one request needs to be sent."""

    dialer: Dialer
    proxy: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """What goes to the proxy within the request itself."""
    proxy_headers: Mapping[str, str] = field(default_factory=dict)
    """What goes to the proxy alone."""


class Way:
    """Keeps the connections. Those that were made with an old Secret are closed when nobody uses them any more."""

    def __init__(self, config: ApiConnectionConfig, files: SecretFiles) -> None:
        self._config, self._files = config, files
        self._allowed = networks(config.allowed_cidrs)
        self._dialer: Dialer | None = None
        self._made_of: tuple[str, str, str] | None = None

    async def leg(self, url: URL) -> Leg:
        """Return what a request to `url` needs.

        Raises:
            SecretMissing: when a Secret has nothing that can be used.
            ApiFault: when a proxy would have to dial an address that we may not.
        """
        user, password = self._credentials()
        dialer = await self._ready(user, password)
        if self._config.proxy is None:
            return Leg(dialer)
        if not may_be_named(url.host or "", self._allowed):
            text = f"The address {url.host} is not public; name its network in `spec.allowedCIDRs`."
            raise ApiFault("AddressRefused", text)
        if self._config.proxy.url.startswith("socks5:"):
            return Leg(dialer)
        secret = {"Proxy-Authorization": basic(user, password)} if user else {}
        is_tunnelled = url.scheme == "https"
        return Leg(dialer, self._config.proxy.url, {} if is_tunnelled else secret, secret if is_tunnelled else {})

    def place(self, url: URL, error: Exception) -> str:
        """Return whom an error on the way to `url` is about."""
        if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientHttpProxyError) and self._config.proxy:
            return f"the proxy {urlsplit(self._config.proxy.url).netloc}"
        return f"the server {url.host}" + (f":{url.explicit_port}" if url.explicit_port else "")

    async def retire(self) -> None:
        if self._dialer is not None:
            await self._dialer.retire()

    async def close(self) -> None:
        if self._dialer is not None:
            await self._dialer.close()

    def _credentials(self) -> tuple[str, str]:
        proxy = self._config.proxy
        if proxy is None or proxy.credentials is None:
            return "", ""
        return self._files.text(proxy.credentials.username_file), self._files.text(proxy.credentials.password_file)

    async def _ready(self, user: str, password: str) -> Dialer:
        authorities = self._files.text(self._config.ca_file) if self._config.ca_file else ""
        made_of, old = (authorities, user, password), self._dialer
        if old is not None and self._made_of == made_of:
            return old
        try:
            dialer = self._dialer_of(authorities, user, password)
        except ValueError as error:
            raise SecretMissing(f"The file `{self._config.ca_file}` holds no certificates in PEM.") from error
        self._dialer, self._made_of = dialer, made_of
        if old is not None:
            await old.retire()
        return dialer

    def _dialer_of(self, authorities: str, user: str, password: str) -> Dialer:
        address = urlsplit(self._config.proxy.url) if self._config.proxy else None
        if address is None or address.scheme != "socks5":
            return Dialer(self._config.allowed_cidrs, authorities)
        # Imported here: few connections have such a proxy.
        from smarter_runtime.tools.api.socks import SocksProxy

        proxy = SocksProxy(
            host=address.hostname or "",
            port=address.port or SOCKS_PORT,
            allowed=self._allowed,
            user=user,
            password=password,
        )
        return Dialer(self._config.allowed_cidrs, authorities, proxy.connector)
