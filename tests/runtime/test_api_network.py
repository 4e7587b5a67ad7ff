"""Which servers an API tool reaches, and over which way: TLS, proxies, and the addresses that are never dialled."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from runtime.api_server import ApiServer, answers, api, auth, calling, hangs_up, plugin, server_tls
from smarter_cluster.pki import Authority
from smarter_crds.addresses import networks
from smarter_crds.connection_config import CredentialsConfig
from smarter_crds.tool_config import ProxyConfig
from smarter_runtime.tools.api import client
from smarter_runtime.tools.api.literals import may_be_named
from support.forward_proxy import http_proxy, socks_proxy

UNAVAILABLE = "The API of this tool cannot be reached at the moment."
PROXY_USER = CredentialsConfig(username_file="proxy-user", password_file="proxy-password")


def authority(folder: Path, name: str) -> Authority:
    (folder / name).mkdir()
    return Authority(folder / name, name)


def write_proxy_user(secrets: Path, password: str = "pr0xy-secret") -> None:
    (secrets / "proxy-user").write_text("bots")
    (secrets / "proxy-password").write_text(password)


async def test_only_the_named_authority_is_trusted_and_a_new_one_at_once(tmp_path: Path) -> None:
    ours, theirs = authority(tmp_path, "ours"), authority(tmp_path, "theirs")
    file = tmp_path / "ca"
    async with (
        api(tls=server_tls(ours)) as server,
        calling(plugin(), server.connection(ca_file="ca"), tmp_path) as call,
    ):
        assert [reason for reason, _ in call.problems()] == ["SecretMissing"]
        for text, reason in (
            ("no certificate", "SecretMissing"),
            (theirs.pair.certificate.read_text(), "CertificateRefused"),
        ):
            file.write_text(text)
            assert (await call()).content == UNAVAILABLE
            assert [reason for reason, _ in call.problems()] == [reason]
        assert "self-signed certificate" in call.problems()[0][1] or "issuer" in call.problems()[0][1]
        assert server.seen == []
        file.write_text(ours.pair.certificate.read_text())
        assert not (await call()).is_error
        assert call.problems() == []


async def test_a_certificate_for_another_host_is_refused(tmp_path: Path) -> None:
    ours = authority(tmp_path, "ours")
    (tmp_path / "ca").write_text(ours.pair.certificate.read_text())
    async with (
        api(tls=server_tls(ours, "erp.acme.example")) as server,
        calling(plugin(), server.connection(ca_file="ca"), tmp_path) as call,
    ):
        assert (await call()).content == UNAVAILABLE
        assert [reason for reason, _ in call.problems()] == ["CertificateRefused"]
    assert server.seen == []


async def test_a_server_without_tls_is_said_to_speak_none(tmp_path: Path) -> None:
    async with api() as server:
        connection = server.connection(base_url=server.url.replace("http:", "https:"))
        async with calling(plugin(), connection, tmp_path) as call:
            assert (await call()).content == UNAVAILABLE
            assert [reason for reason, _ in call.problems()] == ["EncryptionFailed"]


async def test_a_server_that_is_not_there_is_a_problem_until_it_is_back(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        connection = ApiServer([], f"http://127.0.0.1:{port}").connection()
        async with calling(plugin(timeout_seconds=1), connection, tmp_path) as call:
            assert (await call()).content == UNAVAILABLE
            [(reason, message)] = call.problems()
    assert reason == "Unreachable"
    assert message.startswith(f"ApiConnection 'erp': The server 127.0.0.1:{port} cannot be reached: ")


async def test_it_is_noticed_that_a_server_is_back_although_nobody_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "FIRST_LOOK_SECONDS", 0.05)
    key = auth("Bearer", secret_file="token")
    (tmp_path / "token").write_text("very-secret")
    async with (
        api(hangs_up, hangs_up, hangs_up, hangs_up, answers({}, status=404)) as server,
        calling(plugin(timeout_seconds=5), server.connection(auth=key), tmp_path) as call,
    ):
        assert (await call()).content == UNAVAILABLE
        assert [reason for reason, _ in call.problems()] == ["Unreachable"]
        while call.problems():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    asked = [each for each in server.seen if each.method == "HEAD"]
    assert [each.headers.get("authorization") for each in asked] == [None, None]
    assert {each.headers.get("authorization") for each in server.seen if each not in asked} == {"Bearer very-secret"}


async def test_a_name_that_does_not_exist_is_said_to_be_wrong(tmp_path: Path) -> None:
    connection = ApiServer([], "http://erp.invalid").connection()
    async with calling(plugin(timeout_seconds=1), connection, tmp_path) as call:
        assert (await call()).content == UNAVAILABLE
        assert call.problems() == [
            ("Unreachable", "ApiConnection 'erp': The server erp.invalid cannot be found in DNS; correct the name.")
        ]


HOSTS = [
    pytest.param("127.0.0.1", id="literal"),
    pytest.param("2130706433", id="decimal"),
    pytest.param("0177.0.0.1", id="octal"),
    pytest.param("0x7f.1", id="hexadecimal"),
    pytest.param("127.1", id="short"),
    pytest.param("localhost", id="name"),
    pytest.param("[::1]", id="ipv6"),
    pytest.param("[::ffff:127.0.0.1]", id="mapped"),
    pytest.param("[64:ff9b::7f00:1]", id="nat64"),
    pytest.param("0.0.0.0", id="any"),
    pytest.param("169.254.169.254", id="metadata"),
    pytest.param("[fd00:ec2::254]", id="metadata-of-ipv6"),
]


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("place", ["base_url", "token_url", "http", "socks5"])
async def test_no_packet_leaves_for_a_refused_address(tmp_path: Path, host: str, place: str) -> None:
    (tmp_path / "secret").write_text("s3cret")
    connected = asyncio.Event()

    async def noticed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected.set()
        writer.close()

    listener = await asyncio.start_server(noticed, host="127.0.0.1", port=0, family=socket.AF_INET)
    port = listener.sockets[0].getsockname()[1]
    outside = {"name": "erp", "base_url": "http://erp.invalid", "allowed_cidrs": ()}
    changes: dict[str, dict[str, Any]] = {
        "base_url": {"base_url": f"http://{host}:{port}"},
        "token_url": {
            "auth": auth(
                "OAuth2ClientCredentials", token_url=f"http://{host}:{port}", secret_file="secret", client_id="a"
            )
        },
        "http": {"proxy": ProxyConfig(url=f"http://{host}:{port}")},
        "socks5": {"proxy": ProxyConfig(url=f"socks5://{host}:{port}")},
    }
    connection = ApiServer([]).connection(**outside | changes[place])
    async with listener, calling(plugin(timeout_seconds=2), connection, tmp_path) as call:
        assert (await call()).content == UNAVAILABLE
        assert not connected.is_set()
        assert [reason for reason, _ in call.problems()] == ["AddressRefused"]


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.2", "2130706434", "0177.0.0.2", "0x7f.2", "127.2", "[::1]", "[::ffff:127.0.0.2]", "[64:ff9b::7f00:2]",
        "0.0.0.0", "169.254.169.254", "[fd00:ec2::254]", "10.0.0.7",
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["http", "socks5"])
async def test_a_proxy_is_not_told_to_dial_what_we_may_not(tmp_path: Path, host: str, kind: str) -> None:
    async with http_proxy() if kind == "http" else socks_proxy() as proxy:
        connection = ApiServer([]).connection(
            base_url=f"http://{host}:8080", proxy=ProxyConfig(url=proxy.url), allowed_cidrs=("127.0.0.1/32",)
        )
        async with calling(plugin(timeout_seconds=2), connection, tmp_path) as call:
            assert (await call()).content == UNAVAILABLE
            assert [reason for reason, _ in call.problems()] == ["AddressRefused"]
        assert proxy.asked == []


@pytest.mark.parametrize("host", ["erp.acme.example", "8.8.8.8", "134744072", "127.acme.example"])
def test_names_and_public_numbers_may_be_named_to_a_proxy(host: str) -> None:
    assert may_be_named(host, ())


def test_an_allowed_number_may_be_named_to_a_proxy_but_no_metadata_service() -> None:
    assert may_be_named("10.1.2.3", networks(["10.0.0.0/8"]))
    assert not may_be_named("2852039166", networks(["0.0.0.0/0"]))


class Changing:
    """Stands for DNS that gives other addresses each time it is asked."""

    def __init__(self, *answers: tuple[str, ...]) -> None:
        self.answers = list(answers)

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> list[Any]:
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self.answers.pop(0)
        ]


@pytest.mark.parametrize("address", ["127.0.0.2", "169.254.169.254", "::1", "::ffff:127.0.0.2", "64:ff9b::7f00:2"])
async def test_the_address_that_is_checked_is_the_one_that_is_dialled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    (tmp_path / "ca").write_text(authority(tmp_path, "ours").pair.certificate.read_text())
    async with api() as server:
        port = server.url.rpartition(":")[2]
        dns = Changing(("127.0.0.1",), (address,), (address, "127.0.0.1"))
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", dns.getaddrinfo)
        connection = server.connection(
            base_url=f"http://erp.example:{port}", allowed_cidrs=("127.0.0.1/32",), ca_file="ca"
        )
        async with calling(plugin(), connection, tmp_path) as call:
            # Whoever asks DNS once for the check and once more for the connection gets the second answer now.
            assert not (await call()).is_error
            assert len(dns.answers) == 2
            # Another authority needs other connections, and these another look at DNS.
            (tmp_path / "ca").write_text(authority(tmp_path, "theirs").pair.certificate.read_text())
            assert (await call()).content == UNAVAILABLE
            assert [reason for reason, _ in call.problems()] == ["AddressRefused"]
            (tmp_path / "ca").write_text(authority(tmp_path, "others").pair.certificate.read_text())
            assert not (await call()).is_error
    assert len(server.seen) == 2


async def test_a_redirect_is_not_followed_and_the_credentials_stay_here(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret-of-the-shop")
    async with api() as other, api(answers({}, 307, Location=f"{other.url}/steal")) as server:
        connection = server.connection(auth=auth("Bearer", secret_file="secret"))
        async with calling(plugin(), connection, tmp_path) as call:
            assert (await call()).content == "The API answered with a redirect (307), which is not followed."
    assert other.seen == []


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("user", ["", "bots"])
async def test_an_api_is_reached_through_a_proxy(tmp_path: Path, kind: str, scheme: str, user: str) -> None:
    ours = authority(tmp_path, "ours")
    (tmp_path / "ca").write_text(ours.pair.certificate.read_text())
    write_proxy_user(tmp_path)
    password = "pr0xy-secret" if user else ""
    tls = server_tls(ours, "erp.acme.example")
    made = socks_proxy(user, password) if kind == "socks5" else http_proxy(user, password, tls=_tls(kind, ours))
    async with made as proxy, api(tls=tls if scheme == "https" else None) as server:
        # A name that only the network behind the proxy knows.
        proxy.names["erp.acme.example"] = "127.0.0.1"
        port = server.url.rpartition(":")[2]
        connection = server.connection(
            base_url=f"{scheme}://erp.acme.example:{port}",
            ca_file="ca",
            proxy=ProxyConfig(url=proxy.url, credentials=PROXY_USER if user else None),
        )
        async with calling(plugin(), connection, tmp_path) as call:
            for _ in range(2):
                assert not (await call()).is_error, call.problems()
    assert proxy.refused == 0
    assert all(f"erp.acme.example:{port}" in asked for asked in proxy.asked)
    assert [seen.target for seen in server.seen] == ["/orders", "/orders"]
    assert all("proxy-authorization" not in seen.headers for seen in server.seen)


def _tls(kind: str, ours: Authority) -> Any:
    return server_tls(ours, "127.0.0.1") if kind == "https" else None


@pytest.mark.parametrize("kind", ["http", "socks5"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_lets_nobody_in_is_a_problem_and_new_credentials_help(
    tmp_path: Path, kind: str, scheme: str
) -> None:
    ours = authority(tmp_path, "ours")
    (tmp_path / "ca").write_text(ours.pair.certificate.read_text())
    write_proxy_user(tmp_path, "wrong-s3cret")
    made = socks_proxy("bots", "right-s3cret") if kind == "socks5" else http_proxy("bots", "right-s3cret")
    async with made as proxy, api(tls=server_tls(ours) if scheme == "https" else None) as server:
        connection = server.connection(ca_file="ca", proxy=ProxyConfig(url=proxy.url, credentials=PROXY_USER))
        async with calling(plugin(timeout_seconds=2), connection, tmp_path) as call:
            assert (await call()).content == UNAVAILABLE
            [(reason, message)] = call.problems()
            assert reason == "ProxyRefused"
            assert "s3cret" not in message
            assert server.seen == []
            write_proxy_user(tmp_path, "right-s3cret")
            assert not (await call()).is_error
            assert call.problems() == []


async def test_a_proxy_that_is_not_there_is_named(tmp_path: Path) -> None:
    connection = ApiServer([], "https://erp.acme.example").connection(proxy=ProxyConfig(url="http://127.0.0.1:1"))
    async with calling(plugin(timeout_seconds=1), connection, tmp_path) as call:
        assert (await call()).content == UNAVAILABLE
        [(reason, message)] = call.problems()
    assert (reason, message.startswith("ApiConnection 'erp': The proxy 127.0.0.1:1 cannot be reached")) == (
        "Unreachable",
        True,
    )
