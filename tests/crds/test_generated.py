import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from smarter_crds import KINDS
from smarter_crds.generate import custom_resource_definition, files

ROOT = Path(__file__).parents[2]
FILES = files()

Schema = dict[str, Any]
SchemaAt = tuple[str, Schema]


@pytest.mark.parametrize("path", FILES, ids=str)
def test_the_committed_file_is_what_the_models_say(path: Path) -> None:
    assert (ROOT / path).read_text(encoding="utf-8") == FILES[path], "run `make generate`"


@pytest.mark.parametrize("folder", ["crds", "charts/smarter-crds/templates"])
def test_no_file_of_a_kind_that_is_gone_is_left(folder: str) -> None:
    found = {path.relative_to(ROOT) for path in (ROOT / folder).glob("*.yaml")}
    assert found == {path for path in FILES if str(path.parent) == folder}


@pytest.mark.parametrize("kind", KINDS)
def test_the_chart_keeps_a_crd_on_uninstall_and_has_no_template_in_it(kind: str) -> None:
    text = FILES[Path("charts/smarter-crds/templates") / f"{KINDS[kind].plural}.yaml"]
    manifest = yaml.safe_load(text)
    assert manifest["metadata"].pop("annotations") == {"helm.sh/resource-policy": "keep"}
    assert manifest == custom_resource_definition(KINDS[kind])
    assert "{{" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_in_our_category_and_shows_its_age(kind: str) -> None:
    spec = custom_resource_definition(KINDS[kind])["spec"]
    [version] = spec["versions"]
    assert spec["names"]["categories"] == ["smarter"]
    assert version["additionalPrinterColumns"][-1]["name"] == "Age"
    assert all(column["description"] for column in version["additionalPrinterColumns"])


def test_chatbots_can_be_scaled() -> None:
    [version] = custom_resource_definition(KINDS["Chatbot"])["spec"]["versions"]
    assert version["subresources"] == {
        "status": {},
        "scale": {
            "specReplicasPath": ".spec.scaling.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        },
    }


@cache
def schemas() -> tuple[SchemaAt, ...]:
    """Return every schema in every CRD below spec and status, with its path."""
    found: list[SchemaAt] = []
    for kind in KINDS.values():
        [version] = custom_resource_definition(kind)["spec"]["versions"]
        root = version["schema"]["openAPIV3Schema"]
        for part in ("spec", "status"):
            if part in root["properties"]:
                found += below(f"{kind.name}.{part}", root["properties"][part])
    return tuple(found)


def below(path: str, schema: Schema) -> Iterator[SchemaAt]:
    yield path, schema
    for name, member in schema.get("properties", {}).items():
        yield from below(f"{path}.{name}", member)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from below(f"{path}[]", schema[key])


def faulty(is_fault: Callable[[Schema], bool]) -> list[str]:
    return [path for path, schema in schemas() if is_fault(schema)]


def test_every_field_is_described_in_sentences() -> None:
    fields = [(path, schema) for path, schema in schemas() if not path.endswith("[]")]
    assert len(fields) > 300
    assert [path for path, schema in fields if not schema.get("description", "").endswith(".")] == []


def test_every_optional_field_of_a_spec_says_what_holds_without_it() -> None:
    # Some members exist only together with a type, or stand for one of a pair.
    says = re.compile(
        r"Default: |[Rr]equired|, for (type|mode|operator|effect) |Either this or|, if not in|(tool|model) of type"
    )
    silent = [
        f"{path}.{name}"
        for path, schema in schemas()
        if ".spec" in path
        for name, member in schema.get("properties", {}).items()
        if name not in schema.get("required", ()) and not says.search(member["description"])
    ]
    assert silent == []


def test_every_text_is_bounded() -> None:
    def is_unbounded(schema: Schema) -> bool:
        return schema.get("type") == "string" and not {"maxLength", "enum", "format"} & set(schema)

    assert faulty(is_unbounded) == []


def test_every_list_is_bounded_and_says_how_it_merges() -> None:
    def is_vague(schema: Schema) -> bool:
        return schema.get("type") == "array" and not {"maxItems", "x-kubernetes-list-type"} <= set(schema)

    assert faulty(is_vague) == []


def test_every_map_is_bounded() -> None:
    assert faulty(lambda schema: "additionalProperties" in schema and "maxProperties" not in schema) == []


def test_every_number_is_bounded_below() -> None:
    assert faulty(lambda schema: schema.get("type") in ("integer", "number") and "minimum" not in schema) == []


@pytest.mark.parametrize("word", ["nullable", "$ref", "title", "propertyNames", "oneOf", "const", "x-keep-default"])
def test_a_word_that_is_not_ours_is_nowhere(word: str) -> None:
    assert faulty(lambda schema: word in schema) == []


def test_the_only_default_is_one_fixed_pod() -> None:
    defaults = {path: schema["default"] for path, schema in schemas() if "default" in schema}
    assert defaults == {"Chatbot.spec.scaling": {"type": "Fixed", "replicas": 1}}


def test_enums_are_in_pascal_case() -> None:
    spelled_by_others = {"GET", "POST", "PUT", "PATCH", "DELETE", "USD"}
    words = {word for _, schema in schemas() for word in schema.get("enum", ())} - spelled_by_others
    assert [word for word in words if not re.fullmatch(r"[A-Z][A-Za-z0-9]+", word)] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("hosts", "set"),
        ("functions", "set"),
        ("searchTerms", "set"),
        ("allowedCIDRs", "set"),
        ("parameters", "map"),
        ("conditions", "map"),
        ("plugins", "atomic"),
        ("examplePrompts", "atomic"),
        ("digests", "atomic"),
    ],
)
def test_lists_merge_as_documented(name: str, expected: str) -> None:
    # What status says of hosts is a list of objects.
    found = {
        schema["x-kubernetes-list-type"]
        for path, schema in schemas()
        if path.endswith(f".{name}") and path != "Chatbot.status.hosts"
    }
    assert found == {expected}


def test_a_condition_must_say_when_and_why() -> None:
    [items] = {str(schema["required"]) for path, schema in schemas() if path.endswith(".conditions[]")}
    assert items == str(["type", "status", "reason", "message", "lastTransitionTime"])
