"""A site that vouches for its people: signs tokens, and serves its public keys on loopback."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from smarter_crds.access_config import AccessConfig, IdentityConfig

URL = "https://shop.example"
AUDIENCE = "support-bot"
Jwk = dict[str, Any]


@cache
def rsa_key(bits: int = 2048, number: int = 0) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@cache
def private_key(algorithm: str) -> Any:
    if algorithm.startswith("ES"):
        return ec.generate_private_key({"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1()}[algorithm])
    return ed25519.Ed25519PrivateKey.generate() if algorithm == "EdDSA" else rsa_key()


def public_jwk(key: Any, kid: str = "one", **members: Any) -> Jwk:
    kinds: dict[str, Any] = {"RSAPrivateKey": RSAAlgorithm, "Ed25519PrivateKey": OKPAlgorithm}
    written: Jwk = json.loads(kinds.get(type(key).__name__, ECAlgorithm).to_jwk(key.public_key()))
    return {name: value for name, value in written.items() if name != "key_ops"} | {"kid": kid} | members


def claims(**changes: Any) -> dict[str, Any]:
    """Return what a token says; a change to `None` leaves a claim out."""
    now = int(time.time())
    whole = {"iss": URL, "aud": AUDIENCE, "sub": "ada", "exp": now + 600, "iat": now} | changes
    return {name: value for name, value in whole.items() if value is not None}


def token(algorithm: str = "RS256", key: Any = None, kid: str | None = "one", **changes: Any) -> str:
    headers = {"kid": kid} if kid else {}
    return jwt.encode(claims(**changes), key or private_key(algorithm), algorithm, headers=headers)


@dataclass
class Issuer:
    """The server with the keys."""

    url: str = ""
    keys: list[Jwk] = field(default_factory=list)
    document: bytes | None = None
    """Served in place of the keys."""
    status: int = 200
    asked: int = 0

    def config(self, **changes: Any) -> IdentityConfig:
        whole = {"issuer": URL, "jwks_url": self.url, "audience": AUDIENCE, "allowed_cidrs": ("127.0.0.0/8",)}
        return IdentityConfig(**whole | changes)

    def access(self, **changes: Any) -> AccessConfig:
        return AccessConfig(**{"identity": self.config()} | changes)

    async def handle(self, request: web.Request) -> web.Response:
        self.asked += 1
        body = json.dumps({"keys": self.keys}).encode() if self.document is None else self.document
        headers = {"Location": self.url} if self.status == 302 else {}
        return web.Response(status=self.status, body=body, headers=headers, content_type="application/json")


@asynccontextmanager
async def issuing(*keys: Jwk) -> AsyncIterator[Issuer]:
    issuer = Issuer(keys=list(keys) or [public_jwk(rsa_key())])
    app = web.Application()
    app.router.add_get("/jwks.json", issuer.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/jwks.json"
    try:
        yield issuer
    finally:
        await runner.cleanup()
