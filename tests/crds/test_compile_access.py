"""Who may talk to a bot and from which web pages, in the bot's config."""

from typing import Any

import pytest

from smarter_crds import Chatbot, Plugin, Provider
from smarter_crds.access_config import AccessConfig, IdentityConfig, OriginsConfig
from smarter_crds.compile import Compiled, Platform, PlatformLimits, References, compile_chatbot
from smarter_crds.compile.access import access_config, identity_warnings
from smarter_crds.runtime_config import PluginConfig, SelectorConfig
from smarter_crds.tool_config import ParameterConfig
from support.manifests import chatbot, plugin, provider

IDENTITY = {
    "issuer": "https://shop.example",
    "jwksUrl": "https://shop.example/.well-known/jwks.json",
    "audience": "support-bot",
}


def compiled(**spec: Any) -> Compiled:
    references = References(
        plugins={"returns-policy": Plugin.model_validate(plugin())},
        providers={"demo": Provider.model_validate(provider())},
    )
    return compile_chatbot(
        Chatbot.model_validate(chatbot(**spec)), references, Platform(limits=PlatformLimits(tokens_per_day=1))
    )


def test_a_bot_knows_how_to_verify_people() -> None:
    config = compiled(access={"identity": IDENTITY | {"allowedCIDRs": ["10.1.0.0/16", "10.0.0.0/16"]}}).config
    assert config is not None
    assert config.access == AccessConfig(
        identity=IdentityConfig(
            issuer="https://shop.example",
            jwks_url="https://shop.example/.well-known/jwks.json",
            audience="support-bot",
            allowed_cidrs=("10.0.0.0/16", "10.1.0.0/16"),
        )
    )


def test_a_bot_knows_the_pages_that_may_call_and_embed_it() -> None:
    exposure = {"allowedOrigins": ["https://B.example", "https://a.example"], "frameAncestors": ["https://*.a.example"]}
    config = compiled(exposure=exposure).config
    assert config is not None
    assert config.origins == OriginsConfig(
        allowed=("https://a.example", "https://b.example"), frame_ancestors=("https://*.a.example",)
    )


def test_what_is_not_asked_for_is_not_in_the_config() -> None:
    plain = compiled()
    assert b"identity" not in plain.document
    assert b"origins" not in plain.document
    assert compiled(exposure={"allowedOrigins": [], "frameAncestors": []}).document == plain.document


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        pytest.param({"jwksUrl": "https://10.1.2.3/keys"}, "AddressNotAllowed", id="private"),
        pytest.param({"jwksUrl": "https://10.1.2.3/keys", "allowedCIDRs": ["10.0.0.0/8"]}, "", id="allowed"),
        pytest.param(
            {"jwksUrl": "https://169.254.169.254/keys", "allowedCIDRs": ["169.254.0.0/16"]}, "AddressForbidden",
            id="metadata",
        ),
        pytest.param({"jwksUrl": "http://shop.example/keys"}, "InsecureAddress", id="without-tls"),
        pytest.param({"jwksUrl": "http://keys.svc/", "allowedCIDRs": ["10.0.0.0/8"]}, "", id="without-tls-inside"),
    ],
)  # fmt: skip
def test_keys_come_from_where_they_can_be_trusted(changes: dict[str, Any], reason: str) -> None:
    problems = compiled(access={"identity": IDENTITY | changes}).problems
    assert [problem.reason for problem in problems] == ([reason] if reason else [])
    assert all("`spec.access.identity" in problem.message for problem in problems)


def orders() -> PluginConfig:
    parameters = (
        ParameterConfig(name="order_id", type="Integer"),
        ParameterConfig(name="customer", type="String", claim="sub"),
        ParameterConfig(name="site", type="String", claim="site"),
    )
    selector = SelectorConfig(directive="Always")
    return PluginConfig(
        name="orders", type="Sql", hash="0", description="Orders.", selector=selector, parameters=parameters
    )


def test_a_plugin_that_needs_to_know_who_asks_is_told_when_nobody_can_be_known() -> None:
    stranger, known = (Chatbot.model_validate(chatbot(access=access)) for access in ({}, {"identity": IDENTITY}))
    assert list(identity_warnings(stranger, [orders()])) == [
        "Plugin 'orders' takes values from the claims site, sub of a signed identity, and the Chatbot has no "
        "`spec.access.identity`; its tool is never offered."
    ]
    assert list(identity_warnings(known, [orders()])) == []


def test_a_bot_that_asks_for_proofs_is_read_by_no_runtime_that_would_not() -> None:
    plain, asked = compiled().config, compiled(access={"challenge": "ProofOfWork"}).config
    assert plain is not None
    assert asked is not None
    assert (plain.access.challenge_bits, plain.schema_version) == (0, 1)
    assert (asked.access.challenge_bits, asked.schema_version) == (18, 4)
    platform = Platform(limits=PlatformLimits(tokens_per_day=1), challenge_bits=20)
    assert access_config(Chatbot.model_validate(chatbot(access={"challenge": "ProofOfWork"})), "en", platform) == (
        AccessConfig(challenge_bits=20)
    )


def test_a_bot_without_challenge_has_the_config_that_it_had_before() -> None:
    assert b"hallenge" not in compiled(access={"mode": "ApiKey"}).document
    assert compiled(access={"challenge": "None"}).document == compiled().document


def test_a_challenge_that_guards_nothing_is_told() -> None:
    keys_only = compiled(access={"mode": "ApiKey", "challenge": "ProofOfWork"})
    assert keys_only.warnings == (
        "`spec.access.challenge` has no effect with `spec.access.mode: ApiKey`, for such a Chatbot gives no sessions; "
        "remove it.",
    )
    assert b"hallenge" not in keys_only.document
    assert compiled(access={"challenge": "ProofOfWork"}).warnings == ()
