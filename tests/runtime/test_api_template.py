"""Where the values of a request go, and in which form; what an attacker writes stays a value."""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from smarter_crds.api_config import ApiConfig, PairConfig
from smarter_runtime.tools import ToolFailed
from smarter_runtime.tools.api.template import Request, request, undeclared


def made(values: dict[str, Any], **fields: Any) -> Request:
    return request(ApiConfig(**{"connection": "erp", "method": "GET", "path": "/x"} | fields), values)


def pair(name: str, value: str) -> PairConfig:
    return PairConfig(name=name, value=value)


@pytest.mark.parametrize(
    ("path", "values", "target"),
    [
        pytest.param("/orders/{id}", {"id": 7}, "/orders/7", id="number"),
        pytest.param("/orders/{id}/lines", {"id": "a b"}, "/orders/a%20b/lines", id="blank"),
        pytest.param("/orders/{id}", {"id": "a/b?c#d&e"}, "/orders/a%2Fb%3Fc%23d%26e", id="syntax"),
        pytest.param("/orders/{id}", {"id": "100%"}, "/orders/100%25", id="percent"),
        pytest.param("/orders/{id}", {"id": "größe"}, "/orders/gr%C3%B6%C3%9Fe", id="umlauts"),
        pytest.param("/orders/{id}", {"id": "a\r\nHost: b"}, "/orders/a%0D%0AHost%3A%20b", id="line-break"),
        pytest.param("/orders/{id}", {"id": True}, "/orders/true", id="boolean"),
        pytest.param("/{a}-{b}.json", {"a": 1, "b": 2.5}, "/1-2.5.json", id="several"),
        pytest.param("/{a}", {"a": "{b}", "b": "secret"}, "/%7Bb%7D", id="a-value-is-no-template"),
        pytest.param("/caf%C3%A9/é/{a}", {"a": "x"}, "/caf%C3%A9/%C3%A9/x", id="literal"),
        pytest.param("/v1:batch/{a}", {"a": "..."}, "/v1:batch/...", id="three-dots-are-a-name"),
    ],
)
def test_a_value_in_the_path_stays_one_segment(path: str, values: dict[str, Any], target: str) -> None:
    assert made(values, path=path).target == target


@pytest.mark.parametrize(
    "value",
    [
        "..", ".", "../admin", "a/../../admin", "..\\admin", "%2e%2e", "%252e%252e", "..%2fadmin", "..;", "..;/admin",
        ".. ", "..\x00", "/..", "%25252525252525252525252e",
    ],
)  # fmt: skip
def test_a_value_that_leads_to_another_path_is_refused(value: str) -> None:
    with pytest.raises(ToolFailed, match="would lead to another path"):
        made({"a": value}, path="/orders/{a}")


def test_two_values_cannot_make_a_step_together() -> None:
    with pytest.raises(ToolFailed, match="would lead to another path"):
        made({"a": ".", "b": "."}, path="/orders/{a}{b}/all")


@pytest.mark.parametrize("value", ["", None])
def test_a_path_without_its_value_is_another_path(value: str | None) -> None:
    with pytest.raises(ToolFailed, match="'a' must not be empty"):
        made({"a": value}, path="/orders/{a}")


@pytest.mark.parametrize(
    ("pairs", "values", "query"),
    [
        pytest.param([("lang", "en")], {}, "lang=en", id="fixed"),
        pytest.param([("q", "{t}")], {"t": "a b&c=d"}, "q=a%20b%26c%3Dd", id="syntax"),
        pytest.param([("q", "{t}")], {"t": None}, "", id="not-given"),
        pytest.param([("q", "{t}")], {"t": ""}, "q=", id="empty"),
        pytest.param([("q", "is:{s} {t}")], {"s": None, "t": "x"}, "", id="a-part-not-given"),
        pytest.param([("q", "is:{s} {t}")], {"s": True, "t": "x"}, "q=is%3Atrue%20x", id="parts"),
        pytest.param([("tag", "{t}")], {"t": ["a", 1, None]}, "tag=a&tag=1", id="a-list-is-repeated"),
        pytest.param([("tag", "{t}")], {"t": []}, "", id="an-empty-list"),
        pytest.param([("tags", "x{t}")], {"t": ["a"]}, "tags=x%5B%22a%22%5D", id="a-list-in-a-text"),
        pytest.param([("f", "{t}")], {"t": {"a": 1}}, "f=%7B%22a%22%3A1%7D", id="object"),
        pytest.param([("a b", "1"), ("a b", "2")], {}, "a%20b=1&a%20b=2", id="names"),
    ],
)
def test_a_value_in_the_query_stays_one_value(pairs: list[tuple[str, str]], values: dict[str, Any], query: str) -> None:
    target = made(values, query=tuple(pair(*each) for each in pairs)).target
    assert target == ("/x?" + query if query else "/x")


