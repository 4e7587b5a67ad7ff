"""One query: its text made ready once, its parameters bound, and its rows read as far as they are wanted."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, Boolean, Connection, Double, String, TextClause, bindparam, text
from sqlalchemy.types import TypeEngine

from smarter_crds.sql_config import SqlConfig
from smarter_crds.sql_connection import Engine as EngineName
from smarter_crds.sql_text import Token, tokens
from smarter_crds.tool_config import ParameterConfig
from smarter_runtime.tools.sql.engine import Engine, Found, Sendable

BATCH_ROWS = 50
_TYPES: Mapping[str, type[TypeEngine[Any]]] = {"Integer": BigInteger, "Number": Double, "Boolean": Boolean}


@dataclass(frozen=True)
class Rows:
    """What a query found."""

    columns: tuple[str, ...]
    rows: tuple[Sequence[Any], ...]
    has_more: bool
    """Whether there are more rows than were asked for."""


class Query:
    """A query made ready for one kind of database."""

    def __init__(self, config: SqlConfig, engine: EngineName, parameters: Sequence[ParameterConfig]) -> None:
        """Read the query.

        Raises:
            SqlTextError: when that is not possible.
        """
        parts = tokens(config.query.strip().rstrip(";"), engine)
        used = {token.text.removeprefix(":") for token in parts if token.kind == "parameter"}
        self._config = config
        self._types = {each.name: each.type for each in parameters if each.name in used}
        self._statement = _statement(parts, self._types)
        self.marked = "".join("?" if each.kind == "parameter" else each.text for each in parts)
        """The text, with a question mark in the place of each parameter."""
        self.order = tuple(each.text.removeprefix(":") for each in parts if each.kind == "parameter")
        """The names of the parameters in these places."""

    def values(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is bound; lists and objects are bound as JSON."""
        return {name: _value(kind, arguments.get(name)) for name, kind in self._types.items()}

    def ask(self, connection: Connection, engine: Engine, values: Mapping[str, Any]) -> Rows:
        most = self._config.max_rows
        engine.begin(connection, most, self._config.timeout_seconds)
        fetch = engine.fetch or self._stream
        columns, rows = fetch(connection, self, values, most + 1)
        return Rows(columns, tuple(rows[:most]), len(rows) > most)

    def _stream(self, connection: Connection, query: Sendable, values: Mapping[str, Any], most: int) -> Found:
        connection.execution_options(stream_results=True, max_row_buffer=BATCH_ROWS)
        result = connection.execute(self._statement, values)
        try:
            rows: list[Sequence[Any]] = []
            while len(rows) < most and (batch := result.fetchmany(min(BATCH_ROWS, most - len(rows)))):
                rows += batch
            return tuple(result.keys()), rows
        finally:
            result.close()


def _statement(parts: Sequence[Token], types: Mapping[str, str]) -> TextClause:
    # After a colon, SQLAlchemy expects the name of a parameter; in strings and casts there is none.
    written = (f"{each.text} " if each.kind == "parameter" else each.text.replace(":", r"\:") for each in parts)
    bound = [bindparam(name, type_=_TYPES.get(kind, String)()) for name, kind in types.items()]
    return text("".join(written)).bindparams(*bound)


def _value(kind: str, value: Any) -> Any:
    if value is None:
        return None
    if kind in ("Array", "Object"):
        return json.dumps(value, ensure_ascii=False)
    return float(value) if kind == "Number" else value
