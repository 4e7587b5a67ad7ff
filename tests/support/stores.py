"""The Stores of the test servers, as a bot's config and a pod's Secrets would have them."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smarter_crds.connection_config import CredentialsConfig, TlsConfig
from smarter_crds.references import TlsMode
from smarter_crds.store_config import StoreConfig
from smarter_runtime.secret_files import SecretFiles
from smarter_runtime.services import SCHEMAS
from smarter_runtime.stores.connections import StoreConnections
from support.postgresql import PostgreSQL
from support.redis_server import Redis

LOOPBACK = ("127.0.0.0/8",)
StoreKind = Literal["Redis", "PostgreSQL"]


@dataclass(frozen=True)
class TestStore:
    """A Store, and the folder with its secrets."""

    __test__ = False

    config: StoreConfig
    secrets: Path

    def write(self, **files: str) -> None:
        """Write secrets as the kubelet does: as new files."""
        for name, text in files.items():
            new = self.secrets / f".{name}.new"
            new.write_text(text, encoding="utf-8")
            new.replace(self.secrets / name)

    def changed(self, **members: object) -> StoreConfig:
        return self.config.model_copy(update=members)


def redis_store(server: Redis, secrets: Path, *, tls: TlsMode = "VerifyFull", database: int = 0) -> TestStore:
    port = server.port if tls == "Disabled" else server.tls_port
    made = TestStore(_config("Redis", port, str(database), tls), secrets)
    _write(made, server.username, server.password, server.authority)
    return made


def postgresql_store(server: PostgreSQL, secrets: Path, *, tls: TlsMode = "VerifyFull") -> TestStore:
    role = server.database()
    made = TestStore(_config("PostgreSQL", server.port, role.database, tls), secrets)
    _write(made, role.username, role.password, server.authority)
    return made


@asynccontextmanager
async def connected(store: TestStore) -> AsyncIterator[StoreConnections]:
    """Use the Store as a pod does, with all of its tables; it is asked again at once when it failed."""
    made = StoreConnections(SecretFiles(store.secrets), schemas=SCHEMAS, retry_seconds=0)
    await made.use(store.config)
    yield made
    await made.close()


def _config(kind: StoreKind, port: int, database: str, tls: TlsMode) -> StoreConfig:
    return StoreConfig(
        name="main",
        type=kind,
        host="localhost",
        port=port,
        database=database,
        credentials=CredentialsConfig(username_file="username", password_file="password"),
        tls=TlsConfig(mode=tls, ca_file="ca" if tls.startswith("Verify") else ""),
        allowed_cidrs=LOOPBACK,
    )


def _write(store: TestStore, username: str, password: str, authority: Path) -> None:
    store.secrets.mkdir(parents=True, exist_ok=True)
    store.write(username=username, password=password, ca=authority.read_text(encoding="utf-8"))


def kinds() -> Iterable[StoreKind]:
    return "Redis", "PostgreSQL"
