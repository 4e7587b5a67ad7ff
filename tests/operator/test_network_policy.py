from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from smarter_crds import ApiConnection, Chatbot, Plugin, Provider, SqlConnection, Store
from smarter_crds.compile import References, compile_chatbot
from smarter_operator.resources.network_policy import network_policy
from smarter_operator.settings import Settings
from support.manifests import Manifest, api_connection, api_plugin, chatbot, plugin, provider, store

HTTPS, OTHER = ("TCP", 443), ("TCP", 8443)


def policy(
    provider_spec: Mapping[str, Any],
    settings: Settings | None = None,
    connection: Mapping[str, Any] | None = None,
    stores: tuple[Manifest, ...] = (),
    **bot: Any,
) -> dict[str, Any]:
    """Return the spec of the policy that a bot gets; with a `connection`, it has a Plugin that uses it."""
    plugins = [{"name": "orders"}] if connection is not None else []
    settings = settings or Settings(runtime_image="runtime:1", namespace="smarter-system")
    parsed = Chatbot.model_validate(chatbot(plugins=plugins, **bot))
    references = References(
        providers={"demo": Provider.model_validate(provider(**provider_spec))},
        plugins={"orders": Plugin.model_validate(api_plugin())},
        api_connections={"erp": ApiConnection.model_validate(api_connection(**connection or {}))},
        stores={each["metadata"]["name"]: Store.model_validate(each) for each in stores},
    )
    compiled = compile_chatbot(parsed, references, settings.platform)
    assert (compiled.problems, compiled.plugin_problems) == ((), ())
    spec: dict[str, Any] = network_policy(parsed, compiled, settings)["spec"]
    return spec


def test_the_store_is_reached_at_its_port_and_in_the_networks_that_it_opens() -> None:
    spec = policy(OPENAI, stores=(store(type="PostgreSQL", allowedCIDRs=["10.0.0.0/8"]),), storeRef={"name": "main"})
    assert lets_out(spec, "10.1.2.3", ("TCP", 5432))
    assert lets_out(spec, "8.8.8.8", ("TCP", 5432))
    assert not lets_out(spec, "10.1.2.3", HTTPS)
    assert not lets_out(policy(OPENAI), "10.1.2.3", ("TCP", 5432))


def lets_out(spec: dict[str, Any], address: str, protocol_and_port: tuple[str, int]) -> bool:
    """Judge as a network plugin does: a connection is allowed if any rule allows it."""
    return any(_to(rule, address) and _on(rule, protocol_and_port) for rule in spec["egress"])


def _to(rule: dict[str, Any], address: str) -> bool:
    if "to" not in rule:
        return True
    return any(
        ip_address(address) in ip_network(block["cidr"])
        and not any(ip_address(address) in ip_network(text) for text in block.get("except", []))
        for block in (peer["ipBlock"] for peer in rule["to"])
    )


def _on(rule: dict[str, Any], protocol_and_port: tuple[str, int]) -> bool:
    return any((port["protocol"], port["port"]) == protocol_and_port for port in rule["ports"])


OPENAI = {"type": "OpenAI"}
ELSEWHERE = {"type": "OpenAICompatible", "baseUrl": "https://llm.example:8443/v1"}
PLAIN = {"type": "OpenAICompatible", "baseUrl": "http://llm.example/v1"}
NO_PORT = {"type": "OpenAICompatible", "baseUrl": "https://llm.example:x/v1"}


