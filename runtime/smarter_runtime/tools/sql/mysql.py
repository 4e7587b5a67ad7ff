"""MySQL and MariaDB, by asyncmy: the server prepares the one statement, and parameters travel apart from it."""

import re
from typing import Any

import asyncmy
import asyncmy.errors
from sqlalchemy import Connection, text

from smarter_runtime.tools.sql.engine import Access, Engine

PREPARED_STATEMENTS = 32
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
        stmt_cache_size=PREPARED_STATEMENTS,
        init_command=f"set session sql_mode = {_MODE}",
    )


def _begin(connection: Connection, max_rows: int, seconds: float) -> None:
    is_mariadb = getattr(connection.dialect, "is_mariadb", False)
    limit = f"max_statement_time = {seconds:g}" if is_mariadb else f"max_execution_time = {int(seconds * 1000)}"
    # Literals, but numbers of our own: these variables take no parameters.
    connection.exec_driver_sql(f"set session {limit}, session sql_select_limit = {max_rows + 1:d}")
    connection.exec_driver_sql("start transaction read only")


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
    streams=False,
    connect=_connect,
    begin=_begin,
    power=_power,
    errors=(asyncmy.errors.MySQLError,),
    code=_code,
    kinds={
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
