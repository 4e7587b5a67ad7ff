"""SQL Server, by pytds: parameters travel apart from the statement. It knows no event loop, so it runs in threads."""

import socket
import ssl
from ipaddress import ip_address
from typing import Any
from weakref import WeakKeyDictionary

import pytds
from cryptography import x509
from OpenSSL.crypto import X509
from pytds import tls
from sqlalchemy import Connection, text
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.mssql.base import MSDialect, MSIdentifierPreparer

from smarter_runtime.tools.sql.engine import Access, Engine

_POWER = text("""
select case
  when is_srvrolemember('sysadmin') = 1 then 'is sysadmin'
  when is_rolemember('db_owner') = 1 then 'is db_owner'
  when is_rolemember('db_datawriter') = 1 then 'is db_datawriter'
  when is_rolemember('db_ddladmin') = 1 then 'is db_ddladmin'
  else coalesce(
    (select top 1 'has the privilege ' + permission_name from fn_my_permissions(null, 'database')
      where permission_name in ('INSERT', 'UPDATE', 'DELETE', 'ALTER', 'CONTROL', 'EXECUTE', 'CREATE TABLE')),
    (select top 1 'may change the table ' + schema_name(o.schema_id) + '.' + o.name from sys.objects o
      where o.type in ('U', 'V') and 1 in (
        has_perms_by_name(quotename(schema_name(o.schema_id)) + '.' + quotename(o.name), 'object', 'insert'),
        has_perms_by_name(quotename(schema_name(o.schema_id)) + '.' + quotename(o.name), 'object', 'update'),
        has_perms_by_name(quotename(schema_name(o.schema_id)) + '.' + quotename(o.name), 'object', 'delete'))
      order by 1),
    '') end
""")
_SOCKETS: WeakKeyDictionary[object, socket.socket] = WeakKeyDictionary()


class Dialect(MSDialect):
    """SQLAlchemy's dialect of SQL Server, with a driver that it does not know."""

    driver = "pytds"
    default_paramstyle = "pyformat"
    supports_statement_cache = True
    preparer = MSIdentifierPreparer

    @classmethod
    def import_dbapi(cls) -> Any:
        return pytds

    def initialize(self, connection: Connection) -> None:
        # What SQLAlchemy would ask the server matters to writers only.
        self.server_version_info = (16, 0, 0, 0)  # type: ignore[assignment]

    def do_execute(self, cursor: Any, statement: str, parameters: Any, context: Any = None) -> None:
        # Percent signs are doubled, but without parameters the driver leaves them as they are.
        cursor.execute(statement if parameters else statement.replace("%%", "%"), parameters or None)

    def do_ping(self, dbapi_connection: Any) -> bool:
        with dbapi_connection.cursor() as cursor:
            cursor.execute("select 1")
        return True

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        return isinstance(e, pytds.ClosedConnectionError | OSError)


registry.register("mssql.pytds", __name__, "Dialect")


def _is_for(cert: X509, name: bytes) -> bool:
    """Tell whether a certificate is for the host `name`."""
    try:
        names = cert.to_cryptography().extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    host = name.decode("ascii").lower()
    try:
        return ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        known = (each.lower() for each in names.get_values_for_type(x509.DNSName))
        return any(each == host or (each[:2] == "*." and each[2:] == host.partition(".")[2]) for each in known)


# The driver's own check calls what current releases of pyOpenSSL no longer have. It is made before the login.
tls.validate_host = _is_for


def _connect(access: Access) -> Any:
    connected = socket.create_connection((access.host, access.port), access.seconds)
    try:
        connection = pytds.connect(
            dsn=access.server_name,
            database=access.database,
            user=access.username,
            password=access.password,
            login_timeout=access.seconds,
            appname="smarter",
            readonly=True,
            sock=connected,
            cafile=(access.ca_path or ssl.get_default_verify_paths().cafile) if access.tls else None,
            validate_host=access.tls is not None and access.tls.check_hostname,
            disable_connect_retry=True,
        )
    except BaseException:
        connected.close()
        raise
    _SOCKETS[connection] = connected
    return connection


def _begin(connection: Connection, max_rows: int, seconds: float) -> None:
    driver = connection.connection.driver_connection
    # SQL Server has no limit of its own; when the driver waits no longer, it tells the server to break off.
    _SOCKETS[driver].settimeout(seconds)
    milliseconds = int(seconds * 1000)
    connection.exec_driver_sql(f"set lock_timeout {milliseconds:d}; set rowcount {max_rows + 1:d}")


def _power(connection: Connection) -> str:
    return str(connection.execute(_POWER).scalar() or "")


def _code(error: BaseException) -> str:
    return "timeout" if isinstance(error, TimeoutError) else str(getattr(error, "number", "") or "")


ENGINE = Engine(
    url="mssql+pytds://",
    is_blocking=True,
    connect=_connect,
    begin=_begin,
    power=_power,
    errors=(pytds.Error,),
    code=_code,
    kinds={
        "18456": "login",
        "18452": "login",
        "18487": "login",
        "4060": "database",
        "10928": "busy",
        "10929": "busy",
        "timeout": "timeout",
        "1222": "timeout",
        "3906": "read_only",
        "229": "read_only",
        "241": "data",
        "245": "data",
        "248": "data",
        "8114": "data",
        "8115": "data",
    },
)
