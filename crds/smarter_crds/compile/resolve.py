"""Which Plugins and Providers of a bot can be used, and why the others cannot."""

from collections.abc import Iterator
from dataclasses import dataclass

from smarter_crds.api_connection import ApiConnection
from smarter_crds.chatbot import Chatbot, ModelParameters
from smarter_crds.compile.connected import Connection, check_connected, connected_warnings, find_connection
from smarter_crds.compile.model import References
from smarter_crds.compile.plugins import check_plugin, plugin_config, plugin_warnings
from smarter_crds.compile.problems import Problem, first_message
from smarter_crds.compile.providers import IGNORED_PARAMETERS, default_model, find_provider, provider_warnings
from smarter_crds.compile.static_data import with_data
from smarter_crds.plugin import Plugin
from smarter_crds.provider import Provider
from smarter_crds.runtime_config import PluginConfig


@dataclass(frozen=True)
class Resolved:
    """One plugin that can be used."""

    config: PluginConfig
    provider: Provider | None
    """The Provider that its prompt names, if it names one."""
    connection: Connection | None
    """What its tool asks, if it asks anybody."""
    warnings: tuple[str, ...]


def resolve_plugins(chatbot: Chatbot, references: References) -> tuple[Resolved | Problem, ...]:
    """Return what became of each plugin that `chatbot` names, in its order; each is named once."""
    names = dict.fromkeys(plugin.name for plugin in chatbot.spec.plugins)
    return tuple(_resolve(name, chatbot, references) for name in names)


def bot_provider(chatbot: Chatbot, references: References) -> Provider | None:
    """Return the bot's own Provider, if it can be used."""
    name = chatbot.spec.model.provider_ref.name
    provider = find_provider(name, references, chatbot.metadata.namespace, "`spec.model.providerRef`")
    return None if isinstance(provider, Problem) else provider


def fallback_providers(chatbot: Chatbot, references: References) -> Iterator[tuple[ModelParameters, Provider]]:
    """Yield the models that step in, each with its Provider, if it can be used."""
    for number, fallback in enumerate(chatbot.spec.model.fallbacks):
        place = f"`spec.model.fallbacks[{number}].providerRef`"
        provider = find_provider(fallback.provider_ref.name, references, chatbot.metadata.namespace, place)
        if not isinstance(provider, Problem):
            yield fallback, provider


def reachable(chatbot: Chatbot, references: References) -> list[tuple[Provider, str]]:
    """Return every model that may answer, with its Provider: the bot's, those that step in, and those of plugins."""
    own = bot_provider(chatbot, references)
    found = [(own, chatbot.spec.model.name or default_model(own))] if own else []
    for fallback, provider in fallback_providers(chatbot, references):
        found.append((provider, fallback.name or default_model(provider)))
    for plugin in resolve_plugins(chatbot, references):
        used = plugin.provider or own if isinstance(plugin, Resolved) else None
        if isinstance(plugin, Resolved) and used and plugin.config.model.name:
            found.append((used, plugin.config.model.name))
    named = [(provider, model) for provider, model in found if model]
    return list({(provider.metadata.name, model): (provider, model) for provider, model in named}.values())


def _resolve(name: str, chatbot: Chatbot, references: References) -> Resolved | Problem:
    plugin = _whole(name, chatbot, references)
    if isinstance(plugin, Problem):
        return plugin
    provider = _named_provider(plugin, references, chatbot.metadata.namespace)
    connection = find_connection(plugin, references, chatbot.metadata.namespace)
    if isinstance(provider, Problem):
        return provider
    if isinstance(connection, Problem):
        return connection
    if said := first_message(check_connected(plugin, connection)):
        return Problem("PluginNotAccepted", f"Plugin {name!r} is not accepted: {said}")
    used = provider or bot_provider(chatbot, references)
    config = plugin_config(plugin, provider, chatbot.spec.model.provider_ref.name)
    warnings = (*_warnings(plugin, connection, provider, used), *connected_warnings(plugin, connection))
    return Resolved(config, provider, connection, warnings)


def _whole(name: str, chatbot: Chatbot, references: References) -> Plugin | Problem:
    """Return the Plugin of this name with its data in it, or why it cannot be used."""
    plugin = references.plugins.get(name)
    if plugin is None:
        return Problem(
            "PluginNotFound",
            f"Plugin {name!r} is not in namespace {chatbot.metadata.namespace!r}; create it, or remove it from "
            "`spec.plugins`.",
        )
    said = plugin.message if isinstance(plugin, Problem) else first_message(check_plugin(plugin))
    if isinstance(plugin, Problem) or said:
        return Problem("PluginNotAccepted", f"Plugin {name!r} is not accepted: {said}")
    return with_data(plugin, references)


def _named_provider(plugin: Plugin, references: References, namespace: str) -> Provider | Problem | None:
    model = plugin.spec.prompt.model if plugin.spec.prompt else None
    if model is None or model.provider_ref is None:
        return None
    place = f"`spec.prompt.model.providerRef` of Plugin {plugin.metadata.name!r}"
    provider = find_provider(model.provider_ref.name, references, namespace, place)
    if isinstance(provider, Problem) or model.name or default_model(provider):
        return provider
    return Problem(
        "ModelNameMissing",
        f"{place} is {provider.metadata.name!r}, but neither `spec.prompt.model.name` nor the Provider's "
        "`spec.defaultModel` names a model; add one of them.",
    )


def _warnings(
    plugin: Plugin, connection: Connection | None, named: Provider | None, used: Provider | None
) -> Iterator[str]:
    yield from plugin_warnings(plugin)
    if isinstance(connection, ApiConnection):
        yield from _header_warnings(plugin, connection)
    if named:
        yield from provider_warnings(named)
    model = plugin.spec.prompt.model if plugin.spec.prompt else None
    if model is None or used is None:
        return
    for name in IGNORED_PARAMETERS.get(used.spec.type, ()):
        if getattr(model, name, None) is not None:
            alias = type(model).model_fields[name].alias
            yield (
                f"Plugin {plugin.metadata.name!r}: `spec.prompt.model.{alias}` has no effect on Provider "
                f"{used.metadata.name!r}, which is of type `{used.spec.type}`."
            )


def _header_warnings(plugin: Plugin, connection: ApiConnection) -> Iterator[str]:
    auth, api = connection.spec.auth, plugin.spec.api
    if auth is None or auth.type != "Header" or api is None:
        return
    if (auth.name or "").lower() in (header.name.lower() for header in api.headers):
        yield (
            f"Plugin {plugin.metadata.name!r}: `spec.api.headers` sets {auth.name!r} without effect, for ApiConnection "
            f"{connection.metadata.name!r} sets it itself."
        )
