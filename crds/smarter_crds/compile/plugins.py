"""Plugins: what is wrong with one, and how it appears in a bot's config."""

import hashlib
from collections.abc import Iterator

from smarter_crds.compile.api_tools import api_config, check_api
from smarter_crds.compile.declared import check_declared
from smarter_crds.compile.free_form import canonical, check_free_form
from smarter_crds.compile.parameters import changes_something, check_parameters, parameter_configs, parameter_warnings
from smarter_crds.compile.problems import Problem
from smarter_crds.compile.providers import default_model
from smarter_crds.compile.sql_connections import sql_config
from smarter_crds.compile.support import PLUGIN, unsupported
from smarter_crds.plugin import Plugin, PromptModel
from smarter_crds.provider import Provider
from smarter_crds.runtime_config import ModelOverrides, PluginConfig, SelectorConfig, StaticConfig
from smarter_crds.tool_config import unused_members

_DEFAULT_RESULT_CHARACTERS = 16000


def check_plugin(plugin: Plugin) -> tuple[Problem, ...]:
    """Return why `plugin` cannot be used, whoever uses it."""
    return unsupported(plugin.spec, PLUGIN) or check_content(plugin)


def check_content(plugin: Plugin) -> tuple[Problem, ...]:
    """Return what is wrong with `plugin` whatever this version supports: only an edit of the Plugin itself helps."""
    spec = plugin.spec
    return (
        *check_free_form("`spec.static.data`", (spec.static and spec.static.data) or {}),
        *check_free_form("`spec.api.body`", (spec.api and spec.api.body) or {}),
        *check_declared(plugin),
        *check_parameters(plugin),
        *check_api(plugin),
    )


def plugin_warnings(plugin: Plugin) -> Iterator[str]:
    """Yield what is set in `plugin` and has no effect."""
    spec, selector = plugin.spec, plugin.spec.selector
    for member, type_ in (("static", "Static"), ("sql", "Sql"), ("api", "Api")):
        if spec.type != type_ and getattr(spec, member) is not None:
            yield f"Plugin {plugin.metadata.name!r}: `spec.{member}` has no effect with type `{spec.type}`."
    if selector.match is not None and selector.directive != "SearchTerms":
        yield (
            f"Plugin {plugin.metadata.name!r}: `spec.selector.match` has no effect with directive "
            f"`{selector.directive}`."
        )
    yield from parameter_warnings(plugin)


def plugin_config(plugin: Plugin, provider: Provider | None, bot_provider: str) -> PluginConfig:
    """Build the config of `plugin`; `provider` is the one that its prompt names, if it names one."""
    spec = plugin.spec
    config = PluginConfig(
        name=plugin.metadata.name,
        type=spec.type,
        hash="",
        description=spec.description,
        selector=SelectorConfig(
            directive=spec.selector.directive,
            search_terms=tuple(sorted(spec.selector.search_terms)),
            match=spec.selector.match or "Words",
        ),
        system_role=(spec.prompt and spec.prompt.system_role) or "",
        model=_overrides(spec.prompt.model if spec.prompt else None, provider, bot_provider),
        result_max_characters=spec.result_max_characters or _DEFAULT_RESULT_CHARACTERS,
        static=StaticConfig(data=spec.static.data or {}) if spec.type == "Static" and spec.static else None,
        api=api_config(spec.api) if spec.type == "Api" and spec.api else None,
        sql=sql_config(spec.sql) if spec.type == "Sql" and spec.sql else None,
        parameters=parameter_configs(plugin),
        side_effects="Write" if changes_something(plugin) else "None",
        confirm=spec.confirm or "Never",
    )
    return config.model_copy(update={"hash": _hash(config)})


def plugin_size(config: PluginConfig) -> int:
    """Return about how many bytes `config` takes."""
    return len(canonical(config.model_dump(mode="json")))


def _overrides(model: PromptModel | None, provider: Provider | None, bot_provider: str) -> ModelOverrides:
    if model is None:
        return ModelOverrides()
    name = model.name or (default_model(provider) if provider else None)
    return ModelOverrides(
        # A model's name means something only to its provider, so the two go together.
        provider=provider.metadata.name if provider else (bot_provider if name else None),
        name=name,
        temperature=model.temperature,
        max_tokens=model.max_tokens,
    )


def _hash(config: PluginConfig) -> str:
    document = config.model_dump(mode="json", by_alias=True, exclude={"hash"})
    for name in unused_members(document):
        del document[name]
    return hashlib.sha256(canonical(document)).hexdigest()[:16]
