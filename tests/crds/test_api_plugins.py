"""Plugins of type Api: which requests are refused, what has no effect, and what the pods get."""

from typing import Any

import pytest

from smarter_crds import ApiConnection, Chatbot, Plugin, Provider
from smarter_crds.api_config import ApiAuthConfig
from smarter_crds.compile import Compiled, Platform, References, SecretFile, check_plugin, compile_chatbot, judge
from support.manifests import api_connection, api_plugin, chatbot, plugin, provider
from support.samples import Manifest

PARAMETER = {"name": "a", "type": "String", "description": "A."}


def compiled(*plugins: Manifest, connections: tuple[Manifest, ...] = ()) -> Compiled:
    bot = chatbot(plugins=[{"name": each["metadata"]["name"]} for each in plugins])
    references = References(
        plugins={each["metadata"]["name"]: Plugin.model_validate(each) for each in plugins},
        providers={"demo": Provider.model_validate(provider())},
        api_connections={each["metadata"]["name"]: ApiConnection.model_validate(each) for each in connections},
    )
    return compile_chatbot(Chatbot.model_validate(bot), references, Platform())


@pytest.mark.parametrize(
    ("request_", "reasons"),
    [
        pytest.param(
            {"path": "/orders/{a}", "parameters": [PARAMETER | {"required": True}]}, [], id="required-in-path"
        ),
        pytest.param({"path": "/orders/{a}", "parameters": [PARAMETER | {"default": "x"}]}, [], id="default-in-path"),
        pytest.param(
            {"path": "/orders/{a}", "parameters": [PARAMETER | {"valueFrom": {"claim": "sub"}}]}, [], id="claim-in-path"
        ),
        pytest.param({"path": "/orders/{a}", "parameters": [PARAMETER]}, ["OptionalInPath"], id="optional-in-path"),
        pytest.param({"path": "/{a}{a}/{a}", "parameters": [PARAMETER]}, ["OptionalInPath"], id="told-once"),
        pytest.param({"path": "/a/../b"}, ["InvalidPath"], id="step-up"),
        pytest.param({"path": "/a/%2E/b"}, ["InvalidPath"], id="encoded-step"),
        pytest.param({"path": "/a/..b/..."}, [], id="dots-in-a-name"),
        pytest.param({"headers": [{"name": "Host", "value": "x"}]}, ["HeaderForbidden"], id="host"),
        pytest.param({"headers": [{"name": "AUTHORIZATION", "value": "x"}]}, ["HeaderForbidden"], id="authorization"),
        pytest.param({"headers": [{"name": "Cookie", "value": "x"}]}, ["HeaderForbidden"], id="cookie"),
        pytest.param({"headers": [{"name": "X-Host", "value": "x"}]}, [], id="header"),
        pytest.param({"body": "text"}, ["InvalidBody"], id="text-as-body"),
        pytest.param({"body": ["a"]}, [], id="list-as-body"),
        pytest.param({"body": {"a": ["x" * 2**17]}}, ["DataTooLarge"], id="large-body"),
        pytest.param({"result": "items[].{id: id}"}, [], id="expression"),
        pytest.param({"result": "items[].{id: "}, ["InvalidExpression"], id="broken-expression"),
        pytest.param({"result": "unknown(@)"}, [], id="function-that-is-known-when-it-is-called"),
        pytest.param({"result": "!" * 4096}, ["InvalidExpression"], id="expression-deeper-than-the-stack"),
    ],
)
def test_a_request_that_cannot_be_made_is_refused(request_: dict[str, Any], reasons: list[str]) -> None:
    made = api_plugin(**request_)
    assert [problem.reason for problem in check_plugin(Plugin.model_validate(made))] == reasons
    result = compiled(made, connections=(api_connection(),))
    assert [problem.reason for problem in result.plugin_problems] == ["PluginNotAccepted"] * bool(reasons)


