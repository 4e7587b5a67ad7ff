"""Plugins of type Sql and their connections in a bot's config."""

from typing import Any

import pytest

from smarter_crds import Chatbot, Plugin, Provider, SqlConnection
from smarter_crds.compile import Compiled, Platform, Problem, References, SecretFile, compile_chatbot, parse
from smarter_crds.connection_config import CredentialsConfig, TlsConfig
from smarter_crds.sql_config import SqlConfig, SqlConnectionConfig, SshTunnelConfig
from smarter_crds.tool_config import ProxyConfig
from support.manifests import chatbot, plugin, provider
from support.samples import Manifest, changed, full

TUNNEL = {
    "host": "bastion.acme.example",
    "username": "bots",
    "privateKeySecret": {"name": "bastion", "key": "id"},
    "knownHosts": "bastion.acme.example ssh-ed25519 AAAA",
}


def connection(name: str = "shop", **spec: Any) -> Manifest:
    made = {"engine": "PostgreSQL", "host": "db.acme.example", "database": "shop"} | spec
    return {"kind": "SqlConnection", "metadata": {"name": name, "namespace": "acme"}, "spec": made}


def orders(query: str = "select 1", **sql: Any) -> Manifest:
    return plugin("orders", type="Sql", sql={"connectionRef": {"name": "shop"}, "query": query} | sql)


def compiled(tool: Manifest, *connections: Manifest) -> Compiled:
    read = {each["metadata"]["name"]: parse(SqlConnection, each) for each in connections}
    references = References(
        plugins={"orders": Plugin.model_validate(tool)},
        providers={"demo": Provider.model_validate(provider())},
        sql_connections=read,
    )
    return compile_chatbot(Chatbot.model_validate(chatbot(plugins=[{"name": "orders"}])), references, Platform())


def test_a_query_and_its_database_are_in_the_config() -> None:
    result = compiled(
        orders("select :a", parameters=[{"name": "a", "type": "String", "description": "A."}]), connection()
    )
    assert result.config is not None
    assert result.plugin_problems == () and result.secrets == ()
    assert result.config.plugins[0].sql == SqlConfig(connection="shop", query="select :a")
    assert [each.name for each in result.config.plugins[0].parameters] == ["a"]
    assert result.config.sql_connections == {
        "shop": SqlConnectionConfig(
            name="shop", engine="PostgreSQL", host="db.acme.example", port=5432, database="shop"
        )
    }


def test_everything_that_a_connection_says_is_in_the_config() -> None:
    manifest = changed(full("SqlConnection"), metadata__namespace="acme", spec__proxy=None)
    result = compiled(orders(maxRows=7, timeoutSeconds=9), manifest)
    ca = SecretFile("acme-ca", "ca.crt", "ca-of-sql-connection-shop")
    client = SecretFile("shop-client", "bundle.pem", "certificate-of-sql-connection-shop")
    password = SecretFile("shop-db", "password", "password-of-sql-connection-shop")
    ssh_key = SecretFile("bastion", "id_ed25519", "ssh-key-of-sql-connection-shop")
    user = SecretFile("shop-db", "user", "username-of-sql-connection-shop")
    assert result.config is not None
    assert result.config.plugins[0].sql == SqlConfig(connection="shop", query="select 1", max_rows=7, timeout_seconds=9)
    assert result.config.sql_connections["shop"] == SqlConnectionConfig(
        name="shop",
        engine="PostgreSQL",
        host="db.acme.example",
        port=5432,
        database="shop",
        credentials=CredentialsConfig(username_file=user.path, password_file=password.path),
        tls=TlsConfig(ca_file=ca.path, client_cert_file=client.path),
        ssh_tunnel=SshTunnelConfig(
            host="bastion.acme.example",
            username="bots",
            private_key_file=ssh_key.path,
            known_hosts="bastion.acme.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMk",
        ),
        allowed_cidrs=("10.0.0.0/8",),
    )
    assert set(result.secrets) == {ca, client, password, ssh_key, user}


def test_a_proxy_and_its_user_are_in_the_config() -> None:
    proxy = {"url": "http://proxy.acme.example:3128", "credentialsSecret": {"name": "proxy"}}
    result = compiled(orders(), connection(proxy=proxy))
    assert result.config is not None
    user = SecretFile("proxy", "username", "username-of-proxy-of-sql-connection-shop")
    password = SecretFile("proxy", "password", "password-of-proxy-of-sql-connection-shop")
    credentials = CredentialsConfig(username_file=user.path, password_file=password.path)
    expected = ProxyConfig(url="http://proxy.acme.example:3128", credentials=credentials)
    assert result.config.sql_connections["shop"].proxy == expected
    assert set(result.secrets) == {user, password}


