"""Oracle, by oracledb in its thin mode, which needs no libraries of Oracle's."""

from typing import Any

import oracledb
from sqlalchemy import Connection, text

from smarter_runtime.tools.sql.engine import Access, Engine

_HARMLESS = "'CREATE SESSION', 'SELECT ANY TABLE', 'READ ANY TABLE', 'SELECT ANY DICTIONARY', 'UNLIMITED TABLESPACE'"
_POWER = text(f"""
select coalesce(
  (select min('has the privilege ' || privilege) from session_privs where privilege not in ({_HARMLESS})),
  (select min('may change the table ' || owner || '.' || table_name) from all_tab_privs_recd
    where privilege in ('INSERT', 'UPDATE', 'DELETE', 'ALTER')),
  (select min('owns the table ' || table_name) from user_tables)) from dual
""")


async def _connect(access: Access) -> Any:
    return await oracledb.connect_async(
        host=access.host,
        port=access.port,
        user=access.username,
        password=access.password,
        service_name=access.database,
        protocol="tcps" if access.tls else "tcp",
        ssl_context=access.tls,
        # The context knows the server's name; the driver would compare the address of our own end.
        ssl_server_dn_match=False,
        tcp_connect_timeout=access.seconds,
        retry_count=0,
    )


def _begin(connection: Connection, max_rows: int, seconds: float) -> None:
    driver = connection.connection.driver_connection
    # The driver tells the server to break off.
    driver.call_timeout = int(seconds * 1000)  # type: ignore[union-attr]
    connection.exec_driver_sql("set transaction read only")


def _power(connection: Connection) -> str:
    return str(connection.execute(_POWER).scalar() or "")


def _code(error: BaseException) -> str:
    said = error.args[0] if error.args else ""
    return str(getattr(said, "full_code", said)).partition(":")[0]


ENGINE = Engine(
    url="oracle+oracledb_async://",
    connect=_connect,
    begin=_begin,
    power=_power,
    errors=(oracledb.Error,),
    code=_code,
    kinds={
        "ORA-01017": "login",
        "ORA-28000": "login",
        "ORA-28001": "login",
        "ORA-12514": "database",
        "ORA-12505": "database",
        "DPY-6001": "database",
        "DPY-6003": "database",
        "ORA-12516": "busy",
        "ORA-12520": "busy",
        "ORA-00020": "busy",
        "ORA-01013": "timeout",
        "DPY-4024": "timeout",
        "ORA-01456": "read_only",
        "ORA-01722": "data",
        "ORA-01830": "data",
        "ORA-01841": "data",
        "ORA-01843": "data",
        "ORA-01858": "data",
        "ORA-01861": "data",
    },
)
