"""How an ApiConnection appears in a bot's config, and which keys of Secrets the pods need for it."""

from collections.abc import Iterator

from smarter_crds.api_config import ApiAuthConfig, ApiConnectionConfig
from smarter_crds.api_connection import ApiConnection, Auth
from smarter_crds.compile.model import SecretFile
from smarter_crds.references import CredentialsSecret, Proxy, SecretKeyRef
from smarter_crds.tool_config import CredentialsConfig, ProxyConfig

DEFAULT_CONNECT_SECONDS = 5
_PASSWORD, _USERNAME = "password", "username"


def api_connection_config(connection: ApiConnection) -> ApiConnectionConfig:
    spec, name = connection.spec, connection.metadata.name
    return ApiConnectionConfig(
        name=name,
        base_url=spec.base_url.rstrip("/"),
        auth=_auth(spec.auth, name) if spec.auth else ApiAuthConfig(),
        connect_timeout_seconds=spec.timeout_seconds or DEFAULT_CONNECT_SECONDS,
        proxy=_proxy(spec.proxy, name) if spec.proxy else None,
        ca_file=_path("ca", name) if spec.ca_secret else "",
        allowed_cidrs=tuple(sorted(spec.allowed_cidrs)),
    )


def api_connection_secrets(connection: ApiConnection) -> Iterator[SecretFile]:
    """Yield what the pod needs mounted to use `connection`."""
    spec, name = connection.spec, connection.metadata.name
    if spec.auth and (key := _secret(spec.auth)):
        yield SecretFile(key.name, key.key, _path("secret", name))
    if spec.auth and spec.auth.type == "Basic" and spec.auth.credentials_secret:
        yield from _credentials(spec.auth.credentials_secret, "", name)
    if spec.proxy and spec.proxy.credentials_secret:
        yield from _credentials(spec.proxy.credentials_secret, "proxy-", name)
    if spec.ca_secret:
        yield SecretFile(spec.ca_secret.name, spec.ca_secret.key, _path("ca", name))


def _auth(auth: Auth, name: str) -> ApiAuthConfig:
    if auth.type == "Basic":
        return ApiAuthConfig(type="Basic", username_file=_path(_USERNAME, name), secret_file=_path(_PASSWORD, name))
    if auth.type == "OAuth2ClientCredentials":
        return ApiAuthConfig(
            type=auth.type,
            secret_file=_path("secret", name),
            token_url=auth.token_url or "",
            client_id=auth.client_id or "",
            scopes=auth.scopes,
        )
    return ApiAuthConfig(
        type=auth.type,
        secret_file=_path("secret", name) if _secret(auth) else "",
        header=(auth.name or "") if auth.type == "Header" else "",
    )


def _secret(auth: Auth) -> SecretKeyRef | None:
    """Return the one key that the type of authentication needs; members of other types are ignored."""
    return {
        "Bearer": auth.token_secret,
        "Header": auth.value_secret,
        "OAuth2ClientCredentials": auth.client_secret,
    }.get(auth.type)


def _proxy(proxy: Proxy, name: str) -> ProxyConfig:
    if proxy.credentials_secret is None:
        return ProxyConfig(url=proxy.url)
    files = (_path(f"proxy-{each}", name) for each in (_USERNAME, _PASSWORD))
    return ProxyConfig(
        url=proxy.url, credentials=CredentialsConfig(username_file=next(files), password_file=next(files))
    )


def _credentials(secret: CredentialsSecret, prefix: str, name: str) -> Iterator[SecretFile]:
    for what, key in ((_USERNAME, secret.username_key), (_PASSWORD, secret.password_key)):
        yield SecretFile(secret.name, key or what, _path(prefix + what, name))


def _path(what: str, name: str) -> str:
    # The name comes last, for it may hold anything that could stand between.
    return f"{what}-of-api-connection-{name}"
