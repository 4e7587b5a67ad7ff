"""What a bot says while it is away."""

from typing import Any

import pytest

from smarter_crds import Chatbot, Provider
from smarter_crds.compile import Compiled, Platform, References, compile_chatbot
from smarter_crds.compile.languages import DISCLOSURES, MAINTENANCE
from support.manifests import chatbot, provider


def compiled(platform: Platform, **spec: Any) -> Compiled:
    references = References(providers={"demo": Provider.model_validate(provider())})
    return compile_chatbot(Chatbot.model_validate(chatbot(**spec)), references, platform)


@pytest.mark.parametrize(
    ("spec", "platform", "message", "filled_in"),
    [
        pytest.param({"maintenanceMessage": "Back at 9."}, Platform(), "Back at 9.", False, id="own-words"),
        pytest.param({}, Platform(), MAINTENANCE["en"], True, id="default"),
        pytest.param({}, Platform(language="fr"), MAINTENANCE["fr"], True, id="language-of-the-platform"),
        pytest.param({"language": "zh-TW"}, Platform(), MAINTENANCE["zh-hant"], True, id="own-language"),
        pytest.param({"language": "tlh"}, Platform(), MAINTENANCE["en"], True, id="a-language-without-a-sentence"),
        pytest.param({"maintenanceMessage": ""}, Platform(), MAINTENANCE["en"], True, id="empty"),
    ],
)
def test_a_bot_in_maintenance_has_words_for_it(
    spec: dict[str, Any], platform: Platform, message: str, filled_in: bool
) -> None:
    result = compiled(platform, state="Maintenance", **spec)
    assert result.config is not None
    assert result.config.maintenance is not None
    assert result.config.maintenance.message == message
    assert result.defaults.maintenance_message == (message if filled_in else None)


@pytest.mark.parametrize("spec", [{"state": "Active"}, {"state": "Offline"}, {}], ids=["active", "offline", "unsaid"])
def test_a_message_kept_for_later_is_not_in_the_config(spec: dict[str, Any]) -> None:
    plain = compiled(Platform(), **spec)
    kept = compiled(Platform(), maintenanceMessage="Later.", **spec)
    assert (kept.document, kept.warnings) == (plain.document, ())
    assert b"maintenance" not in kept.document


def test_every_language_that_discloses_can_also_excuse_itself() -> None:
    assert MAINTENANCE.keys() == DISCLOSURES.keys()
    assert max(map(len, MAINTENANCE.values())) <= 255