@pytest.mark.parametrize(
    ("provider_spec", "address", "port", "expected"),
    [
        pytest.param({}, "192.0.2.1", ("UDP", 53), True, id="names-over-udp"),
        pytest.param({}, "10.96.0.10", ("TCP", 53), True, id="names-over-tcp"),
        pytest.param({}, "8.8.8.8", HTTPS, False, id="the-demo-dials-nobody"),
        pytest.param(OPENAI, "8.8.8.8", HTTPS, True, id="a-public-address"),
        pytest.param(OPENAI, "2606:4700::1", HTTPS, True, id="a-public-address-of-ipv6"),
        pytest.param(OPENAI, "8.8.8.8", ("TCP", 22), False, id="another-port"),
        pytest.param(OPENAI, "8.8.8.8", ("UDP", 443), False, id="another-protocol"),
        pytest.param(OPENAI, "10.1.2.3", HTTPS, False, id="private"),
        pytest.param(OPENAI, "172.31.0.1", HTTPS, False, id="private-172"),
        pytest.param(OPENAI, "100.64.0.1", HTTPS, False, id="carrier-grade-nat"),
        pytest.param(OPENAI, "169.254.169.254", HTTPS, False, id="link-local"),
        pytest.param(OPENAI, "fd12::1", HTTPS, False, id="unique-local"),
        pytest.param(OPENAI, "fe80::1", HTTPS, False, id="link-local-of-ipv6"),
        pytest.param(OPENAI, "64:ff9b::a00:1", HTTPS, False, id="private-behind-nat64"),
        pytest.param(OPENAI, "64:ff9b::808:808", HTTPS, True, id="public-behind-nat64"),
        pytest.param(ELSEWHERE, "8.8.8.8", OTHER, True, id="the-port-of-the-address"),
        pytest.param(ELSEWHERE, "8.8.8.8", HTTPS, False, id="not-the-default-beside-it"),
        pytest.param(PLAIN, "8.8.8.8", ("TCP", 80), True, id="without-tls"),
        pytest.param(NO_PORT, "8.8.8.8", HTTPS, False, id="an-address-that-is-none"),
        pytest.param(OPENAI | {"allowedCIDRs": ["10.0.0.0/8"]}, "10.1.2.3", HTTPS, True, id="allowed"),
        pytest.param(OPENAI | {"allowedCIDRs": ["10.0.0.0/8"]}, "10.1.2.3", OTHER, False, id="allowed-on-another-port"),
        pytest.param(OPENAI | {"allowedCIDRs": ["::ffff:10.0.0.0/104"]}, "10.1.2.3", HTTPS, True, id="allowed-mapped"),
        pytest.param(OPENAI | {"allowedCIDRs": ["fd00::/8"]}, "fd00:1::1", HTTPS, True, id="allowed-of-ipv6"),
        pytest.param(
            OPENAI | {"allowedCIDRs": ["169.254.0.0/16"]}, "169.254.169.254", HTTPS, False, id="metadata-never"
        ),
        pytest.param(
            OPENAI | {"allowedCIDRs": ["169.254.169.254/32"]}, "169.254.169.254", HTTPS, False, id="metadata-by-name"
        ),
        pytest.param(OPENAI | {"allowedCIDRs": ["169.254.0.0/16"]}, "169.254.1.1", HTTPS, True, id="beside-metadata"),
    ],
)
def test_where_the_pods_may_go(
    provider_spec: dict[str, Any], address: str, port: tuple[str, int], expected: bool
) -> None:
    assert lets_out(policy(provider_spec), address, port) is expected


TOKENS = {
    "type": "OAuth2ClientCredentials",
    "tokenUrl": "https://login.acme.example:8443/token",
    "clientId": "bots",
    "clientSecret": {"name": "erp", "key": "secret"},
}
INSIDE = {"baseUrl": "http://erp.acme.example:8080", "allowedCIDRs": ["10.0.0.0/8"]}


