"""What a client is told whose request meets a limit: which one it is, and when asking again makes sense."""

from datetime import datetime

from smarter_runtime.errors import NO_RETRY, ApiError
from smarter_runtime.limits.ledger import Hit
from smarter_runtime.limits.lines import Named, midnight

_WHOSE_TOKENS = {False: "This chatbot has used its", True: "This API key has used its"}


def refusal(named: Named, hit: Hit, now: datetime) -> ApiError:
    """Return the error of a request that found `named` full."""
    if named.name == "tokensPerDay":
        seconds = int((midnight(now) - now).total_seconds()) + 1
        again = "It answers again after midnight UTC." if not named.of_key else "It works again after midnight UTC."
        text = f"{_WHOSE_TOKENS[named.of_key]} {named.line.limit} tokens of today. {again}"
        return _error("insufficient_quota", text, seconds, kind="insufficient_quota")
    seconds = max(1, -(-hit.retry_ms // 1000))
    if named.name == "concurrentPerClient":
        text = (
            f"Only {named.line.limit} answers at the same time are given to one client; wait until one of them is done."
        )
        return _error("too_many_answers_at_once", text, seconds)
    if named.name == "sessionsPerMinute":
        text = f"Too many new visitors came from this network. Please try again in {seconds} seconds."
        return _error("too_many_sessions", text, seconds)
    whose = "This API key may send" if named.of_key else _WHO[named.name]
    text = f"{whose} {named.line.limit} requests per minute. Please try again in {seconds} seconds."
    return _error("rate_limit_exceeded", text, seconds)


def store_unavailable() -> ApiError:
    """Return the error of a bot that must not answer because nobody can say what it has spent."""
    text = "This chatbot cannot look at its budget at the moment. Please try again later."
    return ApiError(503, "store_unavailable", text, headers={"Retry-After": "5"})


_WHO = {
    "requestsPerMinute": "This chatbot answers",
    "requestsPerMinutePerClient": "This chatbot answers to one client",
}


def _error(code: str, text: str, seconds: int, kind: str = "rate_limit_error") -> ApiError:
    return ApiError(429, code, text, kind=kind, headers={**NO_RETRY, "Retry-After": str(seconds)})
