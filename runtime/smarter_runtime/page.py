"""The chat page of one bot: its HTML, its colours, its public settings and the headers that protect it."""

import html
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from string import Template
from urllib.parse import quote, urlsplit

import orjson

from smarter_crds.runtime_config import RuntimeConfig

STATIC = Path(__file__).parent / "static"
_SCRIPT = "text/javascript; charset=utf-8"
ASSETS = {
    "attachments.js": _SCRIPT,
    "chat.css": "text/css; charset=utf-8",
    "chat.js": _SCRIPT,
    "history.js": _SCRIPT,
    "proof.js": _SCRIPT,
}
DEFAULT_PRIMARY = "#1f5fbf"
_HEX_COLOR = re.compile(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_SCHEMES = {"Auto": "light dark", "Light": "light", "Dark": "dark"}
_BLACK_IS_READABLE_FROM = 0.179


@dataclass(frozen=True, kw_only=True)
class Page:
    """The page, ready to be sent."""

    html: bytes
    theme_css: bytes
    settings: bytes
    security_policy: str
    embedding: bytes
    """The script that embeds the page elsewhere; empty where no site may."""


@dataclass(frozen=True)
class Asset:
    """A file that is the same for all bots."""

    body: bytes
    media_type: str
    version: str


def assets() -> dict[str, Asset]:
    files = {name: (STATIC / name).read_bytes() for name in ASSETS}
    return {name: Asset(body, ASSETS[name], sha256(body).hexdigest()[:16]) for name, body in files.items()}


def page(config: RuntimeConfig) -> Page:
    return Page(
        html=_html(config),
        theme_css=_theme_css(config),
        settings=_settings(config),
        security_policy=security_policy(config),
        embedding=_embedding(config) if config.origins.frame_ancestors else b"",
    )


def security_policy(config: RuntimeConfig) -> str:
    """Return a policy under which no inline code runs and nothing but this bot and its pictures is loaded."""
    ancestors = " ".join(["'self'", *config.origins.frame_ancestors]) if config.origins.frame_ancestors else "'none'"
    pictures = {_origin(url) for url in (config.app.logo_url, config.app.background_image_url)} - {""}
    sources = " ".join(["'self'", "data:", *sorted(pictures)])
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src {sources}; connect-src 'self'; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}; require-trusted-types-for 'script'"
    )


def _html(config: RuntimeConfig) -> bytes:
    template = Template((STATIC / "index.html").read_text())
    versions = {name.replace(".", "_"): asset.version for name, asset in assets().items()}
    texts = {
        "language": config.language,
        "title": config.app.title,
        "description": config.description,
        "notice": _maintenance(config) or config.access.notice,
        "disclosure": config.app.disclosure,
        "theme": sha256(_theme_css(config)).hexdigest()[:16],
    }
    return template.substitute({name: html.escape(text) for name, text in (texts | versions).items()}).encode()


def _settings(config: RuntimeConfig) -> bytes:
    """Return what the page may know. Everything in it is public."""
    app = config.app.model_dump(mode="json", by_alias=True)
    safe = {name: _safe_url(app[name]) for name in ("infoUrl", "logoUrl", "backgroundImageUrl")}
    own = {
        "name": config.bot.name,
        "model": config.model.name,
        "language": config.language,
        "maxPromptCharacters": config.limits.max_prompt_characters,
        "retentionDays": config.conversations.retention_days,
        "maintenanceMessage": _maintenance(config),
        "accessMessage": config.access.notice,
        "asksIdentity": config.access.identity is not None,
        "proofScript": _proof_script(config),
    }
    return orjson.dumps(app | safe | own)


def _proof_script(config: RuntimeConfig) -> str:
    """Return where the page finds what solves challenges; empty where none is asked for."""
    return f"/app/assets/proof.js?v={assets()['proof.js'].version}" if config.access.challenge_bits else ""


def _embedding(config: RuntimeConfig) -> bytes:
    words = {"title": config.app.title, "color": _primary(config), "onColor": _on_primary(config)}
    return b"const SMARTER = " + orjson.dumps(words) + b";\n" + (STATIC / "embed.js").read_bytes()


def _maintenance(config: RuntimeConfig) -> str:
    """Return what the bot says while it is away; empty while it answers."""
    return config.maintenance.message if config.maintenance else ""


def _theme_css(config: RuntimeConfig) -> bytes:
    # Only what matches a pattern gets into the style sheet; a wrong colour or address falls back to none.
    background = _safe_url(config.app.background_image_url)
    image = f'url("{background}")' if background else "none"
    scheme = _SCHEMES[config.app.theme.color_scheme]
    rules = f"color-scheme:{scheme};--primary:{_primary(config)};--on-primary:{_on_primary(config)};--backdrop:{image}"
    return f":root{{{rules}}}\n".encode()


def _primary(config: RuntimeConfig) -> str:
    color = config.app.theme.primary_color
    return color if _HEX_COLOR.fullmatch(color) else DEFAULT_PRIMARY


def _on_primary(config: RuntimeConfig) -> str:
    return "#000" if _luminance(_primary(config)) > _BLACK_IS_READABLE_FROM else "#fff"


def _luminance(color: str) -> float:
    """Return the relative luminance of WCAG for a hex colour."""
    digits = color[1:] if len(color) > 4 else "".join(2 * digit for digit in color[1:])
    channels = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _safe_url(url: str) -> str:
    """Return `url` so that it can stand in a style sheet or a link; empty unless it is an http(s) address."""
    return quote(url, safe=":/?#[]@!$&*+,;=%~-._") if _origin(url) else ""


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not re.fullmatch(r"[A-Za-z0-9.-]+", host):
        return ""
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")