@pytest.mark.parametrize(
    ("auth", "config", "files"),
    [
        pytest.param(None, {}, {}, id="unsaid"),
        pytest.param({"type": "None"}, {"type": "None"}, {}, id="none"),
        pytest.param(
            {"type": "Basic", "credentialsSecret": {"name": "s"}},
            {
                "type": "Basic",
                "username_file": "username-of-api-connection-erp",
                "secret_file": "password-of-api-connection-erp",
            },
            {"username-of-api-connection-erp": ("s", "username"), "password-of-api-connection-erp": ("s", "password")},
            id="basic",
        ),
        pytest.param(
            {"type": "Bearer", "tokenSecret": {"name": "s", "key": "k"}},
            {"type": "Bearer", "secret_file": "secret-of-api-connection-erp"},
            {"secret-of-api-connection-erp": ("s", "k")},
            id="bearer",
        ),
        pytest.param(
            {"type": "Header", "name": "X-Key", "valueSecret": {"name": "s", "key": "k"}},
            {"type": "Header", "header": "X-Key", "secret_file": "secret-of-api-connection-erp"},
            {"secret-of-api-connection-erp": ("s", "k")},
            id="header",
        ),
        pytest.param(
            {"type": "Bearer", "tokenSecret": {"name": "s", "key": "k"}, "valueSecret": {"name": "stale", "key": "k"}},
            {"type": "Bearer", "secret_file": "secret-of-api-connection-erp"},
            {"secret-of-api-connection-erp": ("s", "k")},
            id="a-stale-secret-is-not-mounted",
        ),
    ],
)
def test_a_connection_says_as_whom_and_its_secrets_are_mounted(
    auth: Manifest | None, config: dict[str, str], files: dict[str, tuple[str, str]]
) -> None:
    connection = api_connection(auth=auth) if auth else api_connection()
    result = compiled(api_plugin(), connections=(connection,))
    assert result.config is not None
    mounted = {use: SecretFile(*key, use) for use, key in files.items()}
    expected = {name: mounted[value].path if value in mounted else value for name, value in config.items()}
    assert result.config.api_connections["erp"].auth == ApiAuthConfig.model_validate(expected)
    assert set(result.secrets) == set(mounted.values())


def test_a_connection_is_in_the_config_once_and_only_if_it_is_used() -> None:
    connections = (api_connection(), api_connection("other"))
    used = compiled(api_plugin("a"), api_plugin("b"), connections=connections)
    assert used.config is not None
    assert list(used.config.api_connections) == ["erp"]
    unused = compiled(plugin(), connections=connections)
    assert b"apiConnections" not in unused.document


def test_a_connection_that_is_not_accepted_leaves_its_plugins_out() -> None:
    private = api_connection(
        baseUrl="http://10.0.0.7", auth={"type": "Bearer", "tokenSecret": {"name": "s", "key": "k"}}
    )
    result = compiled(api_plugin(), plugin(), connections=(private,))
    assert [problem.reason for problem in result.plugin_problems] == ["ConnectionNotAccepted"]
    assert [each.name for each in result.plugins] == ["returns"]
    assert result.secrets == ()


def test_a_header_that_the_connection_sets_itself_is_warned_of() -> None:
    auth = {"type": "Header", "name": "X-Key", "valueSecret": {"name": "s", "key": "k"}}
    made = api_plugin(headers=[{"name": "x-key", "value": "mine"}])
    assert compiled(made, connections=(api_connection(auth=auth),)).warnings == (
        "Plugin 'orders': `spec.api.headers` sets 'X-Key' without effect, for ApiConnection 'erp' sets it itself.",
    )
    assert compiled(made, connections=(api_connection(),)).warnings == ()


@pytest.mark.parametrize(
    ("made", "said"),
    [
        pytest.param(plugin(api=api_plugin()["spec"]["api"]), "`spec.api` has no effect with type `Static`", id="api"),
        pytest.param(
            plugin(type="Api", api=api_plugin()["spec"]["api"], static={"data": {"a": 1}}),
            "`spec.static` has no effect with type `Api`",
            id="static",
        ),
    ],
)
def test_the_members_of_other_types_are_ignored_and_named(made: Manifest, said: str) -> None:
    found = judge("Plugin", made)
    assert found.problems == ()
    assert [warning for warning in found.warnings if said in warning]
