"""The ApiConnection resource: an HTTP API that Plugins of type Api call."""

from typing import Annotated, Literal

from pydantic import Field

from smarter_crds.base import ApiModel, Metadata, Rule
from smarter_crds.fields import AllowedCidrs, BaseUrl, HeaderName, RequiredText, Url
from smarter_crds.references import CredentialsSecret, Proxy, SecretKeyRef
from smarter_crds.status import SharedStatus

AuthType = Literal["None", "Basic", "Bearer", "Header", "OAuth2ClientCredentials"]
Scope = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!#-\[\]-~]+$")]


class Auth(ApiModel):
    """As whom the API is called."""

    rules = (
        Rule(
            cel="self.type != 'Basic' || has(self.credentialsSecret)",
            message="`auth.credentialsSecret` is required when `auth.type` is `Basic`",
            holds=lambda auth: auth.type != "Basic" or auth.credentials_secret is not None,
        ),
        Rule(
            cel="self.type != 'Bearer' || has(self.tokenSecret)",
            message="`auth.tokenSecret` is required when `auth.type` is `Bearer`",
            holds=lambda auth: auth.type != "Bearer" or auth.token_secret is not None,
        ),
        Rule(
            cel="self.type != 'Header' || has(self.name) && has(self.valueSecret)",
            message="`auth.name` and `auth.valueSecret` are required when `auth.type` is `Header`",
            holds=lambda auth: auth.type != "Header" or None not in (auth.name, auth.value_secret),
        ),
        Rule(
            cel="self.type != 'OAuth2ClientCredentials' || has(self.tokenUrl) && has(self.clientId) && "
            "has(self.clientSecret)",
            message="`auth.tokenUrl`, `auth.clientId` and `auth.clientSecret` are required when `auth.type` is "
            "`OAuth2ClientCredentials`",
            holds=lambda auth: (
                auth.type != "OAuth2ClientCredentials"
                or None not in (auth.token_url, auth.client_id, auth.client_secret)
            ),
        ),
    )

    type: AuthType = Field(
        description="`None`; `Basic`: user and password; `Bearer`: a token; `Header`: a header of your own; "
        "`OAuth2ClientCredentials`: a token fetched with the client's own credentials."
    )
    credentials_secret: CredentialsSecret | None = Field(
        None, description="Secret with user and password, for type `Basic`."
    )
    token_secret: SecretKeyRef | None = Field(None, description="Secret key with the token, for type `Bearer`.")
    name: HeaderName | None = Field(None, description="Name of the header, for type `Header`.")
    value_secret: SecretKeyRef | None = Field(
        None, description="Secret key with the header's value, for type `Header`."
    )
    token_url: Url | None = Field(
        None, description="Address where tokens are fetched, for type `OAuth2ClientCredentials`."
    )
    client_id: RequiredText | None = Field(
        None, description="Identifier of the client, for type `OAuth2ClientCredentials`."
    )
    client_secret: SecretKeyRef | None = Field(
        None, description="Secret key with the client's secret, for type `OAuth2ClientCredentials`."
    )
    scopes: tuple[Scope, ...] = Field(
        (), max_length=32, description="Scopes to ask for, for type `OAuth2ClientCredentials`. Default: none."
    )


class ApiConnectionSpec(ApiModel):
    """Where an API is, and how it is called."""

    base_url: BaseUrl = Field(description="Address below which the API is called, without query.")
    auth: Auth | None = Field(None, description="As whom the API is called. Default: without authentication.")
    timeout_seconds: int | None = Field(
        None, ge=1, le=300, description="Longest time until a connection is made, in seconds. Default: 5."
    )
    proxy: Proxy | None = Field(None, description="Proxy through which the API is reached. Default: none.")
    ca_secret: SecretKeyRef | None = Field(
        None, description="Secret key with the authorities to trust, in PEM. Default: the system's."
    )
    allowed_cidrs: AllowedCidrs = ()


class ApiConnection(ApiModel):
    """An HTTP API that Plugins can call."""

    metadata: Metadata
    spec: ApiConnectionSpec
    status: SharedStatus = SharedStatus()
