"""All that is known of a bot before its config is written."""

from collections.abc import Sequence
from dataclasses import dataclass

from smarter_crds.api_connection import ApiConnection
from smarter_crds.chatbot import Chatbot, ModelParameters
from smarter_crds.compile.config_maps import system_prompt
from smarter_crds.compile.exposure import Route, route
from smarter_crds.compile.model import Platform, References
from smarter_crds.compile.prices import PriceTable
from smarter_crds.compile.problems import Problem
from smarter_crds.compile.providers import default_model
from smarter_crds.compile.resolve import Resolved, bot_provider, fallback_providers, reachable, resolve_plugins
from smarter_crds.compile.stores import find_store
from smarter_crds.provider import Provider
from smarter_crds.sql_connection import SqlConnection
from smarter_crds.store import Store


@dataclass(frozen=True, kw_only=True)
class Bot:
    """Everything that is known of a bot before its config is written."""

    chatbot: Chatbot
    platform: Platform
    provider: Provider | None
    fallbacks: tuple[tuple[ModelParameters, Provider], ...]
    """Those whose Providers can be used."""
    plugins: tuple[Resolved, ...]
    plugin_problems: tuple[Problem, ...]
    route: Route
    store: Store | None
    """None: it names none, or one that cannot be used."""
    reachable: Sequence[tuple[Provider, str]]
    """Every model that may answer."""
    prices: PriceTable
    system_prompt: str | Problem

    @property
    def language(self) -> str:
        return self.chatbot.spec.language or self.platform.language

    @property
    def model_name(self) -> str:
        return self.chatbot.spec.model.name or (default_model(self.provider) if self.provider else "")

    @property
    def own_providers(self) -> tuple[Provider, ...]:
        own = [self.provider] if self.provider else []
        return (*own, *(provider for _, provider in self.fallbacks))

    @property
    def providers(self) -> dict[str, Provider]:
        """All Providers that the bot uses, by name."""
        used = [*self.own_providers, *(plugin.provider for plugin in self.plugins)]
        return {provider.metadata.name: provider for provider in used if provider}

    @property
    def api_connections(self) -> tuple[ApiConnection, ...]:
        """Return the ApiConnections that the bot uses, each once."""
        used = (plugin.connection for plugin in self.plugins)
        found = {each.metadata.name: each for each in used if isinstance(each, ApiConnection)}
        return tuple(found[name] for name in sorted(found))

    @property
    def sql_connections(self) -> dict[str, SqlConnection]:
        """The SqlConnections that plugins use, by name."""
        used = [plugin.connection for plugin in self.plugins]
        return {each.metadata.name: each for each in used if isinstance(each, SqlConnection)}


def gather(chatbot: Chatbot, references: References, platform: Platform) -> Bot:
    """Look up what `chatbot` refers to."""
    outcomes, store = resolve_plugins(chatbot, references), find_store(chatbot, references)
    return Bot(
        chatbot=chatbot,
        platform=platform,
        provider=bot_provider(chatbot, references),
        fallbacks=tuple(fallback_providers(chatbot, references)),
        plugins=tuple(outcome for outcome in outcomes if isinstance(outcome, Resolved)),
        plugin_problems=tuple(outcome for outcome in outcomes if isinstance(outcome, Problem)),
        route=route(chatbot, platform),
        store=store if isinstance(store, Store) else None,
        reachable=reachable(chatbot, references),
        prices=references.prices,
        system_prompt=system_prompt(chatbot, references),
    )
