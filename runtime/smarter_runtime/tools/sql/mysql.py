"""MySQL and MariaDB, by asyncmy: the server prepares the one statement, and parameters travel apart from it."""

import re
from collections.abc import Mapping
from typing import Any

import asyncmy
import asyncmy.errors
from sqlalchemy import Connection, text
from sqlalchemy.util import await_only

from smarter_runtime.tools.sql.engine import Access, Engine, Found, Sendable

_HARMLESS = frozenset({"usage", "select", "show view", "show databases"})
# How literals end, and what quotes mean, must be what the check of the statement took for granted.
_MODE = "replace(replace(@@sql_mode, 'ANSI_QUOTES', ''), 'NO_BACKSLASH_ESCAPES', '')"
_GRANT = re.compile(r"GRANT (?P<privileges>.+?) ON (?P<where>.+?) TO ", re.IGNORECASE | re.DOTALL)
_COLUMNS = re.compile(r"\s*\([^)]*\)")


async def _connect(access: Access) -> Any:
    return await asyncmy.connect(
        host=access.host,
        port=access.port,
        user=access.username or "",
        password=access.password or "",
        db=access.database,
        ssl=access.tls,
        charset="utf8mb4",
        connect_timeout=max(1, int(access.seconds)),
        init_command=f"set session sql_mode = {_MODE}",
    )


def _begin(connection: Connection, max_rows: int, seconds: float) -> None:
    is_mariadb = getattr(connection.dialect, "is_mariadb", False)
    limit = f"max_statement_time = {seconds:g}" if is_mariadb else f"max_execution_time = {int(seconds * 1000)}"
    # Literals, but numbers of our own: these variables take no parameters.
    # Of the session, too: what ends a transaction by itself, such as DROP, would do its work outside of this one.
    read_only = "tx_read_only" if is_mariadb else "transaction_read_only"
    rows = f"sql_select_limit = {max_rows + 1:d}"
    connection.exec_driver_sql(f"set session {limit}, session {rows}, session {read_only} = 1")
    connection.exec_driver_sql("start transaction read only")


def _fetch(connection: Connection, query: Sendable, values: Mapping[str, Any], most: int) -> Found:
    # SQLAlchemy's way would fall back to a text with the values in it, and to several statements in one, where the
    # server refuses to prepare.
    driver = connection.connection.driver_connection
    return await_only(_prepared(driver, query.marked, [values[name] for name in query.order]))


async def _prepared(driver: Any, statement: str, values: list[Any]) -> Found:
    prepared = await driver.prepare(statement)
    try:
        result = await prepared.execute(values)
    finally:
        await prepared.close()
    return tuple(column[0] for column in result.description or ()), result.rows or ()


def _power(connection: Connection) -> str:
    for (grant,) in connection.execute(text("show grants")):
        found = _GRANT.match(grant)
        if found is None:
            continue
        privileges = [each.strip().lower() for each in _COLUMNS.sub("", found["privileges"]).split(",")]
        for privilege in privileges:
            if privilege not in _HARMLESS:
                return f"has the privilege {privilege.upper()} on {found['where']}"
    return ""


def _code(error: BaseException) -> str:
    return str(error.args[0]) if error.args else ""


ENGINE = Engine(
    url="mysql+asyncmy://",
    connect=_connect,
    fetch=_fetch,
    begin=_begin,
    power=_power,
    errors=(asyncmy.errors.MySQLError,),
    code=_code,
    kinds={
        "2003": "cut",
        "2006": "cut",
        "2013": "cut",
        "0": "cut",
        "1045": "login",
        "1044": "login",
        "1698": "login",
        "1049": "database",
        "1040": "busy",
        "1203": "busy",
        "1226": "busy",
        "1205": "timeout",
        "1317": "timeout",
        "1969": "timeout",
        "3024": "timeout",
        "1792": "read_only",
        "1264": "data",
        "1292": "data",
        "1365": "data",
        "1366": "data",
        "1690": "data",
    },
)
