"""Whether the query of a Plugin may be sent: one statement that reads, and nothing that would do more than that.

It keeps mistakes from production; what an attacker could do is for the database role to prevent, see the documentation.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from smarter_crds.compile.problems import Problem
from smarter_crds.parameters import Parameter
from smarter_crds.sql_connection import Engine
from smarter_crds.sql_text import SqlTextError, Token, tokens
from smarter_crds.tools import Sql

_BEGINS = ("select", "with", "values", "table")
_CHANGES = frozenset({"delete", "insert", "into", "merge", "update"})
# T-SQL needs nothing between two statements, so each word that begins one counts.
_BEGINS_ANOTHER = frozenset(
    {
        "alter", "backup", "bulk", "create", "dbcc", "declare", "deny", "drop", "exec", "execute", "grant", "kill",
        "print", "raiserror", "reconfigure", "restore", "revert", "revoke", "set", "shutdown", "truncate", "use",
        "waitfor", "writetext",
    }
)  # fmt: skip
_LOCK_HINTS = frozenset({"holdlock", "paglock", "tablock", "tablockx", "updlock", "xlock"})
_LOCKS = {("for", "share"), ("for", "key"), ("for", "no"), ("lock", "in")}

_POSTGRESQL = r"""pg_sleep\w* pg_read_\w+ pg_ls_\w+ pg_stat_file pg_file_\w+ lo_\w+ dblink\w* pg_terminate_backend
    pg_cancel_backend pg_reload_conf pg_rotate_logfile pg_(?:try_)?advisory_\w+ pg_notify pg_switch_wal pg_create_\w+
    pg_drop_\w+ pg_logical_\w+ pg_promote set_config nextval setval pg_export_snapshot pg_execute_\w+
    (?:query|table|schema|database|cursor)_to_xml\w*"""
_MYSQL = r"""sleep benchmark load_file get_lock release_lock release_all_locks is_free_lock is_used_lock
    (?:master|source)_\w*wait\w* wait_for_executed_gtid_set sys_exec sys_eval lib_mysqludf\w* nextval setval"""
_FUNCTIONS: dict[Engine, str] = {
    "PostgreSQL": _POSTGRESQL,
    "MySQL": _MYSQL,
    "MariaDB": _MYSQL,
    "SQLite": r"load_extension readfile writefile edit fts3_tokenizer",
    "SQLServer": r"openrowset openquery opendatasource xp_\w+ sp_\w+ fn_\w*(?:file|trace)\w*",
    "Oracle": r"""utl_\w+ httpuritype dbms_(?:lock|session|scheduler|job|pipe|sql|java|ldap|xmlquery|xmlgen|file_\w+
    |advisor|backup_\w+|cloud\w*|export_\w+|network_\w+|repcat\w*|system|sys_\w+)""",
}


def check_statement(sql: Sql, engine: Engine) -> tuple[Problem, ...]:
    """Return why `sql.query` may not be sent to a database of that kind."""
    refused = refusal(sql.query, engine)
    if refused:
        return (Problem("StatementRefused", f"`spec.sql.query` {refused}"),)
    return tuple(_undeclared(tokens(sql.query, engine), sql.parameters))


def refusal(query: str, engine: Engine) -> str:
    """Return why `query` may not be sent, as the end of a sentence; empty: it may."""
    try:
        parts = [token for token in tokens(query, engine) if token.kind != "space"]
    except SqlTextError as error:
        return str(error)
    return next(_refusals(parts, engine), "")


def unused_parameters(sql: Sql, engine: Engine) -> Iterator[str]:
    """Yield the names of parameters that the query does not use."""
    try:
        used = {token.text for token in tokens(sql.query, engine) if token.kind == "parameter"}
    except SqlTextError:
        return
    yield from (each.name for each in sql.parameters if f":{each.name}" not in used)


def _refusals(parts: Sequence[Token], engine: Engine) -> Iterator[str]:
    """Yield why the statement is refused."""
    while parts and parts[-1].text == ";":
        parts = parts[:-1]
    if any(token.kind == "symbol" and token.text == ";" for token in parts):
        yield "holds several statements; keep one."
    first = next((token for token in parts if token.text != "("), None)
    if first is None or first.kind != "word" or first.name not in _BEGINS:
        yield "must begin with SELECT (or WITH), for it may only read."
    yield from _words(parts, engine)
    yield from _calls(parts, engine)


def _words(parts: Sequence[Token], engine: Engine) -> Iterator[str]:
    refused = _CHANGES | (_BEGINS_ANOTHER | _LOCK_HINTS if engine == "SQLServer" else frozenset())
    ends = Token("symbol", "")
    for before, token, after in zip((ends, *parts), parts, (*parts[1:], ends), strict=False):
        # A column of a table, as in `t.update`.
        if token.kind != "word" or before.text == ".":
            continue
        if token.name in refused and not _is_function(token, after, engine):
            yield f"holds {token.text.upper()}, and may only read; a name that is spelled so needs quotes."
        if (token.name, after.name) in _LOCKS and after.kind == "word":
            yield f"takes locks ({token.text.upper()} {after.text.upper()}), and may only read; leave that out."


def _is_function(token: Token, after: Token, engine: Engine) -> bool:
    """MySQL has a function INSERT, for strings."""
    return engine in ("MySQL", "MariaDB") and token.name == "insert" and after.text == "("


def _calls(parts: Sequence[Token], engine: Engine) -> Iterator[str]:
    refused = re.compile("|".join(_FUNCTIONS[engine].split()))
    for token, after in pairwise(parts):
        is_name = token.kind in ("word", "identifier")
        # Oracle's are packages: what is called comes after a dot.
        if is_name and after.text in ("(", ".") and refused.fullmatch(token.name):
            yield f"calls {token.text}, which does more than read the database's tables; leave that out."


def _undeclared(parts: Sequence[Token], parameters: Sequence[Parameter]) -> Iterator[Problem]:
    declared = {parameter.name for parameter in parameters}
    used = dict.fromkeys(token.text[1:] for token in parts if token.kind == "parameter")
    for name in used:
        if name not in declared:
            yield Problem(
                "UndeclaredParameter",
                f"`spec.sql.query` uses `:{name}`, which is no parameter; declare it in `spec.sql.parameters`.",
            )
