"""PostgreSQL, by asyncpg: parameters travel apart from the statement, and a statement is one statement."""

from typing import Any

import asyncpg
from sqlalchemy import Connection, text

from smarter_runtime.tools.sql.engine import Access, Engine

_SETTINGS = text(
    "select set_config('statement_timeout', :milliseconds, true), set_config('lock_timeout', :milliseconds, true), "
    "set_config('standard_conforming_strings', 'on', true)"
)
_POWER = text("""
select case
  when r.rolsuper then 'is superuser'
  when r.rolcreaterole then 'may make roles (CREATEROLE)'
  when r.rolreplication then 'may replicate (REPLICATION)'
  when r.rolbypassrls then 'is above row security (BYPASSRLS)'
  when exists (select from pg_roles o where o.rolsuper and pg_has_role(r.oid, o.oid, 'member')) then
    'is member of a role that is superuser'
  else coalesce(
    (select 'is member of ' || o.rolname from pg_roles o
      where o.rolname in ('pg_execute_server_program', 'pg_read_server_files', 'pg_write_server_files',
        'pg_write_all_data', 'pg_signal_backend', 'pg_checkpoint', 'pg_maintain')
      and pg_has_role(r.oid, o.oid, 'member') order by 1 limit 1),
    (select 'may change the table ' || n.nspname || '.' || c.relname
      from pg_class c join pg_namespace n on n.oid = c.relnamespace
      where c.relkind in ('r', 'p', 'v', 'm', 'f') and n.nspname not in ('pg_catalog', 'information_schema')
      and n.nspname not like 'pg\\_t%' and has_schema_privilege(n.oid, 'usage')
      and (has_table_privilege(c.oid, 'insert, update, delete, truncate, trigger')
        or has_any_column_privilege(c.oid, 'insert, update')) order by 1 limit 1),
    (select 'may make objects in the schema ' || n.nspname from pg_namespace n
      where n.nspname not like 'pg\\_t%' and has_schema_privilege(n.oid, 'create') order by 1 limit 1),
    case when has_database_privilege(current_database(), 'create') then 'may make schemas in the database' end,
    '') end
from pg_roles r where r.rolname = current_user
""")


async def _connect(access: Access) -> Any:
    return await asyncpg.connect(
        host=access.host,
        port=access.port,
        user=access.username or "",
        password=access.password or "",
        database=access.database,
        ssl=access.tls or False,
        timeout=access.seconds,
        server_settings={"application_name": "smarter"},
    )


def _begin(connection: Connection, max_rows: int, seconds: float) -> None:
    connection.execution_options(postgresql_readonly=True)
    connection.execute(_SETTINGS, {"milliseconds": str(int(seconds * 1000))})


def _power(connection: Connection) -> str:
    return str(connection.execute(_POWER).scalar() or "")


def _code(error: BaseException) -> str:
    return str(getattr(error, "sqlstate", None) or "")


ENGINE = Engine(
    url="postgresql+asyncpg://",
    connect=_connect,
    begin=_begin,
    power=_power,
    errors=(asyncpg.PostgresError, asyncpg.InterfaceError),
    code=_code,
    kinds={
        "08": "cut",
        "57P01": "cut",
        "28": "login",
        "3D": "database",
        "53300": "busy",
        "57P03": "busy",
        "57014": "timeout",
        "55P03": "timeout",
        "25006": "read_only",
        "22": "data",
    },
)
