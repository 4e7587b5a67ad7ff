"""How an ApiConnection appears in a bot's config, and which keys of Secrets the pods need for it."""

from collections.abc import Iterator

from smarter_crds.api_config import ApiAuthConfig, ApiConnectionConfig
from smarter_crds.api_connection import ApiConnection, Auth
from smarter_crds.compile.model import SecretFile
from smarter_crds.compile.secret_files import credentials_files
from smarter_crds.connection_config import CredentialsConfig
from smarter_crds.references import Proxy, SecretKeyRef
from smarter_crds.tool_config import ProxyConfig

DEFAULT_CONNECT_SECONDS = 5


def api_connection_config(connection: ApiConnection) -> ApiConnectionConfig:
    spec = connection.spec
    return ApiConnectionConfig(
        name=connection.metadata.name,
        base_url=spec.base_url.rstrip("/"),
        auth=_auth(spec.auth, _thing(connection)) if spec.auth else ApiAuthConfig(),
        connect_timeout_seconds=spec.timeout_seconds or DEFAULT_CONNECT_SECONDS,
        proxy=_proxy(spec.proxy, _thing(connection)) if spec.proxy else None,
        ca_file=file.path if (file := _ca_file(connection)) else "",
        allowed_cidrs=tuple(sorted(spec.allowed_cidrs)),
    )


def api_connection_secrets(connection: ApiConnection) -> Iterator[SecretFile]:
    """Yield what the pod needs mounted to use `connection`."""
    spec, thing = connection.spec, _thing(connection)
    if spec.auth and (secret := _secret_file(spec.auth, thing)):
        yield secret
    if spec.auth and spec.auth.type == "Basic":
        yield from credentials_files(thing, spec.auth.credentials_secret)
    if spec.proxy:
        yield from credentials_files(f"proxy-of-{thing}", spec.proxy.credentials_secret)
    if ca := _ca_file(connection):
        yield ca


def _auth(auth: Auth, thing: str) -> ApiAuthConfig:
    secret = _secret_file(auth, thing)
    if auth.type == "Basic":
        files = [file.path for file in credentials_files(thing, auth.credentials_secret)]
        return ApiAuthConfig(type="Basic", username_file=files[0], secret_file=files[1])
    if auth.type == "OAuth2ClientCredentials":
        return ApiAuthConfig(
            type=auth.type,
            secret_file=secret.path if secret else "",
            token_url=auth.token_url or "",
            client_id=auth.client_id or "",
            scopes=auth.scopes,
        )
    return ApiAuthConfig(
        type=auth.type,
        secret_file=secret.path if secret else "",
        header=(auth.name or "") if auth.type == "Header" else "",
    )


def _secret_file(auth: Auth, thing: str) -> SecretFile | None:
    """Return the one key that the type of authentication needs; members of other types are ignored."""
    key: SecretKeyRef | None = {
        "Bearer": auth.token_secret,
        "Header": auth.value_secret,
        "OAuth2ClientCredentials": auth.client_secret,
    }.get(auth.type)
    return SecretFile(key.name, key.key, f"secret-of-{thing}") if key else None


def _proxy(proxy: Proxy, thing: str) -> ProxyConfig:
    files = [file.path for file in credentials_files(f"proxy-of-{thing}", proxy.credentials_secret)]
    credentials = CredentialsConfig(username_file=files[0], password_file=files[1]) if files else None
    return ProxyConfig(url=proxy.url, credentials=credentials)


def _ca_file(connection: ApiConnection) -> SecretFile | None:
    secret = connection.spec.ca_secret
    return SecretFile(secret.name, secret.key, f"ca-of-{_thing(connection)}") if secret else None


def _thing(connection: ApiConnection) -> str:
    # The name comes last, for it may hold anything that could stand between.
    return f"api-connection-{connection.metadata.name}"
