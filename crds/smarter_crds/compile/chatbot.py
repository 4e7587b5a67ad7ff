"""Compiles a Chatbot and what it refers to into the config that its pods serve."""

from dataclasses import replace
from typing import Any

from smarter_crds.chatbot import Chatbot, ModelParameters
from smarter_crds.chatbot_status import (
    AccessDefaults,
    BotPluginStatus,
    ChatbotDefaults,
    ConversationsDefaults,
    ModelDefaults,
)
from smarter_crds.compile import languages
from smarter_crds.compile.access import (
    access_config,
    challenge_warnings,
    identity_warnings,
    oldest_reader,
    origins_config,
)
from smarter_crds.compile.api_connections import api_connection_config, api_connection_secrets
from smarter_crds.compile.app import app_config, app_defaults
from smarter_crds.compile.bot import Bot, gather
from smarter_crds.compile.checks import CHECKS
from smarter_crds.compile.exposure import route_defaults, route_problems, route_warnings
from smarter_crds.compile.limits import limit_warnings, limits_config, limits_defaults, serving_config
from smarter_crds.compile.model import Compiled, Platform, References, Settled
from smarter_crds.compile.plugins import plugin_size
from smarter_crds.compile.prices import prices_of
from smarter_crds.compile.problems import Problem
from smarter_crds.compile.providers import (
    default_model,
    needs_langchain,
    provider_config,
    provider_secrets,
    provider_warnings,
)
from smarter_crds.compile.sql_connections import sql_connection_config, sql_connection_secrets
from smarter_crds.compile.stores import store_config, store_secrets
from smarter_crds.compile.workload import pod_template_defaults, scaling_defaults, workload, workload_warnings
from smarter_crds.provider import Provider
from smarter_crds.runtime_config import (
    MAX_DOCUMENT_BYTES,
    BotIdentity,
    ConversationsConfig,
    MaintenanceConfig,
    ModelChoice,
    ModelConfig,
    ProviderConfig,
    RuntimeConfig,
    config_hash,
    packed_size,
    to_json,
)


def compile_chatbot(chatbot: Chatbot, references: References, platform: Platform) -> Compiled:
    """Return the config of `chatbot`, or why it has none; equal input gives equal output."""
    bot = gather(chatbot, references, platform)
    problems = [problem for check in CHECKS for problem in check(chatbot, references, platform)]
    problems += route_problems(chatbot, bot.route)
    if problems:
        return replace(_refused(bot), problems=tuple(problems))
    config = _config(bot)
    document = to_json(config)
    if too_large := _too_large(config, document, references.good_config_bytes, platform.max_config_bytes):
        return replace(_refused(bot), problems=(too_large,))
    compiled = replace(_refused(bot), config=config, document=document, hash=config_hash(document))
    _check_files(compiled)
    return compiled


def _check_files(compiled: Compiled) -> None:
    """See that the config names every file by its path, which tells one Secret from the next."""
    unknown = [file.use for file in compiled.secrets if f'"{file.path}"'.encode() not in compiled.document]
    assert not unknown, f"the config does not name `SecretFile.path` of {unknown}"


def _refused(bot: Bot) -> Compiled:
    """Return all that can be said of a bot without its config."""
    secrets = {file for provider in bot.providers.values() for file in provider_secrets(provider)}
    secrets |= {file for connection in bot.api_connections for file in api_connection_secrets(connection)}
    secrets |= set(store_secrets(bot.store) if bot.store else ())
    secrets |= {file for each in bot.sql_connections.values() for file in sql_connection_secrets(each)}
    name = f"{bot.provider.metadata.name}/{bot.model_name}" if bot.provider and bot.model_name else ""
    return Compiled(
        config=None,
        document=b"",
        hash="",
        problems=(),
        plugin_problems=bot.plugin_problems,
        warnings=_warnings(bot),
        settled=_settled(bot),
        defaults=_defaults(bot),
        model=name,
        plugins=tuple(
            BotPluginStatus(name=plugin.config.name, type=plugin.config.type, hash=plugin.config.hash)
            for plugin in bot.plugins
        ),
        secrets=tuple(sorted(secrets, key=lambda file: file.path)),
    )


def _warnings(bot: Bot) -> tuple[str, ...]:
    warnings = [*route_warnings(bot.chatbot, bot.route), *workload_warnings(bot.chatbot)]
    warnings += [*limit_warnings(bot.chatbot, bot.platform), *challenge_warnings(bot.chatbot)]
    warnings += (warning for provider in bot.own_providers for warning in provider_warnings(provider))
    warnings += (warning for plugin in bot.plugins for warning in plugin.warnings)
    warnings += identity_warnings(bot.chatbot, (plugin.config for plugin in bot.plugins))
    return tuple(dict.fromkeys(warnings))


def _settled(bot: Bot) -> Settled:
    spec, route, pods = bot.chatbot.spec, bot.route, workload(bot.chatbot, bot.platform)
    return Settled(
        state=spec.state or "Active",
        replicas=pods.replicas,
        resources=spec.resources or bot.platform.resources,
        exposure_type=route.type,
        hosts=route.hosts,
        url=route.url,
        class_name=route.class_name,
        tls_mode=route.tls_mode,
        certified_hosts=route.certified_hosts,
        tls_secret=route.tls_secret,
        secret_hosts=route.secret_hosts,
        issuer_ref=route.issuer_ref,
        gateway_ref=route.gateway_ref,
        autoscaling=pods.autoscaling,
        image=pods.image or _langchain_image(bot),
        image_pull_secrets=pods.image_pull_secrets,
        store=spec.store_ref.name if spec.store_ref else "",
    )


