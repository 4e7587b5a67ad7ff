"""Where a bot is reached: its own hosts, the default host, and certificates."""

from typing import Any, Literal

import pytest

from smarter_crds import Chatbot, Provider
from smarter_crds.base import Metadata
from smarter_crds.compile import Compiled, Platform, References, compile_chatbot
from smarter_crds.compile.exposure import default_host
from smarter_crds.exposure import GatewayRef, IssuerRef
from support.manifests import chatbot, provider

PLATFORM = Platform(base_domain="bots.example")


@pytest.mark.parametrize(
    ("base_domain_tls", "mode", "certified"),
    [
        pytest.param("Wildcard", "Issuer", ("a.example",), id="the-controllers-wildcard-covers-the-default-host"),
        pytest.param("Issuer", "Issuer", ("support-acme.bots.example", "a.example"), id="each-its-own"),
        pytest.param("Issuer", "External", (), id="tls-ends-in-front"),
    ],
)
def test_which_hosts_have_a_certificate_of_their_own(
    base_domain_tls: Literal["Wildcard", "Issuer"], mode: str, certified: tuple[str, ...]
) -> None:
    platform = Platform(
        base_domain="bots.example", base_domain_tls=base_domain_tls, issuer_ref=IssuerRef(name="ca", kind="Issuer")
    )
    bot = Chatbot.model_validate(chatbot(exposure={"hosts": ["a.example"], "tls": {"mode": mode}}))
    compiled = compile_chatbot(bot, References(providers={"demo": Provider.model_validate(provider())}), platform)
    assert compiled.settled.certified_hosts == certified
    assert compiled.url == "https://a.example"


@pytest.mark.parametrize(
    ("exposure", "platform", "hosts", "url", "issuer"),
    [
        pytest.param({}, Platform(), (), "", None, id="no-host-at-all"),
        pytest.param(
            {}, PLATFORM, ("support-acme.bots.example",), "http://support-acme.bots.example", None, id="default-host"
        ),
        pytest.param(
            {"hosts": ["b.example", "a.example"], "tls": {"mode": "External"}},
            PLATFORM,
            ("support-acme.bots.example", "b.example", "a.example"),
            "https://b.example",
            None,
            id="own-hosts-go-first-in-the-url",
        ),
        pytest.param(
            {"hosts": ["support-acme.bots.example"]},
            PLATFORM,
            ("support-acme.bots.example",),
            "http://support-acme.bots.example",
            None,
            id="default-host-named-again",
        ),
        pytest.param({"type": "None", "hosts": ["a.example"]}, PLATFORM, (), "", None, id="not-exposed"),
        pytest.param(
            {"hosts": ["a.example"]},
            Platform(issuer_ref=IssuerRef(name="ca", kind="ClusterIssuer")),
            ("a.example",),
            "https://a.example",
            IssuerRef(name="ca", kind="ClusterIssuer"),
            id="issuer-of-the-platform",
        ),
        pytest.param(
            {"hosts": ["a.example"], "tls": {"issuerRef": {"name": "mine"}}},
            Platform(issuer_ref=IssuerRef(name="ca")),
            ("a.example",),
            "https://a.example",
            IssuerRef(name="mine"),
            id="own-issuer",
        ),
        pytest.param(
            {"hosts": ["a.example"], "tls": {"mode": "Disabled"}},
            Platform(issuer_ref=IssuerRef(name="ca")),
            ("a.example",),
            "http://a.example",
            None,
            id="tls-disabled",
        ),
        pytest.param(
            {"hosts": ["a.example"]},
            Platform(tls_mode="External"),
            ("a.example",),
            "https://a.example",
            None,
            id="tls-ends-in-front-of-the-platform",
        ),
    ],
)
def test_where_a_bot_is_reached(
    exposure: dict[str, Any], platform: Platform, hosts: tuple[str, ...], url: str, issuer: IssuerRef | None
) -> None:
    provided = {"demo": Provider.model_validate(provider())}
    bot = Chatbot.model_validate(chatbot(exposure=exposure))
    result = compile_chatbot(bot, References(providers=provided), platform)
    assert result.config is not None
    assert (result.hosts, result.url, result.settled.issuer_ref) == (hosts, url, issuer)
    assert result.config.hosts == hosts
    assert result.settled.exposure_type == ("Ingress" if hosts else "None")


OWN = {"mode": "Secret", "secretName": "acme-wildcard"}


@pytest.mark.parametrize(
    ("base_domain_tls", "hosts", "from_secret"),
    [
        pytest.param("Wildcard", ["a.example"], ("a.example",), id="the-controllers-wildcard-covers-the-default-host"),
        pytest.param("Issuer", ["a.example"], ("support-acme.bots.example", "a.example"), id="all-hosts"),
        pytest.param("Wildcard", [], ("support-acme.bots.example",), id="there-is-no-other-host"),
    ],
)
def test_a_certificate_of_ones_own_is_used_for_ones_own_hosts(
    base_domain_tls: Literal["Wildcard", "Issuer"], hosts: list[str], from_secret: tuple[str, ...]
) -> None:
    platform = Platform(base_domain="bots.example", base_domain_tls=base_domain_tls, issuer_ref=IssuerRef(name="ca"))
    result = compiled({"hosts": hosts, "tls": OWN}, platform)
    assert (result.problems, result.warnings) == ((), ())
    assert (result.settled.tls_secret, result.settled.secret_hosts) == ("acme-wildcard", from_secret)
    assert (result.settled.certified_hosts, result.settled.issuer_ref) == ((), None)
    assert result.url.startswith("https://")


