"""The models read what the API server hands out, and judge as it does."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from smarter_crds import KINDS, ApiKey, Chatbot, Provider
from smarter_crds.compile import Problem, parse
from support.judgements import JUDGEMENTS, Changes
from support.samples import Manifest, changed, full, minimal

# The API server drops fields that it does not know and strict clients warn of them; the models ignore them, so that an
# older operator survives a newer resource.
ONLY_THE_API_SERVER = {"unknown-field"}


@pytest.mark.parametrize(
    ("kind", "changes", "refusal"), [case for case in JUDGEMENTS if case.id not in ONLY_THE_API_SERVER]
)
def test_the_models_judge_as_the_api_server_does(kind: str, changes: Changes, refusal: str | None) -> None:
    parsed = parse(KINDS[kind].model, changed(minimal(kind), **changes))
    assert isinstance(parsed, Problem) == (refusal is not None), parsed
    if isinstance(parsed, Problem):
        assert parsed.reason == "Invalid"
        assert parsed.message.endswith("; correct it.")
        assert not refusal or "`" not in refusal or refusal in parsed.message


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sample", [minimal, full], ids=["minimal", "full"])
def test_a_resource_survives_reading_and_writing(kind: str, sample: Callable[[str], Manifest]) -> None:
    manifest = sample(kind)
    parsed = KINDS[kind].model.model_validate(manifest)
    written = parsed.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert written == {"metadata": manifest["metadata"], "spec": manifest["spec"]}


def test_a_stored_resource_is_read_with_the_part_of_its_metadata_that_matters() -> None:
    stored = minimal("Chatbot")
    stored["metadata"] |= {
        "uid": "5d0b9a6e",
        "generation": 3,
        "resourceVersion": "12",
        "creationTimestamp": "2026-11-22T20:00:00Z",
        "managedFields": [{"manager": "kubectl"}],
        "labels": {"team": "web"},
    }
    stored["spec"] |= {"scaling": {"type": "Fixed", "replicas": 2}, "comesLater": True}
    stored["status"] = {
        "observedGeneration": 2,
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "Ready",
                "message": "The chatbot answers.",
                "lastTransitionTime": "2026-11-22T20:00:00Z",
            }
        ],
    }
    bot = Chatbot.model_validate(stored)
    assert (bot.metadata.name, bot.metadata.namespace, bot.metadata.generation) == ("support", "default", 3)
    assert bot.spec.scaling.replicas == 2
    assert bot.status.conditions[0].last_transition_time == datetime(2026, 11, 22, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        pytest.param(
            "Chatbot",
            {"spec__plugins": [{"name": "a"}, {"name": "B"}]},
            "`spec.plugins[1].name` is not valid: String should match pattern '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'; "
            "correct it.",
            id="item-of-a-list",
        ),
        pytest.param(
            "Chatbot",
            {"spec__model__providerRef": None},
            "`spec.model.providerRef` is not valid: Field required; correct it.",
            id="missing-member",
        ),
        pytest.param(
            "Chatbot",
            {"spec__exposure": {"hosts": ["a.example", "a.example"]}},
            "`spec.exposure.hosts` is not valid: 'a.example' is listed twice; correct it.",
            id="duplicate",
        ),
        pytest.param(
            "Provider",
            {"spec__allowedCIDRs": ["10.0.0.1/8"]},
            "`spec.allowedCIDRs[0]` is not valid: 10.0.0.1/8 has host bits set; correct it.",
            id="network-with-host-bits",
        ),
        pytest.param(
            "Plugin",
            {"metadata__name": "a.b"},
            "`Plugin` is not valid: the name of a Plugin must be a DNS label of at most 63 characters, for its tool "
            "bears "
            "the same name; correct it.",
            id="name",
        ),
    ],
)
def test_what_cannot_be_read_is_a_problem_that_names_the_field(kind: str, changes: Changes, message: str) -> None:
    assert parse(KINDS[kind].model, changed(minimal(kind), **changes)) == Problem("Invalid", message)


def test_a_problem_does_not_repeat_an_address_with_a_password() -> None:
    secret = "https://user:hunter2@llm.example/v1"
    problem = parse(Provider, changed(minimal("Provider"), spec__baseUrl=secret))
    assert isinstance(problem, Problem)
    assert "hunter2" not in problem.message


def test_unset_is_told_from_zero_and_false() -> None:
    bare = Chatbot.model_validate(minimal("Chatbot"))
    zero = Chatbot.model_validate(changed(minimal("Chatbot"), spec__model__temperature=0))
    key = ApiKey.model_validate(full("ApiKey"))
    assert (bare.spec.model.temperature, zero.spec.model.temperature) == (None, 0)
    assert key.spec.disabled is False


@pytest.mark.parametrize("kind", KINDS)
def test_the_names_of_a_kind_follow_from_it(kind: str) -> None:
    found = KINDS[kind]
    assert found.singular == kind.lower()
    assert found.plural == f"{kind.lower()}s"
    assert found.model.__name__ == kind


def test_no_two_kinds_share_a_name() -> None:
    names = [name for kind in KINDS.values() for name in (kind.plural, kind.singular, *kind.short_names)]
    assert len(names) == len(set(names))
