"""Providers with certificates of a private authority."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from runtime.support import ScriptedProvider, config, running, says
from smarter_cluster.pki import Authority, Subject
from smarter_crds.runtime_config import ProviderConfig


@asynccontextmanager
async def tls_provider(authority: Authority, answers: int) -> AsyncIterator[ScriptedProvider]:
    provider = ScriptedProvider(replies=[says("ok") for _ in range(answers)])
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    pair = authority.issue("llm", Subject(name="llm", hosts=("127.0.0.1",)))
    context.load_cert_chain(pair.certificate, pair.key)
    app = web.Application()
    app.router.add_post("/v1/chat/completions", provider.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    provider.url = f"https://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield provider
    finally:
        await runner.cleanup()


def settings(provider: ScriptedProvider, ca_file: str) -> dict[str, ProviderConfig]:
    return provider.config(ca_file=ca_file)


async def test_only_the_named_authority_is_trusted_and_a_new_one_at_once(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    (tmp_path / "theirs").mkdir()
    ours, theirs = Authority(tmp_path / "ours", "ours"), Authority(tmp_path / "theirs", "theirs")
    file = tmp_path / "secrets" / "ca"
    file.parent.mkdir()
    async with (
        tls_provider(ours, 1) as provider,
        running(tmp_path, config(providers=settings(provider, "ca"))) as bot,
    ):
        missing = (await bot.status())["problems"][0]
        assert (missing["reason"], "`ca`" in missing["message"]) == ("SecretMissing", True)
        assert (await (await bot.chat("hi")).json())["error"]["code"] == "provider_key_missing"
        file.write_text("no certificate")
        assert (await (await bot.chat("hi")).json())["error"]["code"] == "provider_key_missing"
        assert "no certificates" in (await bot.status())["problems"][0]["message"]
        file.write_text(theirs.pair.certificate.read_text() * 2)
        assert (await (await bot.chat("hi")).json())["error"]["code"] == "provider_unavailable"
        assert provider.bodies == []
        file.write_text(ours.pair.certificate.read_text())
        assert (await bot.chat("hi")).status == 200
        assert (await bot.status())["problems"] == []


async def test_without_one_the_systems_are_trusted(tmp_path: Path) -> None:
    authority = Authority(tmp_path, "ours")
    async with (
        tls_provider(authority, 1) as provider,
        running(tmp_path, config(providers=settings(provider, ""))) as bot,
    ):
        assert (await (await bot.chat("hi")).json())["error"]["code"] == "provider_unavailable"
    assert provider.bodies == []
