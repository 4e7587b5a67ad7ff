"""The ways to a database: an SSH server whose key is known, and proxies; all end at a real PostgreSQL."""

import secrets
import ssl
from pathlib import Path
from typing import Any

import pytest

from smarter_crds.connection_config import CredentialsConfig, TlsConfig
from smarter_crds.sql_config import SshTunnelConfig
from smarter_crds.tool_config import ProxyConfig
from support.postgresql import PostgreSQL, Role
from support.proxy_server import http_proxy, socks_proxy
from support.server_process import certificate
from support.sql_tools import connection, query, sql_tools
from support.ssh_server import SshServer

ONE = query("one", "select 1 as one, ssl from pg_stat_ssl where pid = pg_backend_pid()")
ANSWER = [{"one": 1, "ssl": True}]


@pytest.fixture
def reader(postgresql: PostgreSQL) -> Role:
    owner = postgresql.database()
    role = Role(f"reader_{secrets.token_hex(6)}", secrets.token_hex(12), owner.database)
    postgresql.sql(f"create role {role.username} login password '{role.password}'")
    return role


def tunnel(server: SshServer, folder: Path, **changes: Any) -> SshTunnelConfig:
    (folder / "key").write_text(server.private_key)
    whole = {
        "host": server.host,
        "port": server.port,
        "username": server.username,
        "private_key_file": "key",
        "known_hosts": server.known_hosts,
    }
    return SshTunnelConfig.model_validate(whole | changes)


async def test_a_database_behind_an_ssh_server_is_asked(
    postgresql: PostgreSQL, ssh_server: SshServer, reader: Role, tmp_path: Path
) -> None:
    asked = connection(postgresql, reader, tmp_path, ssh_tunnel=tunnel(ssh_server, tmp_path))
    async with sql_tools(asked, tmp_path, ONE) as tools:
        for _ in range(3):
            assert await tools.rows("one") == ANSWER
        assert await tools.look() == ()


async def test_what_is_behind_an_ssh_server_need_not_be_allowed_but_the_server_itself(
    postgresql: PostgreSQL, ssh_server: SshServer, reader: Role, tmp_path: Path
) -> None:
    way = tunnel(ssh_server, tmp_path)
    only = connection(postgresql, reader, tmp_path, ssh_tunnel=way, allowed_cidrs=("127.0.0.1/32",))
    async with sql_tools(only, tmp_path, ONE) as tools:
        assert await tools.rows("one") == ANSWER
    nothing = connection(postgresql, reader, tmp_path, ssh_tunnel=way, allowed_cidrs=())
    async with sql_tools(nothing, tmp_path, ONE) as tools:
        [problem] = await tools.look()
        assert problem.reason == "AddressRefused"
        assert "The SSH server 127.0.0.1" in problem.message


