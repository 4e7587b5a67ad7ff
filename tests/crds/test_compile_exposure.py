"""Where a bot is reached: its own hosts, the default host, and certificates."""

from typing import Any

import pytest

from smarter_crds import Chatbot, Provider
from smarter_crds.base import Metadata
from smarter_crds.compile import Platform, References, compile_chatbot
from smarter_crds.compile.exposure import default_host
from smarter_crds.exposure import IssuerRef
from support.manifests import chatbot, provider

PLATFORM = Platform(base_domain="bots.example")


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
