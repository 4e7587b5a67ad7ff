"""The connection that a Plugin's tool needs: which it is, and whether it can be used."""

from collections.abc import Iterable, Iterator, Mapping

from smarter_crds.api_connection import ApiConnection
from smarter_crds.compile.connections import check_api_connection, check_sql_connection
from smarter_crds.compile.model import References
from smarter_crds.compile.problems import Problem, first_message
from smarter_crds.compile.sql_statement import check_statement, unused_parameters
from smarter_crds.plugin import Plugin
from smarter_crds.sql_connection import SqlConnection

Connection = SqlConnection | ApiConnection


def find_connection(plugin: Plugin, references: References, namespace: str) -> Connection | Problem | None:
    """Return the usable connection that `plugin` names, or why there is none; None: it needs none."""
    spec = plugin.spec
    if spec.type == "Sql" and spec.sql:
        return _found("SqlConnection", spec.sql.connection_ref.name, references.sql_connections, plugin, namespace)
    if spec.type == "Api" and spec.api:
        return _found("ApiConnection", spec.api.connection_ref.name, references.api_connections, plugin, namespace)
    return None


def check_connected(plugin: Plugin, connection: Connection | None) -> tuple[Problem, ...]:
    """Return why `plugin` cannot be used with the connection that it names."""
    if plugin.spec.type == "Sql" and plugin.spec.sql and isinstance(connection, SqlConnection):
        return check_statement(plugin.spec.sql, connection.spec.engine)
    return ()


def connected_warnings(plugin: Plugin, connection: Connection | None) -> Iterator[str]:
    """Yield what is set in `plugin` and has no effect with the connection that it names."""
    if plugin.spec.type == "Sql" and plugin.spec.sql and isinstance(connection, SqlConnection):
        for name in unused_parameters(plugin.spec.sql, connection.spec.engine):
            yield (
                f"Plugin {plugin.metadata.name!r}: the parameter {name!r} has no effect, for `spec.sql.query` has no "
                f"`:{name}`."
            )


def _found(
    kind: str, name: str, known: Mapping[str, Connection | Problem], plugin: Plugin, namespace: str
) -> Connection | Problem:
    connection = known.get(name)
    place = f"named by Plugin {plugin.metadata.name!r}"
    if connection is None:
        said = f"{kind} {name!r}, {place}, is not in namespace {namespace!r}; create it, or name another."
        return Problem("ConnectionNotFound", said)
    said = connection.message if isinstance(connection, Problem) else first_message(_check(connection))
    if isinstance(connection, Problem) or said:
        return Problem("ConnectionNotAccepted", f"{kind} {name!r}, {place}, is not accepted: {said}")
    return connection


def _check(connection: Connection) -> Iterable[Problem]:
    if isinstance(connection, SqlConnection):
        return check_sql_connection(connection)
    return check_api_connection(connection)