GATEWAY = {"type": "HTTPRoute", "hosts": ["a.example"], "gatewayRef": {"name": "public"}}


@pytest.mark.parametrize(
    ("tls", "platform", "url"),
    [
        pytest.param({}, Platform(), "https://a.example", id="by-default-the-gateway-terminates-tls"),
        pytest.param({}, Platform(issuer_ref=IssuerRef(name="ca")), "https://a.example", id="whatever-the-issuer"),
        pytest.param({"mode": "Disabled"}, Platform(), "http://a.example", id="tls-disabled"),
    ],
)
def test_where_a_bot_behind_a_gateway_is_reached(tls: dict[str, Any], platform: Platform, url: str) -> None:
    result = compiled(GATEWAY | {"tls": tls}, platform)
    assert result.problems == ()
    assert (result.url, result.settled.issuer_ref) == (url, None)
    assert result.settled.gateway_ref == GatewayRef(name="public")
    assert result.settled.class_name == ""


@pytest.mark.parametrize(
    ("tls", "base_domain", "listeners"),
    [
        pytest.param({"mode": "External"}, "bots.example", (), id="tls-ends-at-the-gateways-own-listener"),
        pytest.param({"mode": "Disabled"}, "bots.example", (), id="no-tls"),
        pytest.param({"mode": "Issuer"}, "", ("a.example",), id="issued"),
        pytest.param({"mode": "Issuer"}, "bots.example", ("a.example",), id="the-default-host-has-the-wildcard"),
        pytest.param(OWN, "", ("a.example",), id="ones-own"),
    ],
)
def test_certificates_of_a_bots_own_need_listeners_of_its_own(
    tls: dict[str, Any], base_domain: str, listeners: tuple[str, ...]
) -> None:
    platform = Platform(base_domain=base_domain, issuer_ref=IssuerRef(name="ca"))
    result = compiled(GATEWAY | {"tls": tls}, platform)
    assert (result.problems, result.settled.listener_hosts) == ((), listeners)


def test_certificates_for_a_gateway_need_an_issuer_too() -> None:
    [problem] = compiled(GATEWAY | {"tls": {"mode": "Issuer"}}, Platform()).problems
    assert problem.reason == "IssuerRequired"


def test_an_ingress_has_no_listeners() -> None:
    result = compiled({"hosts": ["a.example"], "tls": OWN}, Platform())
    assert result.settled.listener_hosts == ()


def test_more_hosts_than_a_route_carries_are_refused() -> None:
    hosts = [f"{number}.example" for number in "abcdefghijklmnopq"]
    [problem] = compiled(GATEWAY | {"hosts": hosts}, Platform()).problems
    assert problem.reason == "TooManyHosts"
    assert "17 hosts" in problem.message
    assert compiled(GATEWAY | {"hosts": hosts[1:]}, Platform()).problems == ()


@pytest.mark.parametrize(
    ("exposure", "warnings"),
    [
        pytest.param(
            GATEWAY | {"className": "nginx", "tls": {"issuerRef": {"name": "ca"}}},
            (
                "`spec.exposure.className` has no effect with type `HTTPRoute`.",
                "`spec.exposure.tls.issuerRef` has no effect with mode `External`.",
            ),
            id="an-ingress-class-and-an-issuer-for-a-gateway",
        ),
        pytest.param(
            GATEWAY | {"gatewayRef": {"name": "public", "sectionName": "https"}, "tls": OWN},
            ("`spec.exposure.gatewayRef.sectionName` has no effect where all hosts have listeners of the bot's own.",),
            id="a-listener-that-no-host-uses",
        ),
        pytest.param(
            {"hosts": ["a.example"], "tls": {"mode": "External", "secretName": "x"}},
            ("`spec.exposure.tls.secretName` has no effect with mode `External`; set mode `Secret`.",),
            id="a-secret-for-another-mode",
        ),
        pytest.param(
            {"hosts": ["a.example"], "gatewayRef": {"name": "public"}},
            ("`spec.exposure.gatewayRef` has no effect with type `Ingress`.",),
            id="a-gateway-for-an-ingress",
        ),
    ],
)
def test_what_has_no_effect_is_said(exposure: dict[str, Any], warnings: tuple[str, ...]) -> None:
    result = compiled(exposure, Platform())
    assert (result.problems, result.warnings) == ((), warnings)


def compiled(exposure: dict[str, Any], platform: Platform) -> Compiled:
    references = References(providers={"demo": Provider.model_validate(provider())})
    return compile_chatbot(Chatbot.model_validate(chatbot(exposure=exposure)), references, platform)


@pytest.mark.parametrize(
    ("name", "namespace", "label"),
    [
        pytest.param("a" * 52, "b" * 10, "a" * 52 + "-" + "b" * 10, id="63-characters"),
        pytest.param("a" * 52, "b" * 11, "a" * 52 + "-b-34e40bf9", id="64-characters"),
        pytest.param("a" * 51, "b-" + "c" * 12, "a" * 51 + "-b-bab816c8", id="no-hyphen-before-the-hash"),
    ],
)
def test_the_first_label_of_the_default_host_fits_into_dns(name: str, namespace: str, label: str) -> None:
    host = default_host(Metadata(name=name, namespace=namespace), "bots.example")
    assert len(host.split(".")[0]) <= 63
    assert host == f"{label}.bots.example"


def test_long_names_that_are_cut_alike_are_told_apart() -> None:
    first = default_host(Metadata(name="a" * 52, namespace="b" * 20 + "1"), "bots.example")
    second = default_host(Metadata(name="a" * 52, namespace="b" * 20 + "2"), "bots.example")
    assert first != second
