"""What the chat page is made of, and the session it talks with."""

import time
from typing import Any

import orjson
from fastapi import Request, Response

from smarter_runtime import services as parts
from smarter_runtime.access import check_visitors_are_let_in
from smarter_runtime.bot import Bot
from smarter_runtime.challenges import GOOD_FOR, Claim, claimed, used
from smarter_runtime.endpoints.body import json_body
from smarter_runtime.errors import ApiError, invalid
from smarter_runtime.identity import Identity
from smarter_runtime.services import Services
from smarter_runtime.sessions import COOKIE, SECURE_COOKIE, checked_origin, known_or_new, visitor_cookie

_FOREVER = "public, max-age=31536000, immutable"


async def chat_page(request: Request) -> Response:
    page = parts.of(request).bot().page
    headers = {
        "Content-Security-Policy": page.security_policy,
        "Cache-Control": "no-cache",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
    if not page.embedding:
        # For browsers that do not know the policy's own word for it; it cannot name sites.
        headers["X-Frame-Options"] = "DENY"
    return Response(page.html, media_type="text/html; charset=utf-8", headers=headers)


async def embedding(request: Request) -> Response:
    script = parts.of(request).bot().page.embedding
    if not script:
        text = "No site may embed this chatbot; its operator names those that may in `spec.exposure.frameAncestors`."
        raise ApiError(404, "not_embeddable", text)
    headers = {"Cache-Control": "public, max-age=300", "Cross-Origin-Resource-Policy": "cross-origin"}
    return Response(script, media_type="text/javascript; charset=utf-8", headers=headers)


async def asset(request: Request) -> Response:
    found = parts.of(request).assets.get(request.path_params["name"])
    if found is None:
        raise ApiError(404, "not_found", "There is no such file.")
    is_pinned = request.query_params.get("v") == found.version
    headers = {"Cache-Control": _FOREVER if is_pinned else "no-cache"}
    return Response(found.body, media_type=found.media_type, headers=headers)


async def settings(request: Request) -> Response:
    page = parts.of(request).bot().page
    return Response(page.settings, media_type="application/json", headers={"Cache-Control": "no-cache"})


async def theme(request: Request) -> Response:
    page = parts.of(request).bot().page
    return Response(page.theme_css, media_type="text/css; charset=utf-8", headers={"Cache-Control": "no-cache"})


async def challenge(request: Request) -> Response:
    services = parts.of(request)
    bot = services.bot()
    _checked_scheme(request, bot)
    # Where no proof is asked for, any number is one: a page need not know.
    new = services.challenges.new(bot.config.access.challenge_bits, bot.config.bot.uid)
    given = {
        "challenge": new.token,
        "difficulty": new.difficulty,
        "algorithm": "SHA-256",
        "expiresInSeconds": int(GOOD_FOR.total_seconds()),
    }
    return Response(orjson.dumps(given), media_type="application/json", headers={"Cache-Control": "no-store"})


async def session(request: Request) -> Response:
    services = parts.of(request)
    bot = services.bot()
    is_https = _checked_scheme(request, bot) == "https"
    body = await json_body(request, services.settings)
    await services.limits.admit_session(bot.config, services.origin(request, bot))
    who = await _identity(body.value, services, bot)
    claim = claimed(body.value)
    if who is None:
        # Whom a site vouches for needs no proof.
        await _check_work(claim, services, bot)
    visitor = known_or_new(request.cookies.get(SECURE_COOKIE if is_https else COOKIE), who)
    lifetime = services.sessions.lifetime_seconds
    given = {
        "token": services.sessions.token(visitor, bot.config.bot.uid),
        "expiresInSeconds": min(lifetime, who.until - int(time.time())) if who else lifetime,
    }
    headers = {"Cache-Control": "no-store", "Set-Cookie": visitor_cookie(visitor, is_https=is_https)}
    return Response(orjson.dumps(given), media_type="application/json", headers=headers)


def _checked_scheme(request: Request, bot: Bot) -> str:
    """Return the scheme of the page that asks for a session, which must be one that gets any."""
    host, allowed = request.headers.get("host", ""), bot.config.origins.allowed
    scheme = checked_origin(request.headers.get("origin"), host, bot.config.hosts, allowed)
    check_visitors_are_let_in(bot)
    return scheme


async def _check_work(claim: Claim, services: Services, bot: Bot) -> None:
    """Take the proof of work, if the bot asks for one."""
    bits, uid = bot.config.access.challenge_bits, bot.config.bot.uid
    if not bits:
        return
    proof = services.challenges.proven(claim, bits, uid)
    if not await services.limits.is_first_use(f"challenge/{uid}/{proof.nonce}", proof.until_ms):
        raise used()


async def _identity(body: Any, services: Services, bot: Bot) -> Identity | None:
    """Return who the visitor is, by the signed token in the body; None: the site says nothing."""
    if not isinstance(body, dict):
        raise invalid("The body must be a JSON object.")
    token = body.get("identity")
    if token is None:
        return None
    if not isinstance(token, str):
        raise invalid("`identity` must be a signed token (JWT).", "identity")
    who = await services.identities.verified(token, bot.config)
    return who.with_claims(bot.claims)


async def identity(request: Request) -> Response:
    uid = parts.of(request).bot().config.bot.uid
    return Response(orjson.dumps({"uid": uid}), media_type="application/json", headers={"Cache-Control": "no-cache"})
