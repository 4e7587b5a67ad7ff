"""Hosts, route and certificates of a bot: what the spec says, filled in from the platform."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from smarter_crds.base import Metadata
from smarter_crds.chatbot import Chatbot
from smarter_crds.chatbot_status import ExposureDefaults, TlsDefaults
from smarter_crds.compile.model import Platform
from smarter_crds.compile.problems import Problem
from smarter_crds.exposure import CertificateMode, Exposure, ExposureTls, ExposureType, GatewayRef, IssuerRef

_MAX_LABEL = 63
_MAX_HTTP_ROUTE_HOSTS = 16

_WITHOUT_EFFECT: Mapping[ExposureType, tuple[str, ...]] = {
    "Ingress": ("gateway_ref",),
    "HTTPRoute": ("class_name",),
    "None": ("hosts", "class_name", "gateway_ref", "tls"),
}
"""Fields of the exposure that mean nothing with a type."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """How a bot is reached."""

    type: ExposureType
    hosts: tuple[str, ...]
    url: str
    class_name: str
    tls_mode: CertificateMode
    certified_hosts: tuple[str, ...]
    issuer_ref: IssuerRef | None
    gateway_ref: GatewayRef | None
    tls_secret: str
    secret_hosts: tuple[str, ...]


def default_host(metadata: Metadata, base_domain: str) -> str:
    """Return the host `<name>-<namespace>.<baseDomain>`; what is too long for DNS is cut and told apart by a hash."""
    label = f"{metadata.name}-{metadata.namespace}"
    if len(label) > _MAX_LABEL:
        digest = hashlib.sha256(f"{metadata.namespace}/{metadata.name}".encode()).hexdigest()[:8]
        label = f"{label[: _MAX_LABEL - 9].rstrip('-')}-{digest}"
    return f"{label}.{base_domain}"


def route(chatbot: Chatbot, platform: Platform) -> Route:
    """Decide how `chatbot` is reached."""
    exposure = chatbot.spec.exposure or Exposure()
    asked = exposure.tls or ExposureTls()
    issuer = asked.issuer_ref or platform.issuer_ref
    hosts = _hosts(chatbot, exposure, platform)
    is_http_route = exposure.type == "HTTPRoute"
    # A route has no place for a certificate: the listener of its Gateway has.
    default_mode: CertificateMode = "External" if is_http_route else "Issuer" if issuer else platform.tls_mode
    mode = asked.mode or default_mode
    scheme = "http" if mode == "Disabled" else "https"
    return Route(
        type=exposure.type or ("Ingress" if hosts else "None"),
        hosts=hosts,
        url=f"{scheme}://{(exposure.hosts or hosts)[0]}" if hosts else "",
        class_name="" if is_http_route else exposure.class_name or platform.ingress_class_name,
        tls_mode=mode,
        certified_hosts=_certified(chatbot, hosts, platform) if mode == "Issuer" else (),
        issuer_ref=issuer if mode == "Issuer" else None,
        gateway_ref=exposure.gateway_ref if is_http_route else None,
        tls_secret=(asked.secret_name or "") if mode == "Secret" else "",
        # A bot that has no host but the default one means that.
        secret_hosts=(_certified(chatbot, hosts, platform) or hosts) if mode == "Secret" else (),
    )


def route_problems(chatbot: Chatbot, route: Route) -> Iterator[Problem]:
    """Yield why the bot cannot be reached as it asks for."""
    if route.type != "None" and not route.hosts:
        yield Problem(
            "HostRequired",
            f"`spec.exposure.type` is `{route.type}`, but the bot has no host and the platform no base domain; "
            "add one to `spec.exposure.hosts`, or use type `None`.",
        )
    if route.type == "HTTPRoute" and len(route.hosts) > _MAX_HTTP_ROUTE_HOSTS:
        yield Problem(
            "TooManyHosts",
            f"The bot has {len(route.hosts)} hosts, and an HTTPRoute carries {_MAX_HTTP_ROUTE_HOSTS}; remove some from "
            "`spec.exposure.hosts`, or use type `Ingress`.",
        )
    if route.type != "None" and route.tls_mode == "Issuer" and route.issuer_ref is None:
        yield Problem(
            "IssuerRequired",
            "`spec.exposure.tls.mode` is `Issuer`, but neither the bot nor the platform names an issuer; "
            "add `spec.exposure.tls.issuerRef`, or use mode `External` or `Disabled`.",
        )


def route_warnings(chatbot: Chatbot, route: Route) -> Iterator[str]:
    """Yield what is set about the route and has no effect."""
    exposure = chatbot.spec.exposure or Exposure()
    for name in _WITHOUT_EFFECT[exposure.type or "Ingress"]:
        if getattr(exposure, name):
            alias = Exposure.model_fields[name].alias
            yield f"`spec.exposure.{alias}` has no effect with type `{exposure.type or 'Ingress'}`."
    own = {*route.certified_hosts, *route.secret_hosts}
    if route.gateway_ref and route.gateway_ref.section_name and own and own >= set(route.hosts):
        yield "`spec.exposure.gatewayRef.sectionName` has no effect where all hosts have listeners of the bot's own."
    mode = exposure.tls.mode if exposure.tls else None
    if exposure.type == "HTTPRoute":
        mode = mode or "External"
    if exposure.type == "None" or exposure.tls is None:
        return
    if exposure.tls.issuer_ref and mode not in (None, "Issuer"):
        yield f"`spec.exposure.tls.issuerRef` has no effect with mode `{mode}`."
    if exposure.tls.secret_name and mode != "Secret":
        yield f"`spec.exposure.tls.secretName` has no effect with mode `{mode or 'Issuer'}`; set mode `Secret`."


def route_defaults(chatbot: Chatbot, route: Route) -> ExposureDefaults | None:
    """Return what the platform filled in about the route."""
    exposure = chatbot.spec.exposure or Exposure()
    if route.type == "None":
        return None if exposure.type else ExposureDefaults(type="None")
    asked = exposure.tls or ExposureTls()
    tls = TlsDefaults(
        mode=None if asked.mode else route.tls_mode,
        issuer_ref=None if asked.issuer_ref else route.issuer_ref,
    )
    defaults = ExposureDefaults(
        type=None if exposure.type else route.type,
        class_name=None if exposure.class_name else route.class_name or None,
        tls=None if tls == TlsDefaults() else tls,
    )
    return None if defaults == ExposureDefaults() else defaults


def _certified(chatbot: Chatbot, hosts: tuple[str, ...], platform: Platform) -> tuple[str, ...]:
    if not platform.base_domain or platform.base_domain_tls == "Issuer":
        return hosts
    return tuple(host for host in hosts if host != default_host(chatbot.metadata, platform.base_domain))


def _hosts(chatbot: Chatbot, exposure: Exposure, platform: Platform) -> tuple[str, ...]:
    if exposure.type == "None":
        return ()
    own = (default_host(chatbot.metadata, platform.base_domain),) if platform.base_domain else ()
    return own + tuple(host for host in exposure.hosts if host not in own)
