"""Web pages of other origins: which of them may call the API from a browser, and which may embed the chat page."""

import re
from collections.abc import Iterable

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from smarter_runtime.configs import Configs

_PATHS = ("/v1/", "/app/v1/")
_EXPOSED = ("Idempotent-Replayed", "Retry-After", "Smarter-Conversation", "X-Request-ID", "x-should-retry")
_MAX_AGE_SECONDS = 600
_SUBDOMAIN = r"[a-z0-9-]+(\.[a-z0-9-]+)*"


class Origins:
    """Lets the pages call that the bot's config names; a bot that names none pays nothing."""

    def __init__(self, app: ASGIApp, configs: Configs) -> None:
        self._app = app
        self._configs = configs
        self._allowed: tuple[str, ...] = ()
        self._cors: ASGIApp = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        allowed = self._configs.bot.config.origins.allowed if self._configs.bot else ()
        if not allowed or scope["type"] != "http" or not scope["path"].startswith(_PATHS):
            await self._app(scope, receive, send)
            return
        if allowed != self._allowed:
            self._allowed, self._cors = allowed, _cors(self._app, allowed)
        await self._cors(scope, receive, send)


def _cors(app: ASGIApp, allowed: tuple[str, ...]) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origin_regex=_pattern(allowed),
        allow_methods=("GET", "POST", "DELETE"),
        # OpenAI's SDKs send a dozen of their own.
        allow_headers=("*",),
        # The visitor's cookie, which is another one on each site.
        allow_credentials=True,
        expose_headers=_EXPOSED,
        max_age=_MAX_AGE_SECONDS,
    )


def is_among(origin: str, allowed: Iterable[str]) -> bool:
    """Tell whether `origin` is one of those allowed; `https://*.shop.example` stands for all subdomains."""
    return re.fullmatch(_pattern(allowed), origin) is not None


def _pattern(allowed: Iterable[str]) -> str:
    return "|".join(re.escape(origin).replace(r"\*", _SUBDOMAIN) for origin in allowed) or r"(?!)"