def test_headers_take_values_and_are_left_out_without_one() -> None:
    headers = (pair("X-Lang", "{l}"), pair("X-None", "{n}"), pair("X-Fixed", "yes"))
    assert made({"l": " é ", "n": None}, headers=headers).headers == (("X-Lang", "é"), ("X-Fixed", "yes"))


@pytest.mark.parametrize("value", ["a\r\nX-Admin: 1", "a\nb", "a\rb", "a\x00b", "a\x7fb"])
def test_a_header_takes_no_control_character(value: Any) -> None:
    with pytest.raises(ToolFailed, match="line break or another control character"):
        made({"a": value}, headers=(pair("X-A", "{a}"),))


def test_the_body_takes_values_in_their_own_types() -> None:
    body = {
        "id": "{id}",
        "text": "order {id} of {who}",
        "tags": ["{tag}", "{none}", "fixed"],
        "deep": {"filter": "{object}", "gone": "{none}", "half": "a{none}"},
        "number": 1.5,
        "null": None,
    }
    values = {"id": 7, "who": '", "admin": true, "x": "', "tag": ["a"], "object": {"b": None}, "none": None}
    assert json.loads(made(values, body=body).body or b"") == {
        "id": 7,
        "text": 'order 7 of ", "admin": true, "x": "',
        "tags": [["a"], "fixed"],
        "deep": {"filter": {"b": None}},
        "number": 1.5,
        "null": None,
    }


def test_without_a_body_none_is_sent() -> None:
    assert made({}).body is None
    assert made({}, body=[]).body == b"[]"


def test_what_is_too_long_for_a_request_is_told() -> None:
    with pytest.raises(ToolFailed, match="too long"):
        made({"a": "x" * 9000}, path="/{a}")
    with pytest.raises(ToolFailed, match="too long"):
        made({"a": "x" * 2**20}, body={"a": "{a}"})


def test_half_a_character_is_told() -> None:
    with pytest.raises(ToolFailed, match="half a character"):
        made({"a": "\ud800"}, path="/{a}")


def test_names_that_nobody_declared_are_found_in_every_place() -> None:
    config = ApiConfig(
        connection="erp",
        method="POST",
        path="/{a}",
        query=(pair("q", "{b}"),),
        headers=(pair("h", "{c}"),),
        body={"x": [{"y": "{d}{known}"}]},
    )
    assert undeclared(config, frozenset({"known"})) == ("a", "b", "c", "d")


TEXT = st.text(st.characters(exclude_categories=["Cs"]))


@given(TEXT, TEXT)
def test_no_value_changes_the_structure_of_an_address(first: str, second: str) -> None:
    try:
        target = made(
            {"a": first, "b": second}, path="/orders/{a}/lines/{b}", query=(pair("q", "{a}"), pair("r", "is {b}"))
        ).target
    except ToolFailed:
        return
    assert target.isascii()
    assert target.isprintable()
    parts = urlsplit(target)
    assert [unquote(part) for part in parts.path.split("/")] == ["", "orders", first, "lines", second]
    assert (parts.scheme, parts.netloc, parts.fragment) == ("", "", "")
    assert parse_qsl(parts.query, keep_blank_values=True) == [("q", first), ("r", f"is {second}")]
    for segment in parts.path.split("/"):
        decoded = segment
        for _ in range(4):
            decoded = unquote(decoded)
            assert not {".", ".."} & set(decoded.replace("\\", "/").split("/"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@given(JSON, TEXT)
def test_no_value_changes_the_structure_of_a_body(value: Any, text: str) -> None:
    body = {"whole": "{a}", "part": "<{b}>", "fixed": {"admin": False}}
    sent = json.loads(made({"a": value, "b": text}, body=body).body or b"")
    assert sent == ({} if value is None else {"whole": value}) | {"part": f"<{text}>", "fixed": {"admin": False}}


@given(TEXT)
def test_no_value_makes_a_second_header(value: str) -> None:
    try:
        headers = made({"a": value}, headers=(pair("X-A", "v{a}"),)).headers
    except ToolFailed:
        return
    [(name, sent)] = headers
    assert (name, sent) == ("X-A", f"v{value}".strip())
    assume(sent)
    assert not set(sent) & set("\r\n\0")
