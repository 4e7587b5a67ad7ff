"""The part of the contract between operator and runtime about HTTP APIs: how one is called, and with which request."""

from typing import Any, Literal

from pydantic import Field

from smarter_crds.base import ApiModel
from smarter_crds.tool_config import ProxyConfig

AuthTypeName = Literal["None", "Basic", "Bearer", "Header", "OAuth2ClientCredentials"]
MethodName = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]


class ApiAuthConfig(ApiModel):
    """As whom an API is called; paths of files are below the pod's secrets folder."""

    type: AuthTypeName = "None"
    username_file: str = ""
    """The user, for type `Basic`."""
    secret_file: str = ""
    """Password, token, header's value or client's secret, whichever the type needs."""
    header: str = ""
    """Name of the header, for type `Header`."""
    token_url: str = ""
    client_id: str = ""
    scopes: tuple[str, ...] = ()


class ApiConnectionConfig(ApiModel):
    """An HTTP API."""

    name: str
    """Name of the ApiConnection resource."""
    base_url: str
    """Without a trailing slash."""
    auth: ApiAuthConfig = ApiAuthConfig()
    connect_timeout_seconds: int = 5
    proxy: ProxyConfig | None = None
    ca_file: str = ""
    """Path of the file with the authorities to trust, in PEM, below the pod's secrets folder; empty: the system's."""
    allowed_cidrs: tuple[str, ...] = Field((), alias="allowedCIDRs")
    """Non-public networks that may be dialled all the same."""


class PairConfig(ApiModel):
    """A name, and a value in which `{name}` stands for a parameter's value."""

    name: str
    value: str


class ApiConfig(ApiModel):
    """The request of a tool; `{name}` in its texts stands for a parameter's value."""

    connection: str
    """Key into `RuntimeConfig.apiConnections`."""
    method: MethodName
    path: str
    query: tuple[PairConfig, ...] = ()
    headers: tuple[PairConfig, ...] = ()
    body: Any = None
    """Object or array; None: no body is sent."""
    result: str = ""
    """JMESPath expression; empty: the model gets all of the response."""
    timeout_seconds: int = 10
