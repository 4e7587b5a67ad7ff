"""Whatever does not work yet is refused when it is set, by its name; whatever works is not."""

from collections.abc import Iterator
from typing import Any

import pytest

from smarter_crds import KINDS, ApiKey, Chatbot, Plugin, Provider
from smarter_crds.compile import (
    Platform,
    PlatformLimits,
    Problem,
    References,
    check_api_key,
    check_plugin,
    check_provider,
    check_unsupported,
    compile_chatbot,
    judge,
    parse,
)
from smarter_crds.compile.support import SUPPORT
from smarter_crds.compile.supported import NO, Support, unsupported
from smarter_crds.reference import FieldDoc, fields, support_of
from smarter_crds.schema import Schema, structural_schema
from support.samples import Manifest, full, minimal

Case = tuple[str, str, object]

TABLES = {kind: table for kind, table in SUPPORT.items() if table is not None}

# The second of a pair, and what it excludes: a full sample can hold only the first.
SECONDS: dict[tuple[str, str], tuple[object, str]] = {
    ("Chatbot", "systemPromptFrom"): ({"configMapKeyRef": {"name": "a", "key": "b"}}, "systemPrompt"),
    ("Plugin", "static.dataFrom"): ({"configMapKeyRef": {"name": "a", "key": "b"}}, "static.data"),
    ("ApiKey", "digests"): ([{"sha256": "0" * 64}], "generate"),
    ("ApiKey", "digests[].sha256"): ("0" * 64, "generate"),
    ("ApiKey", "digests[].notAfter"): ("2029-01-01T00:00:00Z", "generate"),
    ("ApiKey", "generate.rotation"): (1, "digests"),
}

# What must stand beside a value, lest the API refuse the resource before we can.
BESIDE: dict[tuple[str, str, object], str] = {
    ("Chatbot", "exposure.type", "HTTPRoute"): "exposure.gatewayRef",
    ("Chatbot", "exposure.tls.mode", "Secret"): "exposure.tls.secretName",
    ("Chatbot", "scaling.type", "Auto"): "scaling.maxReplicas",
    ("Plugin", "selector.directive", "SearchTerms"): "selector.searchTerms",
    ("Plugin", "type", "Sql"): "sql",
    ("Plugin", "type", "Api"): "api",
    ("Provider", "type", "AzureOpenAI"): "baseUrl",
    ("Provider", "type", "OpenAICompatible"): "baseUrl",
    ("Provider", "type", "Ollama"): "baseUrl",
    ("Provider", "type", "LangChain"): "langchain",
}


def spec_schema(kind: str) -> Schema:
    schema: Schema = structural_schema(KINDS[kind].model)["properties"]["spec"]
    return schema


def spec_fields(kind: str) -> dict[str, FieldDoc]:
    return {field.path: field for field in fields(spec_schema(kind))}


def refusals(kind: str, manifest: Manifest) -> list[str]:
    """Return what is said against `manifest` as not supported."""
    parsed = parse(KINDS[kind].model, manifest)
    assert not isinstance(parsed, Problem), parsed.message
    if isinstance(parsed, Chatbot):
        problems = compile_chatbot(parsed, References(), Platform(limits=PlatformLimits(tokens_per_day=1))).problems
    elif isinstance(parsed, ApiKey):
        problems = check_api_key(parsed)
    elif not isinstance(parsed, Plugin | Provider):
        problems = judge(kind, manifest).problems
    else:
        assert isinstance(parsed, Plugin | Provider)
        problems = check_plugin(parsed) if isinstance(parsed, Plugin) else check_provider(parsed)
    return [problem.message for problem in problems if problem.reason == "NotSupported"]


def with_field(kind: str, path: str, value: object) -> Manifest:
    """Return the smallest resource with the field at `path` set to `value`, and what must stand beside it."""
    manifest = minimal(kind)
    if second := second_of(kind, path):
        excluded = SECONDS[kind, second][1].split(".")
        descend(manifest["spec"], excluded[:-1]).pop(excluded[-1], None)
    # What the spec itself requires is there already, in its smallest form.
    schema = spec_schema(kind) | {"required": []}
    for name, member in (*beside(kind, path, value), (path, value)):
        merge(manifest["spec"], only(whole(kind), schema, name.split("."), member))
    return manifest


def beside(kind: str, path: str, value: object) -> Iterator[tuple[str, object]]:
    if kind == "ApiConnection" and path.startswith("auth."):
        # Each type requires members of its own; the sample has those of all.
        yield "auth", sample(kind, "auth")
    if (kind, path) == ("ApiKey", "scope.type"):
        yield "scope.chatbots", ["support"]
    if path == "selector.match":
        yield "selector.searchTerms", ["order"]
    if path.startswith("scaling."):
        yield "scaling.replicas", 1
    if isinstance(value, str) and (name := BESIDE.get((kind, path, value))):
        yield name, sample(kind, name)


def sample(kind: str, path: str) -> object:
    """Return a valid value of the field at `path`."""
    if (kind, path) in SECONDS:
        return SECONDS[kind, path][0]
    return descend(whole(kind), path.split("."))


def second_of(kind: str, path: str) -> str:
    """Return the second of a pair to which `path` belongs; empty where it belongs to none."""
    return next((second for of, second in SECONDS if of == kind and f"{path}.".startswith(f"{second}.")), "")