@pytest.mark.parametrize(
    ("tls", "expected", "files"),
    [
        pytest.param({}, TlsConfig(), [], id="the-default-checks-everything"),
        pytest.param(
            {"mode": "Disabled", "caSecret": {"name": "ca", "key": "ca"}}, TlsConfig(mode="Disabled"), [], id="none"
        ),
        pytest.param(
            {"mode": "Required", "caSecret": {"name": "ca", "key": "ca"}},
            TlsConfig(mode="Required"),
            [],
            id="unchecked",
        ),
        pytest.param(
            {"mode": "VerifyCA", "clientCertSecret": {"name": "me"}},
            TlsConfig(
                mode="VerifyCA",
                client_cert_file=SecretFile("me", "tls.crt", "certificate-of-sql-connection-shop").path,
                client_key_file=SecretFile("me", "tls.key", "key-of-sql-connection-shop").path,
            ),
            ["tls.crt", "tls.key"],
            id="a-secret-of-type-tls",
        ),
    ],
)
def test_only_the_files_that_encryption_needs_are_mounted(
    tls: dict[str, Any], expected: TlsConfig, files: list[str]
) -> None:
    result = compiled(orders(), connection(tls=tls))
    assert result.config is not None
    assert result.config.sql_connections["shop"].tls == expected
    assert [file.key for file in result.secrets] == files


def test_a_file_needs_nothing_but_its_path() -> None:
    spec: dict[str, Any] = {
        "engine": "SQLite",
        "host": "ignored",
        "database": "/data/shop.db",
        "credentialsSecret": {"name": "x"},
    }
    result = compiled(orders(), connection(**spec))
    assert result.config is not None
    expected = SqlConnectionConfig(name="shop", engine="SQLite", database="/data/shop.db")
    assert result.config.sql_connections == {"shop": expected}
    assert result.secrets == ()


@pytest.mark.parametrize(
    ("tool", "found", "reason"),
    [
        pytest.param(orders(), [], "ConnectionNotFound", id="missing"),
        pytest.param(orders(), [connection(host="10.0.0.7")], "ConnectionNotAccepted", id="private"),
        pytest.param(orders(), [connection(engine="DB2")], "ConnectionNotAccepted", id="unreadable"),
        pytest.param(orders("delete from t"), [connection()], "PluginNotAccepted", id="a-statement-that-writes"),
        pytest.param(orders("select :a"), [connection()], "PluginNotAccepted", id="undeclared"),
        pytest.param(
            orders(),
            [connection(engine="SQLServer", tls={"mode": "Required"})],
            "ConnectionNotAccepted",
            id="unchecked-sql-server",
        ),
    ],
)
def test_a_plugin_that_cannot_ask_is_left_out(tool: Manifest, found: list[Manifest], reason: str) -> None:
    result = compiled(tool, *found)
    assert result.config is not None
    assert [problem.reason for problem in result.plugin_problems] == [reason]
    assert result.config.plugins == () and result.config.sql_connections == {}


def test_whether_a_query_can_be_sent_depends_on_the_engine() -> None:
    tool = orders(r"select '\'; delete from t --'")
    assert compiled(tool, connection(engine="MySQL")).plugin_problems == ()
    [problem] = compiled(tool, connection()).plugin_problems
    assert problem == Problem(
        "PluginNotAccepted", "Plugin 'orders' is not accepted: `spec.sql.query` holds several statements; keep one."
    )


def test_a_parameter_that_the_query_lacks_has_no_effect_and_that_is_said() -> None:
    tool = orders(parameters=[{"name": "a", "type": "String", "description": "A."}])
    assert compiled(tool, connection()).warnings == (
        "Plugin 'orders': the parameter 'a' has no effect, for `spec.sql.query` has no `:a`.",
    )


def test_connections_that_no_plugin_of_the_bot_uses_are_not_in_its_config() -> None:
    with_others = compiled(orders(), connection(), connection("other"))
    assert with_others.document == compiled(orders(), connection()).document


def test_a_bot_without_queries_has_the_hash_that_it_always_had() -> None:
    assert b"sqlConnections" not in compiled(plugin("orders"), connection()).document
    assert b'"sql"' not in compiled(plugin("orders"), connection()).document
