"""The tools that a Plugin can offer: fixed data, a query to a database, an HTTP request."""

from typing import Any, Literal

from pydantic import Field

from smarter_crds.base import ApiModel, Rule
from smarter_crds.fields import HeaderName, HeaderValue
from smarter_crds.parameters import ParameterList
from smarter_crds.references import ConfigMapSource, LocalRef

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class Static(ApiModel):
    """A tool that returns one part of fixed data."""

    rules = (
        Rule(
            cel="has(self.data) != has(self.dataFrom)",
            message="exactly one of `static.data` and `static.dataFrom` is required",
            holds=lambda static: (static.data is None) != (static.data_from is None),
        ),
    )

    data: dict[str, Any] | None = Field(
        None,
        min_length=1,
        max_length=1000,
        description="The data, at most 128 KiB as JSON. The tool's one parameter chooses among the top-level keys. "
        "Quote keys "
        "like `no`, `y` or `on`, which YAML reads as booleans. Either this or `dataFrom` is required.",
    )
    data_from: ConfigMapSource | None = Field(
        None, description="Where the data is kept as YAML or JSON, if not in `data`."
    )


class Sql(ApiModel):
    """A tool that runs one query."""

    connection_ref: LocalRef = Field(description="SqlConnection whose database is asked.")
    query: str = Field(
        min_length=1,
        max_length=16384,
        description="One SELECT statement; parameters are written as `:name` and bound, never pasted.",
    )
    parameters: ParameterList = Field((), max_length=32, description="Parameters of the query. Default: none.")
    max_rows: int | None = Field(
        None, ge=1, le=1000, description="Most rows that the tool returns, 1 to 1000. Default: 100."
    )
    timeout_seconds: int | None = Field(
        None, ge=1, le=300, description="Longest time that the query may take, in seconds. Default: 5."
    )


class Pair(ApiModel):
    """A name and a value in the query of an address."""

    name: str = Field(min_length=1, max_length=128, description="Name in the query.")
    value: str = Field(max_length=4096, description="Value; `{name}` stands for a parameter's value.")


class Header(ApiModel):
    """A header of an HTTP request."""

    name: HeaderName = Field(description="Name of the header.")
    value: HeaderValue = Field(description="Value of the header; `{name}` stands for a parameter's value.")


class Api(ApiModel):
    """A tool that makes one HTTP request."""

    connection_ref: LocalRef = Field(description="ApiConnection that says where and as whom to call.")
    method: Method = Field(description="Method of the request.")
    path: str = Field(
        min_length=1,
        max_length=2048,
        pattern=r"^/[^\s?#]*$",
        description="Path below the connection's `baseUrl`; `{name}` stands for a parameter's value.",
    )
    query: tuple[Pair, ...] = Field(
        (), max_length=64, description="Query of the address, in this order. Default: none."
    )
    headers: tuple[Header, ...] = Field((), max_length=32, description="Headers of the request. Default: none.")
    body: Any = Field(
        None,
        description="JSON body, an object or an array; `{name}` in a string stands for a parameter's value. Default: "
        "none.",
    )
    parameters: ParameterList = Field((), max_length=32, description="Parameters of the request. Default: none.")
    result: str | None = Field(
        None,
        min_length=1,
        max_length=4096,
        description="JMESPath expression that picks what the model gets of the response. Default: all of it.",
    )
    timeout_seconds: int | None = Field(
        None, ge=1, le=300, description="Longest time that the request may take, in seconds. Default: 10."
    )