def whole(kind: str) -> Manifest:
    """Return a full spec with the seconds in it, too, which no API server would take."""
    spec: Manifest = full(kind)["spec"]
    for (of, path), (value, _) in SECONDS.items():
        if of == kind and "[]" not in path:
            *parents, last = path.split(".")
            place = spec
            for parent in parents:
                place = place.setdefault(parent, {})
            place.setdefault(last, value)
    return spec


def descend(value: Any, steps: list[str]) -> Any:
    for number, step in enumerate(steps, start=1):
        value = value[step.removesuffix("[]")]
        if step.endswith("[]"):
            value = item_with(value, steps[number:])
    return value


def item_with(items: list[Any], steps: list[str]) -> Any:
    """Return the first of `items` that has the member along `steps`, for not every item has every member."""
    return next((item for item in items if steps and steps[0].removesuffix("[]") in item), items[0])


def only(source: Any, schema: Schema, steps: list[str], value: object) -> Any:
    """Return the part of `source` along `steps`, with what is required beside them, and `value` at the end."""
    if not steps:
        return value
    # A full sample lacks the second of a pair, which then stands alone.
    source = source or {}
    step, rest = steps[0], steps[1:]
    name = step.removesuffix("[]")
    # A parameter that the model gives must be described.
    siblings = (*schema.get("required", ()), "description")
    required = {sibling: source[sibling] for sibling in siblings if sibling in source}
    member, member_schema = source.get(name), schema["properties"][name]
    if step.endswith("[]"):
        return required | {name: [only(item_with(member or [{}], rest), member_schema["items"], rest, value)]}
    return required | {name: only(member, member_schema, rest, value)}


def merge(target: dict[str, Any], source: dict[str, Any]) -> None:
    for name, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            merge(target[name], value)
        else:
            target[name] = value


def test_every_kind_but_the_operators_own_is_in_the_table() -> None:
    assert set(SUPPORT) == {name for name, kind in KINDS.items() if kind.scope == "Namespaced"}


@pytest.mark.parametrize("kind", TABLES)
def test_every_field_has_an_entry_and_every_entry_a_field(kind: str) -> None:
    below_refused = {
        path for path in spec_fields(kind) if path not in TABLES[kind] and not support_of(path, TABLES[kind]).works
    }
    assert set(spec_fields(kind)) == set(TABLES[kind]) | below_refused


@pytest.mark.parametrize("kind", TABLES)
def test_every_restricted_value_is_one_that_the_api_knows(kind: str) -> None:
    known = {path: field.schema.get("enum", [True, False]) for path, field in spec_fields(kind).items()}
    strangers = {path: set(support.values) - set(known[path]) for path, support in TABLES[kind].items()}
    assert {path: found for path, found in strangers.items() if found} == {}


@pytest.mark.parametrize("kind", TABLES)
def test_a_kind_that_works_is_not_refused_as_a_whole(kind: str) -> None:
    assert check_unsupported(kind) == ()


@pytest.mark.parametrize("kind", TABLES)
def test_the_smallest_resource_sets_nothing_that_is_refused(kind: str) -> None:
    assert refusals(kind, minimal(kind)) == []


def accepted_cases() -> list[Case]:
    """Return kind, field and value for everything that must not be refused; objects by their members."""
    cases: list[Case] = []
    for kind, table in TABLES.items():
        known = spec_fields(kind)
        for path, support in table.items():
            has_members = "properties" in known[path].schema | known[path].schema.get("items", {})
            if support.works and not has_members:
                cases += [(kind, path, value) for value in support.values or [sample(kind, path)]]
    return cases


def case_id(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) < 50 else None


@pytest.mark.parametrize("kind", TABLES)
def test_all_of_the_api_works(kind: str) -> None:
    known = spec_fields(kind)
    for path, support in TABLES[kind].items():
        assert support.works, path
        if support.values:
            assert set(known[path].schema.get("enum", [True, False])) == set(support.values), path


def test_what_does_not_work_yet_is_refused_by_name() -> None:
    parsed = parse(Chatbot, full("Chatbot"))
    assert isinstance(parsed, Chatbot)
    some = {"app.fileAttachment": Support(True, (False,)), "language": NO, "plugins[].name": NO}
    assert [problem.message for problem in unsupported(parsed.spec, {**TABLES["Chatbot"], **some})] == [
        "`spec.language` is not supported yet; remove it.",
        *["`spec.plugins[].name` is not supported yet; remove it."] * len(parsed.spec.plugins),
        "`spec.app.fileAttachment: true` is not supported yet; use `false`.",
    ]


@pytest.mark.parametrize(("kind", "path", "value"), accepted_cases(), ids=case_id)
def test_what_works_is_not_refused(kind: str, path: str, value: object) -> None:
    assert refusals(kind, with_field(kind, path, value)) == []


@pytest.mark.parametrize("empty", [{}, {"nodeSelector": {}}, {"tolerations": []}], ids=str)
def test_an_empty_member_asks_for_nothing(empty: dict[str, Any]) -> None:
    manifest = minimal("Chatbot")
    manifest["spec"] |= {"podTemplate": empty, "functions": [], "exposure": {"annotations": {}, "allowedOrigins": []}}
    assert refusals("Chatbot", manifest) == []
