"""Brings ApiKeys about: makes their tokens so that a crash at any call leaves no second one, and reports on them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from smarter_crds.api_key import ApiKey, IssuedDigest
from smarter_crds.compile import Problem, check_api_key, expires, is_issued, parse
from smarter_operator.cache import Cache, ObjectName
from smarter_operator.cluster import Cluster, Manifest, NotFound, Rejected
from smarter_operator.findings import Verdict
from smarter_operator.issuing import (
    Plan,
    Token,
    new_token,
    next_end,
    plan,
    secret_name,
    token_secret,
    with_pending,
    with_secret,
)
from smarter_operator.kinds import API_KEY, CHATBOT, SECRET
from smarter_operator.reporting import UseReporter
from smarter_operator.status import dated

LOOK_AGAIN_SECONDS = 15.0
"""How soon a Secret that was refused is tried again: a quota or a policy sends us no event when it changes."""

LONGEST_WAIT_SECONDS = 86400.0

Issued = tuple[IssuedDigest, ...]


@dataclass(frozen=True, kw_only=True)
class _Result:
    """Where the tokens of one key stand."""

    raw: Manifest
    issued: list[dict[str, Any]]
    refused: Problem | None = None


@dataclass(frozen=True, kw_only=True)
class ApiKeyReconciler:
    """Makes tokens and keeps the status of ApiKeys."""

    cluster: Cluster
    cache: Cache
    reporter: UseReporter
    now: Callable[[], datetime]
    held: dict[ObjectName, Token] = field(default_factory=dict)
    """Tokens whose Secret was refused, so that trying again needs no new digest. They are not valid yet."""

    async def reconcile(self, namespace: str, name: str) -> float | None:
        """Make or drop tokens as the key asks for, and report. Returns the seconds until there is more to do."""
        raw = self.cache.get(API_KEY, namespace, name)
        if raw is None or "deletionTimestamp" in raw["metadata"]:
            self.reporter.forget(API_KEY, (namespace, name))
            self.held.pop((namespace, name), None)
            return None
        key = parse(ApiKey, raw)
        problems = (key,) if isinstance(key, Problem) else check_api_key(key)
        if problems or isinstance(key, Problem):
            status = self._status(raw, raw.get("status", {}).get("issued", []), _refusal(problems))
            return await self.reporter.report(API_KEY, raw, status, exact=True)
        result = await self._issue(raw, key)
        verdicts = self._verdicts(key, result.issued, result.refused)
        status = self._status(result.raw, result.issued, verdicts)
        held = await self.reporter.report(API_KEY, result.raw, status, exact=True)
        return self._again(held, key, result)

    async def _issue(self, raw: Manifest, key: ApiKey) -> _Result:
        name = (key.metadata.namespace, key.metadata.name)
        held = self.held.get(name)
        due = plan(key, self.now(), held.sha256 if held else "")
        try:
            await self._delete_secrets(key, due.doomed)
        except Rejected as error:
            problem = Problem("SecretRefused", f"A Secret that must go could not be deleted: {error}")
            return _Result(raw=raw, issued=_written(key.status.issued), refused=problem)
        if due.rotation is None:
            self.held.pop(name, None)
            return _Result(raw=raw, issued=_written(due.kept))
        token = held if held and any(each.sha256 == held.sha256 for each in due.kept) else new_token()
        return await self._create(raw, key, due, token)

    async def _create(self, raw: Manifest, key: ApiKey, due: Plan, token: Token) -> _Result:
        name = (key.metadata.namespace, key.metadata.name)
        assert due.rotation is not None
        pending = with_pending(due.kept, token, due.rotation)
        if _written(pending) != raw.get("status", {}).get("issued", []):
            status = self._status(raw, _written(pending), self._verdicts(key, _written(pending), None))
            raw = await self.reporter.write(API_KEY, raw, status, exact=True)
        try:
            await self.cluster.create_object(SECRET, token_secret(key, token))
        except (Rejected, NotFound) as error:
            self.held[name] = token
            what = secret_name(key.metadata.name, token.sha256)
            problem = Problem("SecretRefused", f"Secret {what!r} with the token was refused: {error}")
            return _Result(raw=raw, issued=_written(pending), refused=problem)
        self.held.pop(name, None)
        return _Result(raw=raw, issued=_written(with_secret(key, pending, token, self.now())))

    async def _delete_secrets(self, key: ApiKey, doomed: Issued) -> None:
        for entry in doomed:
            name = secret_name(key.metadata.name, entry.sha256)
            await self.cluster.delete(SECRET, key.metadata.namespace, name)

    def _status(self, raw: Manifest, issued: list[dict[str, Any]], verdicts: dict[str, Verdict]) -> dict[str, Any]:
        metadata = raw["metadata"]
        status = {
            "observedGeneration": metadata["generation"],
            "usedBy": len(self.cache.opened_by(raw)),
            "conditions": dated(verdicts, raw, self.now()),
        }
        return status | ({"issued": issued} if issued else {})

    def _verdicts(self, key: ApiKey, issued: list[dict[str, Any]], refused: Problem | None) -> dict[str, Verdict]:
        accepted: Verdict = ("True", "Accepted", "The key can be used.")
        now_issued = _issued_verdict(key, issued, refused)
        found = {"Accepted": accepted, "Issued": now_issued}
        return found | {"Ready": self._ready(key, now_issued)}

    def _ready(self, key: ApiKey, issued: Verdict) -> Verdict:
        if issued[0] != "True":
            return issued
        end = expires(key)
        if end is not None and end <= self.now():
            return "False", "Expired", f"The key is over since {end:%Y-%m-%dT%H:%M:%SZ}; set a later end, or delete it."
        missing = [bot for bot in key.spec.scope.chatbots if self._is_missing(key, bot)]
        if missing:
            there = f"not in namespace {key.metadata.namespace!r}"
            text = f"Chatbot {missing[0]!r}, named in `spec.scope.chatbots`, is {there}; create it, or remove it."
            return "False", "ChatbotNotFound", text
        if key.spec.disabled:
            return "True", "Disabled", "The key is refused everywhere, as asked for."
        return "True", "Ready", "The key opens its Chatbots."

    def _is_missing(self, key: ApiKey, bot: str) -> bool:
        is_listed = key.spec.scope.type == "Listed"
        return is_listed and self.cache.get(CHATBOT, key.metadata.namespace, bot) is None

    def _again(self, held: float | None, key: ApiKey, result: _Result) -> float | None:
        now = self.now()
        end = next_end(key, tuple(IssuedDigest.model_validate(each) for each in result.issued), now)
        waits = [held, LOOK_AGAIN_SECONDS if result.refused else None]
        # A token whose time is over is dropped a moment later, not a moment before.
        waits.append(min(max((end - now).total_seconds(), 0) + 1, LONGEST_WAIT_SECONDS) if end else None)
        return min((wait for wait in waits if wait is not None), default=None)


def _refusal(problems: tuple[Problem, ...]) -> dict[str, Verdict]:
    verdict: Verdict = ("False", problems[0].reason, " ".join(problem.message for problem in problems[:3]))
    return {"Accepted": verdict, "Issued": ("Unknown", "NotAccepted", "The key is not accepted."), "Ready": verdict}


def _issued_verdict(key: ApiKey, issued: list[dict[str, Any]], refused: Problem | None) -> Verdict:
    if refused is not None:
        return "False", refused.reason, refused.message
    if key.spec.generate is None:
        return "True", "MadeElsewhere", "The digests are in the spec; whoever made the tokens has them."
    newest = IssuedDigest.model_validate(issued[0])
    if not is_issued(newest):
        return "False", "Issuing", "The token is being made."
    return "True", "Issued", f"Secret {newest.secret_name!r} holds the token."


def _written(issued: Issued) -> list[dict[str, Any]]:
    return [each.model_dump(mode="json", by_alias=True, exclude_none=True) for each in issued]
