"""What of a query is code and what is text, for every kind of database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smarter_crds.sql_connection import Engine
from smarter_crds.sql_text import SqlTextError, Token, tokens

ENGINES: tuple[Engine, ...] = ("PostgreSQL", "MySQL", "MariaDB", "SQLServer", "Oracle", "SQLite")


def parameters(query: str, engine: Engine) -> list[str]:
    return [token.text for token in tokens(query, engine) if token.kind == "parameter"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        pytest.param("select :a, :b_2", [":a", ":b_2"], id="plain"),
        pytest.param("select ':a', 'it''s :a', '12:30'", [], id="in-strings"),
        pytest.param("select 1 -- :a\n, :b", [":b"], id="in-a-comment-to-the-end-of-the-line"),
        pytest.param("select /* :a ' */ :b", [":b"], id="in-a-comment"),
        pytest.param('select a."b" from t where c=:a and d<:a', [":a", ":a"], id="twice"),
        pytest.param("select 1:2", [], id="a-colon-before-a-number"),
    ],
)
def test_parameters_are_found_in_code_only(query: str, expected: list[str], engine: Engine) -> None:
    assert parameters(query, engine) == expected


@pytest.mark.parametrize(
    ("engine", "query", "expected"),
    [
        pytest.param("PostgreSQL", "select :a::int, '{}'::jsonb", [":a"], id="casts"),
        pytest.param("PostgreSQL", "select $$ :a $$, $x$ $$ :a $x$, :b", [":b"], id="dollar-quotes"),
        pytest.param("PostgreSQL", r"select E'\':a', :b", [":b"], id="escapes-where-they-are-asked-for"),
        pytest.param("PostgreSQL", r"select '\', :b", [":b"], id="no-escapes-elsewhere"),
        pytest.param("PostgreSQL", "select /* /* */ :a */ :b", [":b"], id="comments-in-comments"),
        pytest.param("PostgreSQL", "select d #>> '{:a}', d ? 'b', :c", [":c"], id="operators-of-json"),
        pytest.param("MySQL", r"select '\':a', " + r'"\":a", :b', [":b"], id="escapes-everywhere"),
        pytest.param("MariaDB", "select `:a` # ':a\n, :b", [":b"], id="hash-comments"),
        pytest.param("MySQL", "select 1--:a", [":a"], id="two-minus-signs-are-no-comment"),
        pytest.param("SQLite", "select [:a], `:a`, x'00', :b", [":b"], id="brackets-and-backticks"),
        pytest.param("SQLServer", "select [a]]:b], N':c', @@version, :d", [":d"], id="brackets"),
        pytest.param("SQLServer", "select /* /* */ :a */ :b", [":b"], id="nested-in-t-sql"),
        pytest.param("Oracle", "select q'[it's :a]', nq'!:b!', Q'{:c}', :d from dual", [":d"], id="quotes-of-ones-own"),
    ],
)
def test_every_database_quotes_in_its_own_way(engine: Engine, query: str, expected: list[str]) -> None:
    assert parameters(query, engine) == expected


@pytest.mark.parametrize(
    ("engine", "query", "why"),
    [
        pytest.param("PostgreSQL", "select 'a", "without an end", id="string"),
        pytest.param("PostgreSQL", "select $x$ $y$", "without an end", id="dollar-quote"),
        pytest.param("PostgreSQL", "select /* /* */", "without an end", id="comment"),
        pytest.param("SQLite", "select /* ", "without an end", id="plain-comment"),
        pytest.param("PostgreSQL", "select 'a\0b'", "without an end", id="nul-in-a-string"),
        pytest.param("PostgreSQL", "select \0", "not allowed", id="nul"),
        pytest.param("PostgreSQL", "select $1", "placeholder", id="position"),
        pytest.param("PostgreSQL", 'select U&"\\0061"', "Unicode escapes", id="escaped-identifier"),
        pytest.param("MySQL", "select /*!50000 1 */", "would execute", id="executable-comment"),
        pytest.param("MariaDB", "select /*M!100000 1 */", "would execute", id="executable-comment-of-mariadb"),
        pytest.param("MySQL", "select /*+ MAX_EXECUTION_TIME(0) */ 1", "would execute", id="hint"),
        pytest.param("MySQL", "select @a := 1", "variable", id="variable"),
        pytest.param("MySQL", "select ?", "placeholder", id="question-mark"),
        pytest.param("SQLite", "select $a", "placeholder", id="dollar"),
        pytest.param("SQLite", "select @a", "placeholder", id="at"),
        pytest.param("SQLServer", "select @a", "variable", id="variable-of-t-sql"),
        pytest.param("Oracle", "select /*+ FULL(t) */ 1 from t", "would execute", id="hint-of-oracle"),
    ],
)
def test_what_only_the_server_would_understand_is_refused(engine: Engine, query: str, why: str) -> None:
    with pytest.raises(SqlTextError, match=why):
        tokens(query, engine)


ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@given(ANY_TEXT, st.sampled_from(ENGINES))
def test_a_quoted_text_is_one_literal_whatever_it_says(text: str, engine: Engine) -> None:
    quoted = text.replace("'", "''")
    if engine in ("MySQL", "MariaDB"):
        quoted = quoted.replace("\\", "\\\\")
    query = f"select '{quoted}' from t"
    found = [token for token in tokens(query, engine) if token.kind != "space"]
    assert [token.kind for token in found] == ["word", "literal", "word", "word"]
    assert found[1] == Token("literal", f"'{quoted}'")


@given(ANY_TEXT, st.sampled_from(ENGINES))
def test_nothing_is_lost_but_comments(query: str, engine: Engine) -> None:
    try:
        found = tokens(query, engine)
    except SqlTextError:
        return
    if not any(mark in query for mark in ("--", "/*", "#")):
        assert "".join(token.text for token in found) == query