@pytest.mark.parametrize(
    ("connection", "address", "port", "expected"),
    [
        pytest.param({}, "8.8.8.8", HTTPS, True, id="the-api"),
        pytest.param({}, "10.1.2.3", HTTPS, False, id="private"),
        pytest.param({}, "8.8.8.8", OTHER, False, id="another-port"),
        pytest.param(INSIDE, "8.8.8.8", ("TCP", 8080), True, id="the-port-of-the-address"),
        pytest.param(INSIDE, "10.1.2.3", ("TCP", 8080), True, id="allowed"),
        pytest.param(INSIDE, "10.1.2.3", HTTPS, False, id="allowed-on-another-port"),
        pytest.param({"auth": TOKENS}, "8.8.8.8", OTHER, True, id="where-tokens-are-fetched"),
        pytest.param({"proxy": {"url": "http://proxy:3128"}}, "8.8.8.8", ("TCP", 3128), True, id="the-proxy"),
        pytest.param({"proxy": {"url": "socks5://proxy"}}, "8.8.8.8", ("TCP", 1080), True, id="the-proxys-usual-port"),
        pytest.param({"proxy": {"url": "http://proxy:3128"}}, "8.8.8.8", HTTPS, False, id="not-past-the-proxy"),
        pytest.param(
            INSIDE | {"proxy": {"url": "http://proxy:3128"}}, "10.1.2.3", ("TCP", 3128), True, id="a-private-proxy"
        ),
    ],
)
def test_where_the_pods_may_go_for_an_api(
    connection: dict[str, Any], address: str, port: tuple[str, int], expected: bool
) -> None:
    assert lets_out(policy({}, connection=connection), address, port) is expected


def test_a_connection_that_no_plugin_uses_opens_nothing() -> None:
    assert not lets_out(policy({}), "8.8.8.8", HTTPS)


def test_the_weather_is_asked_for_outside() -> None:
    assert lets_out(policy({}, functions=["CurrentWeather"]), "8.8.8.8", HTTPS)
    assert not lets_out(policy({}, functions=["Calculator"]), "8.8.8.8", HTTPS)


IDENTITY = {"issuer": "https://shop.example", "jwksUrl": "https://id.shop.example:8443/keys", "audience": "bot"}


@pytest.mark.parametrize(
    ("identity", "address", "port", "expected"),
    [
        pytest.param(IDENTITY, "8.8.8.8", OTHER, True, id="a-public-address"),
        pytest.param(IDENTITY, "8.8.8.8", HTTPS, False, id="another-port"),
        pytest.param(IDENTITY, "10.1.2.3", OTHER, False, id="private"),
        pytest.param(IDENTITY | {"allowedCIDRs": ["10.1.0.0/16"]}, "10.1.2.3", OTHER, True, id="allowed"),
    ],
)
def test_the_keys_of_identities_are_fetched(
    identity: dict[str, Any], address: str, port: tuple[str, int], expected: bool
) -> None:
    assert lets_out(policy({}, access={"identity": identity}), address, port) is expected


def test_every_exception_lies_within_its_network() -> None:
    spec = policy(OPENAI | {"allowedCIDRs": ["0.0.0.0/0", "fd00::/8"]})
    blocks = [peer["ipBlock"] for rule in spec["egress"] for peer in rule.get("to", [])]
    for block in blocks:
        outer = ip_network(block["cidr"])
        for text in block.get("except", []):
            inner = ip_network(text)
            assert inner.prefixlen > outer.prefixlen
            assert ip_address(inner.network_address) in outer
    assert len([block for block in blocks if "except" in block]) == 4


