"""What differs between the kinds of database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal, Protocol

from sqlalchemy import Connection

from smarter_crds.sql_connection import Engine as EngineName
from smarter_runtime.tls import ServerNameContext

ErrorKind = Literal["login", "database", "timeout", "read_only", "data", "busy", "cut"]


class Sendable(Protocol):
    """A query as drivers take it."""

    @property
    def marked(self) -> str:
        """Its text, with a question mark in the place of each parameter."""
        ...

    @property
    def order(self) -> tuple[str, ...]:
        """The names of the parameters in these places."""
        ...


Found = tuple[tuple[str, ...], Sequence[Sequence[Any]]]
"""The names of the columns, and rows."""


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
    fetch: Callable[[Connection, Sendable, Mapping[str, Any], int], Found] | None = None
    """Sends a query in the driver's own way and returns at most so many rows; `None`: by SQLAlchemy, as a stream."""
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
