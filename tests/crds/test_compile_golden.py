"""Whole inputs beside the whole configs that come out of them: `golden/<case>/input.yaml` and `config.json`."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from smarter_crds import ApiConnection, Chatbot, Plugin, Provider
from smarter_crds.compile import Compiled, Platform, References, compile_chatbot
from smarter_crds.runtime_config import RuntimeConfig, config_hash, to_json

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.name for path in GOLDEN.iterdir())


def compiled(case: str) -> Compiled:
    given: dict[str, Any] = yaml.safe_load((GOLDEN / case / "input.yaml").read_text(encoding="utf-8"))
    resources = given["resources"]
    [chatbot] = [Chatbot.model_validate(found) for found in resources if found["kind"] == "Chatbot"]
    plugins = [Plugin.model_validate(found) for found in resources if found["kind"] == "Plugin"]
    providers = [Provider.model_validate(found) for found in resources if found["kind"] == "Provider"]
    connections = [ApiConnection.model_validate(found) for found in resources if found["kind"] == "ApiConnection"]
    references = References(
        plugins={plugin.metadata.name: plugin for plugin in plugins},
        providers={provider.metadata.name: provider for provider in providers},
        api_connections={connection.metadata.name: connection for connection in connections},
    )
    return compile_chatbot(chatbot, references, Platform.model_validate(given["platform"]))


@pytest.mark.parametrize("case", CASES)
def test_the_config_is_the_golden_one(case: str) -> None:
    result = compiled(case)
    assert result.problems == ()
    assert json.loads(result.document) == json.loads((GOLDEN / case / "config.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES)
def test_the_document_is_the_config_and_the_hash_is_its(case: str) -> None:
    result = compiled(case)
    assert result.config is not None
    assert result.document == to_json(result.config) == to_json(RuntimeConfig.model_validate_json(result.document))
    assert result.hash == config_hash(result.document)


def test_broken_plugins_are_reported_and_the_rest_serves() -> None:
    result = compiled("broken-plugins")
    assert [(problem.reason, problem.message) for problem in result.plugin_problems] == [
        (
            "PluginNotFound",
            "Plugin 'missing' is not in namespace 'acme'; create it, or remove it from `spec.plugins`.",
        ),
        (
            "PluginNotAccepted",
            "Plugin 'orders' is not accepted: `spec.api.path` uses `{id}`, which is no parameter; declare it in "
            "`spec.api.parameters`.",
        ),
        (
            "ConnectionNotFound",
            "ApiConnection 'erp', named by Plugin 'lines', is not in namespace 'acme'; create it, or name another.",
        ),
        (
            "ProviderNotFound",
            "Provider 'nowhere' is not in namespace 'acme'; create it, or name another in "
            "`spec.prompt.model.providerRef` of Plugin 'astray'.",
        ),
    ]
    assert [plugin.name for plugin in result.plugins] == ["sizes"]
