"""World: every fact about one chatbot at this moment, taken from what is known without asking anybody."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from smarter_crds import yaml_text
from smarter_crds.api_connection import ApiConnection
from smarter_crds.api_key import ApiKey
from smarter_crds.compile import Problem, References, key_config, parse
from smarter_crds.keys_config import KeyConfig
from smarter_crds.plugin import Plugin
from smarter_crds.provider import Provider
from smarter_crds.sql_connection import SqlConnection
from smarter_crds.store import Store
from smarter_operator.cache import Cache, references_of
from smarter_operator.cluster import Manifest
from smarter_operator.kinds import (
    API_CONNECTION,
    BY_NAME,
    CHATBOT,
    CHILDREN,
    CONFIG_MAP,
    PLUGIN,
    POD,
    PROVIDER,
    SQL_CONNECTION,
    STORE,
    Kind,
)
from smarter_operator.pods import PodReport, PodReports
from smarter_operator.prices import TABLE

NAME_TAKEN = "NameTaken"


@dataclass(frozen=True, kw_only=True)
class World:
    """What exists around one chatbot."""

    references: References
    children: Mapping[tuple[str, str], Manifest]
    """By (kind, name): the labelled objects that this Chatbot's UID controls."""
    pods: tuple[Manifest, ...] = ()
    """Those that are not on their way out."""
    keys: tuple[KeyConfig, ...] = ()
    """The ApiKeys that open it, by name."""
    reports: Mapping[str, PodReport] = field(default_factory=dict)
    """What the pods said when asked last, by pod UID."""

    taken: bool = False
    """Whether somebody else's object held the name of a child when it was looked at last."""

    @property
    def misses_session_key(self) -> bool:
        return any(report.misses_session_key for report in self.reports.values())

    def child(self, kind: Kind, name: str) -> Manifest | None:
        return self.children.get((kind.name, name))

    def of_kind(self, kind: Kind) -> list[Manifest]:
        return [child for (kind_name, _), child in self.children.items() if kind_name == kind.name]


def observe(raw: Manifest, cache: Cache, reports: PodReports, known: References | None = None) -> World:
    """Gather the facts about the Chatbot `raw`; what it refers to need not be read again where it is `known`."""
    namespace, name, uid = (raw["metadata"][key] for key in ("namespace", "name", "uid"))
    pods = tuple(pod for pod in cache.children(POD, namespace, name).values() if _runs(pod))
    return World(
        references=references(raw, cache) if known is None else known,
        children={
            (kind.name, child_name): child
            for kind in CHILDREN
            for child_name, child in cache.children(kind, namespace, name).items()
            if controller_uid(child) == uid
        },
        pods=pods,
        keys=_keys(cache.keys_of(namespace, name)),
        reports=reports.of([pod["metadata"]["uid"] for pod in pods]),
        taken=any(condition["reason"] == NAME_TAKEN for condition in raw.get("status", {}).get("conditions", [])),
    )


def controller_uid(manifest: Manifest) -> str:
    owners = manifest["metadata"].get("ownerReferences", [])
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), "")


def _keys(found: Iterable[Manifest]) -> tuple[KeyConfig, ...]:
    parsed = (parse(ApiKey, manifest) for manifest in found if "deletionTimestamp" not in manifest["metadata"])
    configs = (key_config(key) for key in parsed if not isinstance(key, Problem))
    return tuple(config for config in configs if config is not None)


def references(raw: Manifest, cache: Cache, kind: Kind = CHATBOT) -> References:
    """Return what the Chatbot or Plugin `raw` refers to, directly or through a Plugin; may run in another thread."""
    found: dict[str, dict[str, Manifest]] = {
        known.name: {} for known in (PLUGIN, PROVIDER, SQL_CONNECTION, API_CONNECTION, STORE, CONFIG_MAP)
    }
    waiting = references_of(kind, raw)
    while waiting:
        kind_name, (namespace, name) = waiting.pop()
        manifest = cache.get(BY_NAME[kind_name], namespace, name)
        if manifest is not None and name not in found.setdefault(kind_name, {}):
            found[kind_name][name] = manifest
            waiting |= references_of(BY_NAME[kind_name], manifest)
    return References(
        plugins={name: parse(Plugin, manifest) for name, manifest in found[PLUGIN.name].items()},
        providers={name: parse(Provider, manifest) for name, manifest in found[PROVIDER.name].items()},
        sql_connections={name: parse(SqlConnection, manifest) for name, manifest in found[SQL_CONNECTION.name].items()},
        api_connections={name: parse(ApiConnection, manifest) for name, manifest in found[API_CONNECTION.name].items()},
        prices=TABLE,
        stores={name: parse(Store, manifest) for name, manifest in found[STORE.name].items()},
        config_maps={name: manifest.get("data") or {} for name, manifest in found[CONFIG_MAP.name].items()},
        read_data=yaml_text.read,
    )


def _runs(pod: Manifest) -> bool:
    terminating = "deletionTimestamp" in pod["metadata"]
    return not terminating and pod.get("status", {}).get("phase") not in ("Succeeded", "Failed")
