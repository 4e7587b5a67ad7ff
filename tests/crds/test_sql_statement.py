"""Which queries may be sent: one statement that reads. A parser of another make is the judge of what is let through."""

import pytest
import sqlglot
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlglot import exp

from smarter_crds.compile.sql_statement import check_statement, refusal
from smarter_crds.sql_connection import Engine
from smarter_crds.tools import Sql

DIALECTS: dict[Engine, str] = {
    "PostgreSQL": "postgres", "MySQL": "mysql", "MariaDB": "mysql", "SQLServer": "tsql", "Oracle": "oracle",
    "SQLite": "sqlite",
}  # fmt: skip
WRITES = (
    exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Create, exp.Drop, exp.Alter, exp.Command, exp.Copy, exp.Into,
    exp.Lock, exp.Set, exp.Use, exp.TruncateTable,
)  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "query"),
    [
        ("PostgreSQL", "select 1;"),
        ("PostgreSQL", "(select a from t) union all (select b from u) order by 1"),
        ("PostgreSQL", "with recent as (select * from orders) select count(*) from recent"),
        ("PostgreSQL", "select 'delete from t; drop table t' as text -- insert into t\n"),
        ("PostgreSQL", 'select t.update, "delete", o."into" from t, o'),
        ("PostgreSQL", "select substring(a from 1 for 2), a::text, d->>'k' from t"),
        ("PostgreSQL", "values (1), (2)"),
        ("PostgreSQL", "table orders"),
        ("MySQL", "select insert('abc', 1, 1, 'x'), replace(a, 'b', 'c') from `update`"),
        ("MariaDB", "select 1 # it's fine\n"),
        ("SQLite", "select [into], `update` from [delete]"),
        ("SQLServer", "select top 5 [name] from [update] where a = N'exec' for json auto"),
        ("Oracle", "select q'[delete; it's]' from dual"),
    ],
    ids=str,
)  # fmt: skip
def test_what_reads_is_sent(engine: Engine, query: str) -> None:
    assert refusal(query, engine) == ""


@pytest.mark.parametrize(
    ("engine", "query", "why"),
    [
        ("PostgreSQL", "select 1; select 2", "several statements"),
        ("PostgreSQL", "select 1; drop table t --", "several statements"),
        ("PostgreSQL", "drop table t", "must begin with SELECT"),
        ("PostgreSQL", "copy t to program 'id'", "must begin with SELECT"),
        ("PostgreSQL", "do $$ begin end $$", "must begin with SELECT"),
        ("PostgreSQL", "explain analyze delete from t", "must begin with SELECT"),
        ("PostgreSQL", "", "must begin with SELECT"),
        ("PostgreSQL", "-- nothing", "must begin with SELECT"),
        ("PostgreSQL", "with gone as (delete from t returning *) select * from gone", "DELETE"),
        ("PostgreSQL", "with new as (insert into t values (1) returning *) select * from new", "INSERT"),
        ("PostgreSQL", "with new as (update t set a = 1 returning *) select * from new", "UPDATE"),
        ("PostgreSQL", "with x as (merge into t using u on true when matched then delete) select 1", "MERGE"),
        ("PostgreSQL", "select * into copy from t", "INTO"),
        ("PostgreSQL", "select * from t for update", "UPDATE"),
        ("PostgreSQL", "select * from t for /* */ share", "takes locks"),
        ("PostgreSQL", "select * from t for no key update", "takes locks"),
        ("PostgreSQL", "select pg_sleep(10)", "calls pg_sleep"),
        ("PostgreSQL", 'select pg_catalog."pg_sleep"(10)', "calls"),
        ("PostgreSQL", "select pg_read_file('/etc/passwd')", "calls pg_read_file"),
        ("PostgreSQL", "select lo_import('/etc/passwd')", "calls lo_import"),
        ("PostgreSQL", "select * from dblink('host=x', 'select 1') as t(a int)", "calls dblink"),
        ("PostgreSQL", "select set_config('statement_timeout', '0', false)", "calls set_config"),
        ("PostgreSQL", "select query_to_xml('delete from t', true, true, '')", "calls query_to_xml"),
        ("PostgreSQL", "select nextval('s')", "calls nextval"),
        ("MySQL", "select load_file('/etc/passwd')", "calls load_file"),
        ("MySQL", "select 1 into outfile '/tmp/x'", "INTO"),
        ("MySQL", "select 1 into dumpfile '/tmp/x'", "INTO"),
        ("MariaDB", "select benchmark(100000000, md5('a'))", "calls benchmark"),
        ("MariaDB", "select sleep /* */ (10)", "calls sleep"),
        ("MySQL", "select * from t lock in share mode", "takes locks"),
        ("PostgreSQL", r"select '\'; delete from t --'", "several statements"),
        ("SQLite", "select load_extension('x')", "calls load_extension"),
        ("SQLite", "attach 'x' as y", "must begin with SELECT"),
        ("SQLite", "pragma table_info(t)", "must begin with SELECT"),
        ("SQLServer", "select 1 delete from t", "DELETE"),
        ("SQLServer", "select 1.delete from t", "DELETE"),
        ("SQLServer", "select 1 exec xp_cmdshell 'dir'", "EXEC"),
        ("SQLServer", "select * from openrowset('a', 'b', 'c')", "calls openrowset"),
        ("SQLServer", "select * from t with (updlock)", "UPDLOCK"),
        ("Oracle", "select utl_http.request('http://x') from dual", "calls utl_http"),
        ("Oracle", "select dbms_scheduler.create_job('x') from dual", "calls dbms_scheduler"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_more_than_read_is_refused(engine: Engine, query: str, why: str) -> None:
    assert why in refusal(query, engine)


PIECES = (
    "select", "with x as (", ")", "from t", "delete from t", "insert into t values (1)", "update t set a = 1", ";",
    "--", "\n", "/*", "*/", "'", "''", '"', "`", "$$", "\\", "union", "a", "1", ",", "*", "(", "for update", "into u",
    "drop table t", "/*!", "#", "E'", ":p", "where a =", "x'", ".",
    "merge into t using u on true when matched then delete",
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(sorted(DIALECTS)))
def test_nothing_that_changes_data_is_let_through(pieces: list[str], engine: Engine) -> None:
    query = "select " + " ".join(pieces)
    if refusal(query, engine):
        return
    try:
        statements = sqlglot.parse(query.replace(":p", "1"), dialect=DIALECTS[engine])
    except sqlglot.errors.SqlglotError:
        # No statement at all; the server will say so.
        return
    known = [
        statement for statement in statements if statement is not None and not isinstance(statement, exp.Semicolon)
    ]
    assert len(known) <= 1
    assert [node for statement in known for node in statement.find_all(*WRITES)] == []


def test_every_parameter_of_the_query_is_declared() -> None:
    sql = Sql.model_validate(
        {
            "connectionRef": {"name": "shop"},
            "query": "select * from t where a = :a and b = :b and c = :b",
            "parameters": [{"name": "a", "type": "String", "description": "A."}],
        }
    )
    [problem] = check_statement(sql, "PostgreSQL")
    assert problem.reason == "UndeclaredParameter"
    assert ":b" in problem.message
