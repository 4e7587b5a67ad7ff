"""Data that people keep as text: understood as they meant it, and harmless whatever it is."""

from typing import Any

import pytest

from smarter_crds.yaml_text import read


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: x y\nb: [1, -2.5, 1e3]\nc:\nd: true", {"a": "x y", "b": [1, -2.5, 1e3], "c": None, "d": True},
                     id="yaml"),
        pytest.param('{"a": "\\/", "b": "\\ud83d\\ude00"}', {"a": "/", "b": "\N{GRINNING FACE}"}, id="json"),
        pytest.param("{a: b}", {"a": "b"}, id="yaml-in-braces"),
        pytest.param("no: yes\non: off\n08: 0o7\n1: 1_000", {"no": "yes", "on": "off", "08": "0o7", "1": "1_000"},
                     id="no-surprising-scalars"),
        pytest.param("at: 10:30\non: 2026-01-01\nzip: 01234", {"at": "10:30", "on": "2026-01-01", "zip": "01234"},
                     id="times-and-dates-are-texts"),
        pytest.param("a: |\n  two\n  lines\n# a comment", {"a": "two\nlines\n"}, id="block"),
        pytest.param("<<: {a: 1}", {"<<": {"a": 1}}, id="no-merging"),
        pytest.param("", None, id="empty"),
    ],
)  # fmt: skip
def test_a_text_is_read_as_yaml_or_json(text: str, value: Any) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("a: b: c", "line 1: mapping values are not allowed", id="broken"),
        pytest.param("a: 1\na: 2", "line 2: the key 'a' is there twice", id="twice"),
        pytest.param("? [x]\n: y", "line 1: a key is no text", id="key-that-is-a-list"),
        pytest.param("--- 1\n--- 2", "line 2: expected a single document", id="two-documents"),
        pytest.param("\x01", "characters that YAML does not allow", id="control-character"),
        pytest.param("a: &x [1]\nb: *x", "line 2: it repeats a part by an alias", id="alias"),
        pytest.param("[" * 100_000, "nested more than 64 deep", id="deep-json"),
        pytest.param("{" * 100_000, "nested more than 64 deep", id="deep-yaml"),
        pytest.param("- " * 70 + "x", "nested more than 64 deep", id="deep-list"),
        pytest.param("a: " + "9" * 5000, "digits", id="number-without-end"),
    ],
)
def test_what_cannot_be_read_is_said_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read(text)


def test_a_bomb_of_aliases_does_not_go_off() -> None:
    lines = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, 60)]
    with pytest.raises(ValueError, match="alias"):
        read("\n".join(lines))
