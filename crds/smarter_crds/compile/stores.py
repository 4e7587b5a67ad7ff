"""The Store of a bot: whether it can be used, and how it appears in the config."""

from collections.abc import Iterator

from smarter_crds.chatbot import Chatbot
from smarter_crds.compile.connections import check_store
from smarter_crds.compile.model import References, SecretFile
from smarter_crds.compile.problems import Problem, first_message
from smarter_crds.compile.secret_files import credentials_config, credentials_files, tls_config, tls_files
from smarter_crds.store import Store
from smarter_crds.store_config import StoreConfig

_PORTS = {"Redis": 6379, "PostgreSQL": 5432}
_DATABASES = {"Redis": "0", "PostgreSQL": "smarter"}


def find_store(chatbot: Chatbot, references: References) -> Store | Problem | None:
    """Return the usable Store that `chatbot` names, or why there is none; None: it names none."""
    if chatbot.spec.store_ref is None:
        return None
    name, namespace = chatbot.spec.store_ref.name, chatbot.metadata.namespace
    store = references.stores.get(name)
    if store is None:
        text = f"Store {name!r} is not in namespace {namespace!r}; create it, or name another in `spec.storeRef`."
        return Problem("StoreNotFound", text)
    said = store.message if isinstance(store, Problem) else first_message(check_store(store))
    if isinstance(store, Problem) or said:
        return Problem("StoreNotAccepted", f"Store {name!r}, named in `spec.storeRef`, is not accepted: {said}")
    return store


def store_config(store: Store) -> StoreConfig:
    spec, thing = store.spec, _thing(store)
    return StoreConfig(
        name=store.metadata.name,
        type=spec.type,
        host=spec.host,
        port=spec.port or _PORTS[spec.type],
        database=spec.database or _DATABASES[spec.type],
        credentials=credentials_config(thing, spec.credentials_secret),
        tls=tls_config(thing, spec.tls),
        allowed_cidrs=tuple(sorted(spec.allowed_cidrs)),
    )


def store_secrets(store: Store) -> Iterator[SecretFile]:
    """Yield what the pod needs mounted to use `store`."""
    yield from credentials_files(_thing(store), store.spec.credentials_secret)
    yield from tls_files(_thing(store), store.spec.tls)


def _thing(store: Store) -> str:
    return f"store-{store.metadata.name}"