OTHER_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKgyTw5xkBhbkKzB8JvDvyqV0xRW1vYp7mKzDcJkQ0fB"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"known_hosts": "[127.0.0.1]:{port} " + OTHER_KEY}, "HostKeyRefused", id="another-key"),
        pytest.param({"known_hosts": "elsewhere.example " + OTHER_KEY}, "HostKeyRefused", id="unknown-host"),
        pytest.param({"known_hosts": "[127.0.0.1]:{port} no key"}, "HostKeyRefused", id="no-key"),
        pytest.param({"username": "stranger"}, "LoginRefused", id="another-user"),
        pytest.param({"private_key_file": "ca"}, "SecretMissing", id="no-private-key"),
        pytest.param({"port": 1}, "Unreachable", id="nobody-listens"),
    ],
)
async def test_an_ssh_server_that_is_not_what_it_should_be_is_a_problem(
    postgresql: PostgreSQL, ssh_server: SshServer, reader: Role, tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    if "known_hosts" in changes:
        changes = {"known_hosts": changes["known_hosts"].format(port=ssh_server.port)}
    asked = connection(postgresql, reader, tmp_path, ssh_tunnel=tunnel(ssh_server, tmp_path, **changes))
    async with sql_tools(asked, tmp_path, ONE) as tools:
        assert await tools.failure("one") == "The database of this tool cannot be reached at the moment."
        assert [problem.reason for problem in await tools.look()] == [reason]


async def test_a_database_that_the_ssh_server_cannot_reach_is_a_problem(
    postgresql: PostgreSQL, ssh_server: SshServer, reader: Role, tmp_path: Path
) -> None:
    asked = connection(postgresql, reader, tmp_path, ssh_tunnel=tunnel(ssh_server, tmp_path), port=1)
    async with sql_tools(asked, tmp_path, ONE) as tools:
        [problem] = await tools.look()
        assert (problem.reason, "gets no connection to localhost" in problem.message) == ("Unreachable", True)


async def test_a_tunnel_that_breaks_is_made_again(
    postgresql: PostgreSQL, ssh_server: SshServer, reader: Role, tmp_path: Path
) -> None:
    asked = connection(postgresql, reader, tmp_path, ssh_tunnel=tunnel(ssh_server, tmp_path))
    async with sql_tools(asked, tmp_path, ONE) as tools:
        assert await tools.rows("one") == ANSWER
        ssh_server.stop()
        try:
            assert [problem.reason for problem in await tools.look()] == ["Unreachable"]
        finally:
            ssh_server.process.start()
        assert await tools.rows("one") == ANSWER
        assert tools.problems() == ()


@pytest.mark.parametrize("credentials", [None, ("ada", "pr0xy-pass")], ids=["open", "with-a-password"])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_database_behind_a_proxy_is_asked(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path, scheme: str, credentials: tuple[str, str] | None
) -> None:
    make = http_proxy if scheme == "http" else socks_proxy
    async with make(credentials) as proxy:
        (tmp_path / "proxy-user").write_text("ada")
        (tmp_path / "proxy-password").write_text("pr0xy-pass")
        who = CredentialsConfig(username_file="proxy-user", password_file="proxy-password") if credentials else None
        way = ProxyConfig(url=f"{scheme}://127.0.0.1:{proxy.port}", credentials=who)
        async with sql_tools(connection(postgresql, reader, tmp_path, proxy=way), tmp_path, ONE) as tools:
            assert await tools.rows("one") == ANSWER
        assert set(proxy.asked) == {("localhost", postgresql.port)}


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_refuses_is_a_problem_that_tells_no_secret(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path, scheme: str
) -> None:
    make = http_proxy if scheme == "http" else socks_proxy
    async with make(("ada", "right")) as proxy:
        (tmp_path / "proxy-user").write_text("ada")
        (tmp_path / "proxy-password").write_text("wr0ng")
        who = CredentialsConfig(username_file="proxy-user", password_file="proxy-password")
        way = ProxyConfig(url=f"{scheme}://127.0.0.1:{proxy.port}", credentials=who)
        async with sql_tools(connection(postgresql, reader, tmp_path, proxy=way), tmp_path, ONE) as tools:
            [problem] = await tools.look()
            assert problem.reason == "ProxyRefused"
            assert "wr0ng" not in problem.message
        assert proxy.asked == [] and proxy.refused > 0


async def test_the_address_of_a_proxy_must_be_allowed(postgresql: PostgreSQL, reader: Role, tmp_path: Path) -> None:
    async with http_proxy() as proxy:
        way = ProxyConfig(url=f"http://127.0.0.1:{proxy.port}")
        asked = connection(postgresql, reader, tmp_path, proxy=way, allowed_cidrs=())
        async with sql_tools(asked, tmp_path, ONE) as tools:
            [problem] = await tools.look()
            assert problem.reason == "AddressRefused"
        assert proxy.asked == []


async def test_the_name_behind_a_proxy_is_found_there_and_its_certificate_must_be_for_it(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path
) -> None:
    async with http_proxy(names={"db.inside": "127.0.0.1"}) as proxy:
        way = ProxyConfig(url=f"http://127.0.0.1:{proxy.port}")
        asked = connection(postgresql, reader, tmp_path, proxy=way, host="db.inside")
        async with sql_tools(asked, tmp_path, ONE) as tools:
            [problem] = await tools.look()
            assert problem.reason == "CertificateRefused"
            assert "db.inside" in problem.message
        unchecked = TlsConfig(mode="VerifyCA", ca_file="ca")
        asked = connection(postgresql, reader, tmp_path, proxy=way, host="db.inside", tls=unchecked)
        async with sql_tools(asked, tmp_path, ONE) as tools:
            assert await tools.rows("one") == ANSWER


async def test_a_proxy_over_tls_must_show_a_certificate_that_the_system_trusts(
    postgresql: PostgreSQL, reader: Role, tmp_path: Path
) -> None:
    pair, _ = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    async with http_proxy(tls=context) as proxy:
        way = ProxyConfig(url=f"https://localhost:{proxy.port}")
        async with sql_tools(connection(postgresql, reader, tmp_path, proxy=way), tmp_path, ONE) as tools:
            [problem] = await tools.look()
            assert problem.reason == "CertificateRefused"
        assert proxy.asked == []
