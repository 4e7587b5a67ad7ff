"""Reads SQL as far as must be known to bind its parameters: which parts of a query are code, and which are text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from smarter_crds.sql_connection import Engine

Kind = Literal["space", "word", "identifier", "literal", "parameter", "symbol"]


class SqlTextError(ValueError):
    """The query cannot be read, or holds what only the server would understand; the message ends a sentence."""


@dataclass(frozen=True, slots=True)
class Token:
    """A part of a query. Comments are `space`: they are not sent."""

    kind: Kind
    text: str

    @property
    def name(self) -> str:
        """What a word, an identifier in quotes or a parameter says, in small letters."""
        if self.kind == "identifier":
            return self.text[1:-1].lower()
        return self.text.removeprefix(":").lower()


def tokens(query: str, engine: Engine) -> tuple[Token, ...]:
    """Return the parts of `query`; together, with comments as blanks, they are the query.

    Raises:
        SqlTextError: when a part has no end, or its meaning would depend on the server.
    """
    return tuple(_tokens(query, engine))


def _tokens(query: str, engine: Engine) -> Iterator[Token]:
    pattern, at = _pattern(engine), 0
    while at < len(query):
        found = pattern.match(query, at)
        group = found.lastgroup if found else None
        if found is None or group is None:
            raise SqlTextError("holds a character that is not allowed, such as NUL; remove it.")
        if group in _FAULTS:
            raise SqlTextError(_FAULTS[group])
        if group == "dollar":
            yield Token("literal", _dollar_quoted(query, at, found.group()))
            at += len(_dollar_quoted(query, at, found.group()))
            continue
        if group == "nested":
            at = _end_of_comment(query, at)
            yield Token("space", " ")
            continue
        at = found.end()
        yield _token(group, found.group())


def _token(group: str, text: str) -> Token:
    if group == "comment":
        return Token("space", " ")
    kinds: dict[str, Kind] = {
        "space": "space", "word": "word", "identifier": "identifier", "literal": "literal", "number": "literal",
        "parameter": "parameter", "symbol": "symbol",
    }  # fmt: skip
    return Token(kinds[group], text)


_FAULTS = {
    "executable": "holds a comment that the server would execute or heed (`/*!`, `/*M!`, `/*+`, `--+`); remove it.",
    "unclosed": "holds a quotation or a comment without an end; close it.",
    "escaped": 'holds an identifier with Unicode escapes (`U&"…"`); write its characters themselves.',
    "foreign": "holds a placeholder or variable of the server's own (such as `?`, `$1`, `@name`, `:=`); declare "
    "a parameter and write it as `:name`.",
}

_QUOTED = r"'(?:[^'\0]|'')*'"
_DOUBLE_QUOTED = r'"(?:[^"\0]|"")*"'
_BACKSLASHED = r"'(?:[^'\\\0]|\\[^\0]|'')*'"
_BACKSLASHED_DOUBLE = r'"(?:[^"\\\0]|\\[^\0]|"")*"'
_BACKTICKED = r"`(?:[^`\0]|``)*`"
_BRACKETED = r"\[(?:[^\]\0]|\]\])*\]"
_PLAIN_COMMENT = r"/\*(?:[^*\0]|\*(?!/))*\*/"
_LINE_COMMENT = r"--[^\n\0]*"

_ORACLE_ANY = r"[nN]?[qQ]'(?P<q>[^\s\[{(<\0])(?:(?!(?P=q)')[^\0])*(?P=q)'"


def _oracle_quoted(pair: str) -> str:
    """Return the pattern of Oracle's strings between two brackets, as in `q'[it's]'`."""
    begin, end = pair[: len(pair) // 2], pair[len(pair) // 2 :]
    return rf"[nN]?[qQ]'{begin}(?:(?!{end}')[^\0])*{end}'"


# In the order in which they are tried.
_RULES: dict[str, tuple[tuple[str, str], ...]] = {
    "PostgreSQL": (
        ("comment", _LINE_COMMENT),
        ("nested", r"/\*"),
        ("escaped", r'[uU]&"'),
        ("literal", rf"[eE]{_BACKSLASHED}|(?:[bBxXnN]|[uU]&)?{_QUOTED}"),
        ("identifier", _DOUBLE_QUOTED),
        ("dollar", r"\$(?:[^\W\d]\w*)?\$"),
        ("foreign", r"\$\d|:="),
    ),
    "MySQL": (
        ("executable", r"/\*M?!|/\*\+"),
        ("comment", rf"\#[^\n\0]*|--(?=[\s\0]|$)[^\n\0]*|{_PLAIN_COMMENT}"),
        ("literal", rf"(?:[bBxXnN])?{_BACKSLASHED}|{_BACKSLASHED_DOUBLE}"),
        ("identifier", _BACKTICKED),
        ("foreign", r"\?|:=|(?<!@)@(?!@)"),
    ),
    "SQLite": (
        ("comment", rf"{_LINE_COMMENT}|{_PLAIN_COMMENT}"),
        ("literal", rf"[xX]?{_QUOTED}"),
        ("identifier", rf"{_DOUBLE_QUOTED}|{_BACKTICKED}|{_BRACKETED}"),
        ("foreign", r"\?|[@$#](?=\w)"),
    ),
    "SQLServer": (
        ("comment", _LINE_COMMENT),
        ("nested", r"/\*"),
        ("literal", rf"[nN]?{_QUOTED}"),
        ("identifier", rf"{_DOUBLE_QUOTED}|{_BRACKETED}"),
        ("foreign", r"\?|(?<!@)@(?!@)"),
    ),
    "Oracle": (
        ("executable", r"/\*\+|--\+"),
        ("comment", rf"{_LINE_COMMENT}|{_PLAIN_COMMENT}"),
        (
            "literal",
            "|".join([*map(_oracle_quoted, (r"\[\]", r"\{\}", r"\(\)", "<>")), _ORACLE_ANY, rf"[nN]?{_QUOTED}"]),
        ),
        ("identifier", r'"[^"\0]*"'),
        ("foreign", r"\?|:="),
    ),
}
_RULES["MariaDB"] = _RULES["MySQL"]

_WORD = r"[^\W\d][\w$]*"
_WORDS = {"SQLServer": r"[^\W\d][\w$#]*", "Oracle": r"[^\W\d][\w$#]*"}
_COMMON = (
    ("space", r"\s+"),
    ("parameter", r"(?<!:):[A-Za-z_][A-Za-z0-9_]*"),
    ("number", r"0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?"),
    ("unclosed", r"""['"`]|/\*"""),
    ("symbol", r"[^\0]"),
)


@cache
def _pattern(engine: Engine) -> re.Pattern[str]:
    rules = (*_RULES[engine], ("word", _WORDS.get(engine, _WORD)), *_COMMON)
    return re.compile("|".join(f"(?P<{name}>{rule})" for name, rule in rules))


def _dollar_quoted(query: str, at: int, tag: str) -> str:
    end = query.find(tag, at + len(tag))
    if end < 0:
        raise SqlTextError(_FAULTS["unclosed"])
    return query[at : end + len(tag)]


def _end_of_comment(query: str, at: int) -> int:
    depth = 0
    for mark in re.compile(r"/\*|\*/").finditer(query, at):
        depth += 1 if mark.group() == "/*" else -1
        if depth == 0:
            return mark.end()
    raise SqlTextError(_FAULTS["unclosed"])
