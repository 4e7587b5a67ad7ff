"""SQLite: a file that is opened for reading, under an authorizer that allows nothing else."""

import sqlite3
import time
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection

from smarter_runtime.tools.sql.engine import Access, Engine

MAX_VALUE_BYTES = 4 * 1024 * 1024
"""Longest string, blob or row."""
STEPS_BETWEEN_LOOKS = 10_000
"""How many steps of SQLite's machine a query makes until it is asked whether its time is over."""

_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_FUNCTION})
_FUNCTIONS = frozenset({"edit", "fts3_tokenizer", "load_extension", "readfile", "writefile"})
_ASKED_BY_SQLALCHEMY = (sqlite3.SQLITE_PRAGMA, "read_uncommitted", None)
# What SQLite asks when a virtual table, such as `json_each`, says which columns it has; nothing is written then.
_BY_VIRTUAL_TABLES = (sqlite3.SQLITE_UPDATE, "sqlite_master")
_LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: MAX_VALUE_BYTES,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 100,
    sqlite3.SQLITE_LIMIT_WORKER_THREADS: 0,
}


def _connect(access: Access) -> sqlite3.Connection:
    path = quote(str(Path(access.database).absolute()))
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, check_same_thread=False, timeout=access.seconds)
    connection.execute("pragma query_only = on")
    # A file with a forged schema must not do anything by being read.
    connection.execute("pragma trusted_schema = off")
    connection.execute("pragma cell_size_check = on")
    # Reading the schema tells whether this is a database at all.
    connection.execute("select count(*) from sqlite_schema").fetchone()
    for limit, value in _LIMITS.items():
        connection.setlimit(limit, value)
    connection.set_authorizer(_may)
    return connection


def _may(action: int, first: str | None, second: str | None, database: str | None, trigger: str | None) -> int:
    if (action, first, second) == _ASKED_BY_SQLALCHEMY or (action, first) == _BY_VIRTUAL_TABLES:
        return sqlite3.SQLITE_OK
    if action not in _ALLOWED or (action == sqlite3.SQLITE_FUNCTION and second in _FUNCTIONS):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _begin(connection: Connection, max_rows: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.set_progress_handler(lambda: time.monotonic() > end, STEPS_BETWEEN_LOOKS)


def _power(connection: Connection) -> str:
    return ""


def _code(error: BaseException) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


ENGINE = Engine(
    url="sqlite+pysqlite://",
    is_blocking=True,
    is_file=True,
    connect=_connect,
    begin=_begin,
    power=_power,
    errors=(sqlite3.Error,),
    code=_code,
    kinds={
        "SQLITE_INTERRUPT": "timeout",
        "SQLITE_BUSY": "busy",
        "SQLITE_LOCKED": "busy",
        "SQLITE_READONLY": "read_only",
        "SQLITE_AUTH": "read_only",
        "SQLITE_TOOBIG": "data",
        "SQLITE_MISMATCH": "data",
    },
)
