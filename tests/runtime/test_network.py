"""Which addresses are dialled: the table of forms, and the very connection."""

import asyncio
import socket
from pathlib import Path

import pytest

from runtime.support import config, played, refuses, running, says
from smarter_crds.addresses import may_be_dialled, networks
from smarter_crds.runtime_config import ProviderConfig


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.1.1",
        "169.254.169.254", "100.100.100.200", "168.63.129.16", "192.0.0.192", "198.18.0.1", "224.0.0.1", "240.0.0.1",
        "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "fec0::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::10.0.0.1",
        "64:ff9b::169.254.169.254", "64:ff9b:1::127.0.0.1", "2002:7f00:1::", "2002:a00:1::", "fd00:ec2::254",
        "2001:db8::1",
    ],
)  # fmt: skip
def test_what_is_not_public_is_refused(address: str) -> None:
    assert not may_be_dialled(address, ())


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"])
def test_what_is_public_is_dialled(address: str) -> None:
    assert may_be_dialled(address, ())


@pytest.mark.parametrize(
    ("address", "cidr", "allowed"),
    [
        pytest.param("10.1.2.3", "10.0.0.0/8", True, id="private"),
        pytest.param("10.1.2.3", "10.2.0.0/16", False, id="another-private-network"),
        pytest.param("127.0.0.1", "127.0.0.0/8", True, id="loopback"),
        pytest.param("::ffff:10.1.2.3", "10.0.0.0/8", True, id="mapped"),
        pytest.param("64:ff9b::10.1.2.3", "10.0.0.0/8", True, id="nat64"),
        pytest.param("fd12::5", "fd12::/16", True, id="unique-local"),
        pytest.param("169.254.169.254", "169.254.0.0/16", False, id="metadata-never"),
        pytest.param("::ffff:169.254.169.254", "::/0", False, id="mapped-metadata-never"),
        pytest.param("64:ff9b::169.254.169.254", "64:ff9b::/96", False, id="translated-metadata-never"),
        pytest.param("fd00:ec2::254", "fd00::/8", False, id="metadata-of-ipv6-never"),
        pytest.param("100.100.100.200", "0.0.0.0/0", False, id="metadata-in-cgnat-never"),
    ],
)
def test_allowed_networks_open_all_but_metadata(address: str, cidr: str, allowed: bool) -> None:
    assert may_be_dialled(address, networks([cidr])) is allowed


@pytest.mark.parametrize(
    "host",
    [
        pytest.param("127.0.0.1", id="literal"),
        pytest.param("2130706433", id="decimal"),
        pytest.param("0177.0.0.1", id="octal"),
        pytest.param("0x7f.1", id="hexadecimal"),
        pytest.param("127.1", id="short"),
        pytest.param("localhost", id="name"),
        pytest.param("[::ffff:127.0.0.1]", id="mapped"),
        pytest.param("0.0.0.0", id="any"),
    ],
)
async def test_no_packet_leaves_for_a_refused_address(tmp_path: Path, host: str) -> None:
    connected = asyncio.Event()

    async def noticed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        writer.close()

    listener = await asyncio.start_server(noticed, host="127.0.0.1", port=0, family=socket.AF_INET)
    port = listener.sockets[0].getsockname()[1]
    provider = ProviderConfig(name="main", type="OpenAICompatible", base_url=f"http://{host}:{port}/v1")
    async with listener, running(tmp_path, config(providers={"main": provider})) as bot:
        response = await bot.chat("hi")
        error = (await response.json())["error"]
        assert not connected.is_set()
    assert (response.status, error["code"]) == (502, "provider_address_refused")
    assert "127" not in error["message"]


async def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    async with played(tmp_path, says("secret of the other place")) as (other, provider):
        redirect = refuses(307, headers={"Location": f"{provider.url}/chat/completions"})
        async with played(tmp_path / "b", redirect) as (bot, _):
            assert (await bot.chat("hi")).status == 502
        assert provider.bodies == []
        assert (await other.chat("hi")).status == 200
