"""What is needed to log in to a Store: read from the mounted Secrets when a connection is made."""

from dataclasses import dataclass

from smarter_crds.addresses import Network, networks
from smarter_crds.store_config import StoreConfig
from smarter_runtime.secret_files import SecretFiles, SecretMissing
from smarter_runtime.tls import ServerNameContext, tls_context, tls_files

CONNECT_SECONDS = 3.0
"""How long a connection may take, encryption and login included."""

COMMAND_SECONDS = 3.0
"""How long a Store may take for one thing: an answer waits for it."""


@dataclass(frozen=True)
class Access:
    """A Store and the credentials of this moment."""

    config: StoreConfig
    username: str | None
    password: str | None
    tls: ServerNameContext | None

    @property
    def allowed(self) -> tuple[Network, ...]:
        """The non-public networks that may be dialled."""
        return networks(self.config.allowed_cidrs)


def files_of(config: StoreConfig) -> tuple[str, ...]:
    """Return the names of the files that the access is made from."""
    login = (config.credentials.username_file, config.credentials.password_file) if config.credentials else ()
    return (*login, *tls_files(config.tls))


def access(config: StoreConfig, files: SecretFiles) -> Access:
    """Return the access to the Store.

    Raises:
        SecretMissing: when a file that is needed has nothing in it.
    """
    tls = tls_context(config.tls, config.host, files)
    if config.credentials is None:
        return Access(config, None, None, tls)
    return Access(config, _username(config, files), files.text(config.credentials.password_file), tls)


def _username(config: StoreConfig, files: SecretFiles) -> str | None:
    assert config.credentials is not None
    try:
        return files.text(config.credentials.username_file)
    except SecretMissing:
        # Most servers of Redis know passwords and no users.
        if config.type == "Redis":
            return None
        raise
