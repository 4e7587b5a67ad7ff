"""What differs between the kinds of database."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from sqlalchemy import Connection

from smarter_crds.sql_connection import Engine as EngineName
from smarter_runtime.tls import ServerNameContext

ErrorKind = Literal["login", "database", "timeout", "read_only", "data", "busy", "cut"]


@dataclass(frozen=True, kw_only=True)
class Access:
    """Where a driver shall connect, and as whom."""

    host: str
    port: int
    server_name: str
    """The name by which the connection's resource calls the server."""
    database: str
    username: str | None
    password: str | None
    tls: ServerNameContext | None
    ca_path: str
    """The file with the authorities to trust, for drivers that make their own context; empty: the system's."""
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One kind of database."""

    url: str
    """The dialect and the driver, as SQLAlchemy names them."""
    is_blocking: bool = False
    """Whether the driver knows no event loop and is used in threads."""
    is_file: bool = False
    streams: bool = True
    """Whether rows come as they are asked for; else the server is told how many it may send."""
    connect: Callable[[Access], Any]
    begin: Callable[[Connection, int, float], None]
    """Begins a transaction that only reads, from which at most so many rows are asked within so many seconds."""
    power: Callable[[Connection], str]
    """What the role can do beyond reading, as the end of a sentence; empty: nothing."""
    errors: tuple[type[Exception], ...]
    """What the driver raises while it connects."""
    code: Callable[[BaseException], str]
    """The server's code of an error."""
    kinds: Mapping[str, ErrorKind]
    """What codes mean, by how they begin."""

    def kind(self, error: BaseException) -> ErrorKind | None:
        code = self.code(error)
        return next((kind for begin, kind in self.kinds.items() if code.startswith(begin)), None)


_MODULES: Mapping[EngineName, str] = {
    "PostgreSQL": "postgresql",
    "MySQL": "mysql",
    "MariaDB": "mysql",
    "SQLServer": "sqlserver",
    "Oracle": "oracle",
    "SQLite": "sqlite",
}


def engine(name: EngineName) -> Engine:
    """Return the engine called `name`; its driver, which weighs 5 to 20 MiB, is loaded now."""
    found: Engine = import_module(f"smarter_runtime.tools.sql.{_MODULES[name]}").ENGINE
    return found
