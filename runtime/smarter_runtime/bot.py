"""One bot, made ready from its config: checked whole, nothing left to parse when a request comes."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from smarter_crds.access_config import IdentityConfig
from smarter_crds.addresses import Network, networks
from smarter_crds.runtime_config import LANGCHAIN_TYPES, PluginConfig, ProviderConfig, RuntimeConfig, RuntimeProblem
from smarter_runtime.page import Page, page
from smarter_runtime.selection import Selector, selector
from smarter_runtime.tools import Tool, Toolbox
from smarter_runtime.tools.connectors import Unservable
from smarter_runtime.tools.functions import NO_WEATHER, Platform, function_problems, function_tools
from smarter_runtime.tools.static import static_tool

DEMO = "Demo"


class ConfigRefused(Exception):
    """The config cannot be served; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Bot:
    """A config in service."""

    config: RuntimeConfig
    config_hash: str
    loaded_at: datetime
    selectors: tuple[Selector, ...]
    toolbox: Toolbox
    functions: frozenset[str]
    """Names of the built-in tools, offered every turn."""
    problems: tuple[RuntimeProblem, ...]
    """What is asked for and cannot be had here."""
    page: Page
    proxies: tuple[Network, ...]
    """Whose word about the address of a client counts."""

    @property
    def claims(self) -> frozenset[str]:
        """Names of the claims that plugins take values from."""
        parameters = (each for plugin in self.config.plugins for each in plugin.parameters)
        return frozenset(each.claim for each in parameters if each.claim)

    @property
    def model_name(self) -> str:
        """The one name under which the bot's answers come, whichever model made them."""
        return self.config.model.name


def prepared(config: RuntimeConfig, config_hash: str, loaded_at: datetime, platform: Platform = NO_WEATHER) -> Bot:
    """Return the bot of `config`.

    Raises:
        ConfigRefused: when a part of it names something that is not there or cannot be done.
    """
    _check_models(config)
    _check_time_zone(config.time_zone)
    _check_identity(config.access.identity)
    functions = function_tools(config, platform)
    plugins = [_tool(plugin, config, platform) for plugin in config.plugins if not _is_empty(plugin)]
    return Bot(
        config=config,
        config_hash=config_hash,
        loaded_at=loaded_at,
        selectors=tuple(selector(plugin, config.language) for plugin in config.plugins),
        toolbox=Toolbox([*functions, *plugins]),
        functions=frozenset(tool.offer.name for tool in functions),
        problems=function_problems(config, platform),
        page=page(config),
        proxies=networks(config.serving.trusted_proxies),
    )


def _check_models(config: RuntimeConfig) -> None:
    used = {"model": config.model.provider}
    used |= {f"fallback {number}": each.provider for number, each in enumerate(config.model.fallbacks)}
    used |= {f"plugin {plugin.name!r}": plugin.model.provider for plugin in config.plugins if plugin.model.provider}
    for place, key in used.items():
        if key not in config.providers:
            raise ConfigRefused(f"The {place} names provider {key!r}, which `providers` does not have.")
    for name, provider in config.providers.items():
        _check_provider(name, provider)
    _check_networks("`serving`", config.serving.trusted_proxies, "trustedProxies")
    if config.store:
        _check_networks(f"Store {config.store.name!r}", config.store.allowed_cidrs)


def _check_provider(name: str, provider: ProviderConfig) -> None:
    if provider.type == DEMO:
        return
    # LangChain's libraries know where their providers are.
    is_known = not provider.base_url and provider.type in LANGCHAIN_TYPES
    if not (is_known or provider.base_url.startswith(("https://", "http://"))):
        raise ConfigRefused(f"Provider {name!r} needs a `baseUrl` that begins with https:// or http://.")
    _check_networks(f"Provider {name!r}", provider.allowed_cidrs)


def _check_identity(identity: IdentityConfig | None) -> None:
    if identity is None:
        return
    if not identity.jwks_url.startswith(("https://", "http://")):
        raise ConfigRefused("`access.identity.jwksUrl` must begin with https:// or http://.")
    _check_networks("`access.identity`", identity.allowed_cidrs)


def _check_networks(thing: str, cidrs: Iterable[str], member: str = "allowedCIDRs") -> None:
    try:
        networks(cidrs)
    except ValueError as error:
        raise ConfigRefused(f"{thing} has an entry in `{member}` that is no network: {error}.") from error


def _check_time_zone(name: str) -> None:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise ConfigRefused(f"`timeZone` {name!r} is unknown; use a name such as Europe/Madrid.") from error


def _is_empty(plugin: PluginConfig) -> bool:
    """A tool without anything to choose cannot be called; the plugin's role holds all the same."""
    return plugin.static is not None and not plugin.static.data


def _tool(plugin: PluginConfig, config: RuntimeConfig, platform: Platform) -> Tool:
    try:
        made = static_tool(plugin) if plugin.type == "Static" else platform.connectors.tool(plugin, config)
    except Unservable as error:
        raise ConfigRefused(str(error)) from error
    is_write, is_asked_for = plugin.side_effects == "Write", plugin.confirm == "Visitor"
    return replace(made, is_write=is_write, needs_confirmation=is_asked_for, version=plugin.hash)