def _langchain_image(bot: Bot) -> str:
    return bot.platform.langchain_image if any(map(needs_langchain, bot.providers.values())) else ""


def _defaults(bot: Bot) -> ChatbotDefaults:
    spec, maintenance = bot.chatbot.spec, _maintenance(bot)
    return ChatbotDefaults(
        state=None if spec.state else "Active",
        maintenance_message=None if maintenance is None or spec.maintenance_message else maintenance.message,
        language=None if spec.language else bot.platform.language,
        time_zone=None if spec.time_zone else bot.platform.time_zone,
        model=None if spec.model.name or not bot.model_name else ModelDefaults(name=bot.model_name),
        app=app_defaults(bot.chatbot, app_config(bot.chatbot, bot.language)),
        exposure=route_defaults(bot.chatbot, bot.route),
        access=None if spec.access and spec.access.mode else AccessDefaults(mode="Public"),
        limits=limits_defaults(bot.chatbot, bot.platform),
        conversations=None if spec.conversations else ConversationsDefaults(retention_days=_retention_days(bot)),
        scaling=scaling_defaults(bot.chatbot, bot.platform),
        resources=None if spec.resources else bot.platform.resources,
        pod_template=pod_template_defaults(bot.chatbot, bot.platform),
    )


def _config(bot: Bot) -> RuntimeConfig:
    spec, metadata = bot.chatbot.spec, bot.chatbot.metadata
    access = access_config(bot.chatbot, bot.language, bot.platform)
    return RuntimeConfig(
        schema_version=oldest_reader(bot.chatbot, access),
        access=access,
        origins=origins_config(bot.chatbot),
        bot=BotIdentity(name=metadata.name, namespace=metadata.namespace, uid=metadata.uid),
        description=spec.description or "",
        language=bot.language,
        time_zone=spec.time_zone or bot.platform.time_zone,
        system_prompt="" if isinstance(bot.system_prompt, Problem) else bot.system_prompt,
        model=ModelConfig(
            **_choice(spec.model, bot.provider),
            fallbacks=tuple(ModelChoice(**_choice(each, provider)) for each, provider in bot.fallbacks),
        ),
        providers={name: _provider(provider, bot) for name, provider in bot.providers.items()},
        plugins=tuple(plugin.config for plugin in bot.plugins),
        sql_connections={name: sql_connection_config(each) for name, each in bot.sql_connections.items()},
        functions=tuple(sorted(spec.functions)),
        api_connections={each.metadata.name: api_connection_config(each) for each in bot.api_connections},
        app=app_config(bot.chatbot, bot.language),
        hosts=bot.route.hosts,
        limits=limits_config(bot.chatbot, bot.platform),
        budget=spec.budget,
        serving=serving_config(bot.platform),
        store=store_config(bot.store) if bot.store else None,
        conversations=ConversationsConfig(retention_days=_retention_days(bot)),
        status_tokens=bot.platform.status_tokens,
        maintenance=_maintenance(bot),
    )


def _provider(provider: Provider, bot: Bot) -> ProviderConfig:
    """Return the config of a Provider, with the prices of those of its models that the bot may use."""
    config = provider_config(provider)
    if config.type == "Demo":
        return config
    models = sorted(model for used, model in bot.reachable if used.metadata.name == config.name)
    known = {model: prices for model in models if (prices := prices_of(provider, model, bot.prices))}
    return config.model_copy(update={"prices": known})


def _choice(model: ModelParameters, provider: Provider | None) -> dict[str, Any]:
    return {
        "provider": model.provider_ref.name,
        "name": model.name or (default_model(provider) if provider else ""),
        "temperature": model.temperature,
        "max_tokens": model.max_tokens,
        "top_p": model.top_p,
        "reasoning_effort": model.reasoning_effort,
    }


def _retention_days(bot: Bot) -> int:
    own = bot.chatbot.spec.conversations
    return own.retention_days if own else bot.platform.conversation_retention_days


def _maintenance(bot: Bot) -> MaintenanceConfig | None:
    spec = bot.chatbot.spec
    if spec.state != "Maintenance":
        return None
    return MaintenanceConfig(message=spec.maintenance_message or languages.maintenance(bot.language))


def _too_large(config: RuntimeConfig, document: bytes, good_bytes: int, most_bytes: int) -> Problem | None:
    at_most = min(most_bytes // 2, most_bytes - good_bytes)
    if len(document) > MAX_DOCUMENT_BYTES:
        bound = f"{MAX_DOCUMENT_BYTES} that a pod reads"
    # What fits uncompressed is not worth compressing.
    elif len(document) > at_most and packed_size(document, at_most) is None:
        bound = f"{at_most} compressed ones that fit beside the last good config"
    else:
        return None
    largest = max(config.plugins, key=plugin_size, default=None)
    way_out = f"shorten Plugin {largest.name!r}, the largest" if largest else "shorten `spec.systemPrompt`"
    return Problem("ConfigTooLarge", f"The bot's config takes {len(document)} bytes, more than the {bound}; {way_out}.")
