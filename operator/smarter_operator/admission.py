"""Judges a resource before it is stored: denies what can never work, and warns of what does not work now."""

from collections.abc import Iterator
from dataclasses import dataclass

from smarter_crds.api_connection import ApiConnection
from smarter_crds.base import ApiModel
from smarter_crds.chatbot import Chatbot
from smarter_crds.compile import Platform, Problem, References, check_content, compile_chatbot, parse
from smarter_crds.compile.connections import check_api_connection, check_sql_connection, check_store
from smarter_crds.compile.plugins import plugin_warnings
from smarter_crds.compile.providers import provider_warnings
from smarter_crds.compile.static_data import with_data
from smarter_crds.compile.support import SUPPORT, check_unsupported, unsupported
from smarter_crds.kinds import KINDS
from smarter_crds.plugin import Plugin
from smarter_crds.provider import Provider
from smarter_crds.sql_connection import SqlConnection
from smarter_crds.store import Store
from smarter_operator.cache import Cache, references_of
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import BY_NAME, CHATBOT, PLUGIN, Kind
from smarter_operator.observe import references

IMPOSSIBLE = frozenset(
    {
        "DataTooDeep",
        "DataTooLarge",
        "Invalid",
        "InvalidData",
        "StoreRequired",
        "TestValueMissing",
        "ToolNameCollision",
        "UndeclaredParameter",
    }
)
"""Reasons that only an edit of the resource itself can remove; all others depend on other objects, on the platform or
on the version of the operator, and may vanish by themselves."""

WARNING_CHARACTERS = 120
"""Longest warning, as the API server advises."""

MAX_WARNINGS = 10


@dataclass(frozen=True)
class Verdict:
    """What the API server is told."""

    denial: str = ""
    """Why the resource is denied; empty: it is not."""
    warnings: tuple[str, ...] = ()
    """What its author should know; kubectl prints it."""


@dataclass(frozen=True)
class _Findings:
    problems: tuple[Problem, ...] = ()
    remarks: tuple[str, ...] = ()
    """What works and is better done in another way, or has no effect."""


def judge(kind: Kind, manifest: Manifest, before: Manifest | None, cache: Cache | None, platform: Platform) -> Verdict:
    """Judge `manifest`, which shall be stored in place of `before`.

    Args:
        cache: what exists; None while that is not known, and then nothing is said about it.
    """
    if "deletionTimestamp" in manifest["metadata"] or (before is not None and _asks_for_the_same(manifest, before)):
        return Verdict()
    found = _findings(kind, manifest, cache, platform)
    fatal = [problem for problem in found.problems if problem.reason in IMPOSSIBLE]
    if fatal and before is not None:
        # What was let in before this rule existed can still be edited: only new faults are held against it.
        old = _findings(kind, before, cache, platform).problems
        fatal = [problem for problem in fatal if problem not in old]
    if fatal:
        return Verdict(denial=" ".join(problem.message for problem in fatal[:3]))
    said = [*(problem.message for problem in found.problems), *found.remarks]
    return Verdict(warnings=_printable(said))


def _asks_for_the_same(manifest: Manifest, before: Manifest) -> bool:
    try:
        return bool(manifest.get("spec") == before.get("spec"))
    except RecursionError:
        return False


def _findings(kind: Kind, manifest: Manifest, cache: Cache | None, platform: Platform) -> _Findings:
    resource = parse(KINDS[kind.name].model, manifest)
    if isinstance(resource, Problem):
        return _Findings((resource,))
    if isinstance(resource, Chatbot):
        found = _of_chatbot(resource, manifest, cache, platform)
    else:
        around = references(manifest, cache, kind) if cache is not None and kind is PLUGIN else None
        found = _Findings(tuple(_own_problems(kind, resource)), tuple(_own_remarks(resource, around)))
    known = " ".join((*(problem.message for problem in found.problems), *found.remarks))
    missing = _missing(kind, manifest, cache, known) if cache is not None else ()
    return _Findings(found.problems, (*missing, *found.remarks))


def _of_chatbot(chatbot: Chatbot, manifest: Manifest, cache: Cache | None, platform: Platform) -> _Findings:
    around = references(manifest, cache) if cache is not None else References()
    compiled = compile_chatbot(chatbot, around, platform)
    problems = (*compiled.problems, *compiled.plugin_problems)
    if cache is None:
        return _Findings(tuple(p for p in problems if p.reason in IMPOSSIBLE or p.reason == "NotSupported"))
    remarks = [*compiled.warnings, *_about_the_image(chatbot)]
    if compiled.settled.exposure_type != "None" and compiled.settled.tls_mode == "Disabled":
        remarks.append("The bot is served without TLS; set `spec.exposure.tls.mode`, or `issuerRef` beside it.")
    return _Findings(problems, tuple(remarks))


def _about_the_image(chatbot: Chatbot) -> Iterator[str]:
    image = (chatbot.spec.runtime and chatbot.spec.runtime.image) or ""
    tag = image.rpartition("/")[2].partition(":")[2]
    if image and "@" not in image and tag in ("", "latest"):
        yield "`spec.runtime.image` names no fixed version, so pods may differ; use a tag or a digest."


def _own_problems(kind: Kind, resource: ApiModel) -> Iterator[Problem]:
    table, spec = SUPPORT[kind.name], vars(resource)["spec"]
    yield from check_unsupported(kind.name) if table is None else unsupported(spec, table)
    if isinstance(resource, Plugin):
        yield from check_content(resource)
    if isinstance(resource, SqlConnection):
        yield from check_sql_connection(resource)
    if isinstance(resource, ApiConnection):
        yield from check_api_connection(resource)
    if isinstance(resource, Store):
        yield from check_store(resource)


def _own_remarks(resource: ApiModel, around: References | None) -> Iterator[str]:
    if isinstance(resource, Plugin):
        yield from plugin_warnings(resource)
        filled = with_data(resource, around) if around is not None else resource
        if isinstance(filled, Problem):
            yield filled.message
    if isinstance(resource, Provider):
        yield from provider_warnings(resource)


def _missing(kind: Kind, manifest: Manifest, cache: Cache, known: str) -> Iterator[str]:
    """Yield what is referred to and does not exist, unless it is `known` already."""
    for kind_name, (namespace, name) in sorted(references_of(kind, manifest)):
        words = f"{kind_name} {name!r}"
        if cache.get(BY_NAME[kind_name], namespace, name) is None and words not in known:
            yield f"{words} is not in namespace {namespace!r}; create it."


def _printable(messages: list[str]) -> tuple[str, ...]:
    """Shorten the messages to what a terminal shows, and say how many are left out."""
    short = list(dict.fromkeys(_shortened(message) for message in messages))
    if len(short) <= MAX_WARNINGS:
        return tuple(short)
    left = len(short) - MAX_WARNINGS + 1
    return (*short[: MAX_WARNINGS - 1], f"There are {left} more; `kubectl describe` shows them.")


def _shortened(message: str) -> str:
    """Return the message; of one that is too long its first clause, for the status says it all."""
    message = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    if len(message) <= WARNING_CHARACTERS:
        return message
    clause = message.partition("; ")[0]
    if len(clause) < WARNING_CHARACTERS:
        return clause + "."
    return message[: WARNING_CHARACTERS - 1].rstrip() + "…"


ADMITTED = (CHATBOT, *(kind for name, kind in BY_NAME.items() if name in SUPPORT and kind is not CHATBOT))
"""The kinds that are judged."""
