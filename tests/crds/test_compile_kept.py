"""What is kept of chats, and for how long."""

from typing import Any

import pytest

from smarter_crds import Chatbot, Provider
from smarter_crds.compile import Compiled, Platform, References, compile_chatbot
from support.manifests import chatbot, provider

DIGESTS = ("a" * 64, "b" * 64)


def compiled(platform: Platform, **spec: Any) -> Compiled:
    references = References(providers={"demo": Provider.model_validate(provider())})
    return compile_chatbot(Chatbot.model_validate(chatbot(**spec)), references, platform)


@pytest.mark.parametrize(
    ("spec", "platform", "days", "filled_in"),
    [
        pytest.param({"conversations": {"retentionDays": 7}}, Platform(), 7, None, id="own"),
        pytest.param({}, Platform(), 30, 30, id="default"),
        pytest.param({}, Platform(conversation_retention_days=90), 90, 90, id="platform"),
        pytest.param(
            {"conversations": {"retentionDays": 30}}, Platform(conversation_retention_days=90), 30, None, id="own-first"
        ),
    ],
)
def test_conversations_are_kept_as_long_as_bot_or_platform_say(
    spec: dict[str, Any], platform: Platform, days: int, filled_in: int | None
) -> None:
    result = compiled(platform, **spec)
    assert result.config is not None
    assert result.config.conversations.retention_days == days
    told = result.defaults.conversations
    assert (told.retention_days if told else None) == filled_in


def test_what_is_as_ever_is_not_in_the_config() -> None:
    plain = compiled(Platform()).document
    assert compiled(Platform(), conversations={"retentionDays": 30}).document == plain
    assert b"conversations" not in plain
    assert b"statusTokens" not in plain


def test_the_platforms_tokens_open_the_status_port_of_every_bot() -> None:
    result = compiled(Platform(status_tokens=DIGESTS))
    assert result.config is not None
    assert result.config.status_tokens == DIGESTS
    assert b'"statusTokens":["' + b'","'.join(each.encode() for each in DIGESTS) in result.document
