"""HTTPS to hosts of the local cluster: dialled at its address, verified by name against its authority."""

import ssl
from pathlib import Path

import httpx2


class _AtAddress(httpx2.AsyncHTTPTransport):
    """Dials one address whatever the host, for most resolvers do not know `*.localhost`."""

    def __init__(self, address: tuple[str, int], context: ssl.SSLContext) -> None:
        super().__init__(verify=context)
        self._address = address

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        host, port = self._address
        request.extensions["sni_hostname"] = request.url.host
        request.url = request.url.copy_with(host=host, port=port)
        return await super().handle_async_request(request)


def client_of(host: str, address: tuple[str, int], authority: Path) -> httpx2.AsyncClient:
    context = ssl.create_default_context(cafile=str(authority))
    return httpx2.AsyncClient(base_url=f"https://{host}", transport=_AtAddress(address, context), timeout=60)
