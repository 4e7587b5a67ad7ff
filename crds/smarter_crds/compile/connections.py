"""Connections and Stores: what is wrong with one although each of its fields is valid, and what has no effect."""

from collections.abc import Iterator

from smarter_crds.api_connection import ApiConnection
from smarter_crds.compile.dialled import address_problems, url_problems
from smarter_crds.compile.problems import Problem
from smarter_crds.references import Tls
from smarter_crds.sql_connection import SqlConnection, SqlConnectionSpec
from smarter_crds.store import Store

FORBIDDEN_HEADERS = frozenset({"connection", "content-length", "host", "te", "trailer", "transfer-encoding"})
"""Headers that belong to the connection or to the body, not to an API."""

_AUTH_MEMBERS = {
    "None": frozenset[str](),
    "Basic": frozenset({"credentials_secret"}),
    "Bearer": frozenset({"token_secret"}),
    "Header": frozenset({"name", "value_secret"}),
    "OAuth2ClientCredentials": frozenset({"token_url", "client_id", "client_secret", "scopes"}),
}
_SQLITE_IGNORES = ("host", "port", "credentials_secret", "tls", "ssh_tunnel", "proxy")
_KNOWN_HOST_FIELDS = 3


def check_sql_connection(connection: SqlConnection) -> tuple[Problem, ...]:
    """Return why `connection` cannot be used."""
    spec = connection.spec
    if spec.engine == "SQLite":
        return ()
    host = spec.host or ""
    found = list(address_problems("spec.host", host, spec.allowed_cidrs)) if _is_dialled_from_the_pod(spec) else []
    if spec.engine == "SQLServer" and spec.tls and spec.tls.mode == "Required":
        text = (
            "`spec.tls.mode: Required` cannot be had with engine `SQLServer`; use `VerifyCA` with `spec.tls.caSecret`."
        )
        found.append(Problem("TlsModeNotSupported", text))
    if spec.ssh_tunnel and spec.proxy:
        text = "`spec.sshTunnel` and `spec.proxy` are two ways to the same database; remove one."
        found.append(Problem("TunnelAndProxy", text))
    if spec.ssh_tunnel:
        found += address_problems("spec.sshTunnel.host", spec.ssh_tunnel.host, spec.allowed_cidrs)
        found += _known_hosts(spec.ssh_tunnel.known_hosts)
    if spec.proxy:
        found += url_problems("spec.proxy.url", spec.proxy.url, spec.allowed_cidrs)
    return tuple(found)


def sql_connection_warnings(connection: SqlConnection) -> Iterator[str]:
    """Yield what is set in `connection` and has no effect."""
    spec = connection.spec
    if spec.engine == "SQLite":
        for name in _SQLITE_IGNORES:
            if getattr(spec, name) is not None:
                alias = type(spec).model_fields[name].alias
                yield f"`spec.{alias}` has no effect with engine `SQLite`, which is a file."
        return
    if spec.engine == "SQLServer" and spec.tls and spec.tls.client_cert_secret:
        yield "`spec.tls.clientCertSecret` has no effect with engine `SQLServer`."
    yield from _tls_warnings(spec.tls)


def check_api_connection(connection: ApiConnection) -> tuple[Problem, ...]:
    """Return why `connection` cannot be used."""
    spec = connection.spec
    found = [*url_problems("spec.baseUrl", spec.base_url, spec.allowed_cidrs)]
    if spec.auth and spec.auth.type == "OAuth2ClientCredentials" and spec.auth.token_url:
        found += url_problems("spec.auth.tokenUrl", spec.auth.token_url, spec.allowed_cidrs)
    if spec.auth and spec.auth.type == "Header" and (spec.auth.name or "").lower() in FORBIDDEN_HEADERS:
        text = f"`spec.auth.name: {spec.auth.name}` is a header of the connection itself; name one of the API's own."
        found.append(Problem("HeaderForbidden", text))
    if spec.proxy:
        found += url_problems("spec.proxy.url", spec.proxy.url, spec.allowed_cidrs)
    return tuple(found)


def api_connection_warnings(connection: ApiConnection) -> Iterator[str]:
    """Yield what is set in `connection` and has no effect, or does harm."""
    spec = connection.spec
    if spec.auth is None or spec.auth.type == "None":
        used = frozenset[str]()
    else:
        used = _AUTH_MEMBERS[spec.auth.type]
        if spec.base_url.startswith("http://"):
            yield "`spec.baseUrl` begins with http://, so that the credentials travel without encryption."
    for name, field in type(spec.auth).model_fields.items() if spec.auth else ():
        if name != "type" and name not in used and getattr(spec.auth, name):
            yield f"`spec.auth.{field.alias}` has no effect with `type: {spec.auth and spec.auth.type}`."


def check_store(store: Store) -> tuple[Problem, ...]:
    """Return why `store` cannot be used."""
    spec = store.spec
    found = [*address_problems("spec.host", spec.host, spec.allowed_cidrs)]
    if spec.type == "Redis" and spec.database is not None and not (spec.database.isascii() and spec.database.isdigit()):
        text = f"`spec.database: {spec.database}` is no number, and the databases of Redis have numbers; use `0`."
        found.append(Problem("InvalidDatabase", text))
    return tuple(found)


def store_warnings(store: Store) -> Iterator[str]:
    """Yield what is set in `store` and has no effect."""
    yield from _tls_warnings(store.spec.tls)


def _is_dialled_from_the_pod(spec: SqlConnectionSpec) -> bool:
    """Behind a tunnel or a proxy, the host is an address of the network over there."""
    return spec.ssh_tunnel is None and spec.proxy is None


def _tls_warnings(tls: Tls | None) -> Iterator[str]:
    if tls is None:
        return
    if tls.mode == "Disabled":
        for name in ("ca_secret", "client_cert_secret"):
            if getattr(tls, name) is not None:
                yield f"`spec.tls.{type(tls).model_fields[name].alias}` has no effect with mode `Disabled`."
    if tls.mode == "Required" and tls.ca_secret is not None:
        yield "`spec.tls.caSecret` has no effect with mode `Required`, which does not check the server."


def _known_hosts(text: str) -> Iterator[Problem]:
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not lines or any(len(line.split()) < _KNOWN_HOST_FIELDS for line in lines):
        said = "`spec.sshTunnel.knownHosts` needs lines of host, kind of key and key; `ssh-keyscan` prints them."
        yield Problem("InvalidKnownHosts", said)