def readers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Return who may reach the status port."""
    rules = [rule for rule in spec["ingress"] if _on(rule, ("TCP", 9090))]
    return [peer for rule in rules for peer in rule["from"]]


def test_everybody_may_talk_to_the_bot_and_only_the_operator_ask_for_its_status() -> None:
    spec = policy({})
    assert spec["ingress"][0] == {"ports": [{"protocol": "TCP", "port": 8080}]}
    [operator] = readers(spec)
    assert operator == {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "smarter-system"}},
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "smarter-operator"}},
    }


def test_the_platform_says_where_the_readers_of_the_status_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMARTER_RUNTIME_IMAGE", "runtime:1")
    monkeypatch.setenv("SMARTER_NAMESPACE", "smarter-system")
    monkeypatch.setenv(
        "SMARTER_NETWORK_POLICY__PROMETHEUS_NAMESPACE_SELECTOR", '{"matchLabels": {"team": "monitoring"}}'
    )
    monkeypatch.setenv("SMARTER_NETWORK_POLICY__USAGE_NAMESPACE_SELECTOR", '{"matchLabels": {"team": "billing"}}')
    monkeypatch.setenv(
        "SMARTER_NETWORK_POLICY__OPERATOR_NAMESPACE_SELECTOR",
        '{"matchExpressions": [{"key": "smarter", "operator": "Exists"}]}',
    )
    operator, prometheus, billing = readers(policy({}, Settings()))
    assert operator["namespaceSelector"] == {"matchExpressions": [{"key": "smarter", "operator": "Exists"}]}
    assert prometheus == {"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}
    assert billing == {"namespaceSelector": {"matchLabels": {"team": "billing"}}}


def test_without_anybody_to_read_the_status_nobody_may() -> None:
    spec = policy({}, Settings(runtime_image="runtime:1"))
    assert spec["ingress"] == [{"ports": [{"protocol": "TCP", "port": 8080}]}]


def test_further_rules_are_taken_over_in_the_form_in_which_they_are_stored() -> None:
    rule = {"to": [{"podSelector": {"matchLabels": {"app": "redis"}}}], "ports": [{"port": 6379}]}
    spec = policy({}, networkPolicy={"extraEgress": [rule, {}]})
    assert spec["egress"][1:] == [{**rule, "ports": [{"protocol": "TCP", "port": 6379}]}, {}]


SHOP = {"engine": "PostgreSQL", "host": "db.acme.example", "database": "shop"}
TUNNEL = {
    "host": "bastion.acme.example",
    "username": "bots",
    "privateKeySecret": {"name": "bastion", "key": "id"},
    "knownHosts": "bastion.acme.example ssh-ed25519 AAAA",
}


def policy_with_database(**connection: Any) -> dict[str, Any]:
    """Return the spec of the policy of a bot whose one plugin asks a database."""
    settings = Settings(runtime_image="runtime:1", namespace="smarter-system")
    tool = plugin("orders", type="Sql", sql={"connectionRef": {"name": "shop"}, "query": "select 1"})
    read = SqlConnection.model_validate({"metadata": {"name": "shop"}, "spec": SHOP | connection})
    references = References(
        providers={"demo": Provider.model_validate(provider())},
        plugins={"orders": Plugin.model_validate(tool)},
        sql_connections={"shop": read},
    )
    parsed = Chatbot.model_validate(chatbot(plugins=[{"name": "orders"}]))
    compiled = compile_chatbot(parsed, references, settings.platform)
    assert (compiled.problems, compiled.plugin_problems) == ((), ())
    spec: dict[str, Any] = network_policy(parsed, compiled, settings)["spec"]
    return spec


@pytest.mark.parametrize(
    ("connection", "address", "port", "expected"),
    [
        pytest.param({}, "8.8.8.8", 5432, True, id="the-usual-port"),
        pytest.param({}, "8.8.8.8", 5433, False, id="another-port"),
        pytest.param({"port": 6432}, "8.8.8.8", 6432, True, id="a-port-of-its-own"),
        pytest.param({"engine": "MariaDB"}, "8.8.8.8", 3306, True, id="another-engine"),
        pytest.param({}, "10.1.2.3", 5432, False, id="a-private-address"),
        pytest.param({"allowedCIDRs": ["10.0.0.0/8"]}, "10.1.2.3", 5432, True, id="an-allowed-network"),
        pytest.param({"allowedCIDRs": ["10.0.0.0/8"]}, "10.1.2.3", 22, False, id="an-allowed-network-by-another-port"),
        pytest.param({"sshTunnel": TUNNEL}, "8.8.8.8", 22, True, id="a-tunnel"),
        pytest.param({"sshTunnel": TUNNEL}, "8.8.8.8", 5432, False, id="not-what-is-behind-a-tunnel"),
        pytest.param({"proxy": {"url": "socks5://p.example"}}, "8.8.8.8", 1080, True, id="a-proxy"),
        pytest.param({"engine": "SQLite", "database": "/data/shop.db"}, "8.8.8.8", 5432, False, id="a-file"),
    ],
)
def test_a_bot_reaches_the_databases_that_its_plugins_ask(
    connection: dict[str, Any], address: str, port: int, expected: bool
) -> None:
    assert lets_out(policy_with_database(**connection), address, ("TCP", port)) == expected
