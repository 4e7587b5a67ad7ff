"""From manifests to the config that is served on this machine, by the same `compile` that the operator uses."""

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from smarter_cli.manifests import Document, InputError
from smarter_cli.prices import TABLE
from smarter_crds import KINDS, ApiConnection, Chatbot, Plugin, Provider, SqlConnection, Store, yaml_text
from smarter_crds.base import API_VERSION, GROUP, ApiModel
from smarter_crds.chatbot import ChatbotSpec
from smarter_crds.compile import Compiled, Platform, PlatformLimits, Problem, References, compile_chatbot, parse
from smarter_crds.exposure import Exposure
from smarter_crds.workload import Scaling

M = TypeVar("M", bound=ApiModel)

# There are no images here: what the environment lacks, the runtime says.
PLATFORM = Platform(
    limits=PlatformLimits(tokens_per_day=10_000_000), langchain_image="installed", embedded_budgets=True
)
"""Stands in for the platform's values. A bot without a daily limit of its own is not refused on this machine."""

_ELSEWHERE = {
    "exposure": "the bot is served on this machine only",
    "scaling": "one process serves the bot",
    "store_ref": "conversations and counts are kept in the process and end with it, unless you give `--with-store`",
    "runtime": "the runtime that is installed here serves the bot",
    "pod_template": "no pod runs here",
    "network_policy": "no pod runs here",
    "resources": "no pod runs here",
}
"""What means something in a cluster only, and what holds here instead."""


@dataclass(frozen=True)
class Project:
    """One Chatbot and what became of it."""

    name: str
    namespace: str
    compiled: Compiled
    notes: tuple[str, ...]
    """What is different here from the cluster."""


def load(documents: Sequence[Document], wanted: str = "", *, with_store: bool = False) -> Project:
    """Compile the Chatbot among `documents` that is `wanted`: its name, or `namespace/name`; empty: the only one.

    It uses its Store only `with_store`: whoever tries a bot may mean to touch nobody's data, or cannot reach it.

    Raises:
        InputError: when there is no such Chatbot, or a resource is not valid.
    """
    for document in documents:
        _check(document)
    chosen = _chosen([document for document in documents if document.kind == "Chatbot"], wanted)
    chatbot = parse(Chatbot, _completed(chosen))
    if isinstance(chatbot, Problem):
        raise InputError(f"{chosen.file}: Chatbot {chosen.name!r}: {chatbot.message}")
    neighbours = [document for document in documents if document.namespace == chosen.namespace]
    elsewhere = {name: instead for name, instead in _ELSEWHERE.items() if name != "store_ref" or not with_store}
    local = chatbot.model_copy(update={"spec": _local(chatbot.spec, elsewhere)})
    compiled = compile_chatbot(local, _references(neighbours), PLATFORM)
    return Project(chosen.name, chosen.namespace, compiled, tuple(_notes(chatbot.spec, elsewhere)))


def _check(document: Document) -> None:
    api_version, kind = document.manifest["apiVersion"], document.kind
    if not str(api_version).startswith(f"{GROUP}/"):
        return
    if kind not in KINDS:
        raise InputError(f"{document.file}: there is no kind {kind!r} in {GROUP}; it has {', '.join(sorted(KINDS))}.")
    if api_version != API_VERSION:
        raise InputError(f"{document.file}: {kind} {document.name!r} is of {api_version}; use {API_VERSION}.")
    _refuse_unknown_fields(document)


def _refuse_unknown_fields(document: Document) -> None:
    """The API server refuses them when kubectl asks it to, which is kubectl's default."""
    model = KINDS[document.kind].model
    read = parse(model, _completed(document))
    if isinstance(read, Problem):
        raise InputError(f"{document.file}: {document.kind} {document.name!r}: {read.message}")
    understood = read.model_dump(by_alias=True, exclude_unset=True, mode="json")
    for path in _unknown(document.manifest.get("spec", {}), understood.get("spec", {}), "spec"):
        raise InputError(
            f"{document.file}: {document.kind} {document.name!r} has no field `{path}`; see `kubectl explain`."
        )


def _unknown(given: Any, understood: Any, path: str) -> Iterator[str]:
    if isinstance(given, dict) and isinstance(understood, dict):
        for key, value in given.items():
            if key not in understood:
                yield f"{path}.{key}"
            else:
                yield from _unknown(value, understood[key], f"{path}.{key}")
    elif isinstance(given, list) and isinstance(understood, list):
        for number, (value, read) in enumerate(zip(given, understood, strict=False)):
            yield from _unknown(value, read, f"{path}[{number}]")


def _chosen(bots: Sequence[Document], wanted: str) -> Document:
    found = [bot for bot in bots if wanted in ("", bot.name, f"{bot.namespace}/{bot.name}")]
    if len(found) == 1:
        return found[0]
    there = ", ".join(sorted(f"{bot.namespace}/{bot.name}" for bot in bots))
    if not bots:
        raise InputError("The files hold no Chatbot; give the file with one by `-f`.")
    if not found:
        raise InputError(f"There is no Chatbot {wanted!r} in the files; there are: {there}.")
    raise InputError(f"The files hold several Chatbots ({there}); choose one with `--chatbot`.")


def _completed(document: Document) -> dict[str, Any]:
    """Add what the API server would: the namespace and a UID, the same each time."""
    identity = f"{document.kind}/{document.namespace}/{document.name}"
    metadata = {
        "generation": 1,
        "uid": str(uuid.uuid5(uuid.NAMESPACE_URL, identity)),
        **document.manifest["metadata"],
        "namespace": document.namespace,
    }
    return {**document.manifest, "metadata": metadata}


def _local(spec: ChatbotSpec, elsewhere: Mapping[str, str]) -> ChatbotSpec:
    exposure = spec.exposure or Exposure()
    update = dict.fromkeys(elsewhere) | {
        "exposure": Exposure(
            type="None", allowed_origins=exposure.allowed_origins, frame_ancestors=exposure.frame_ancestors
        ),
        "scaling": Scaling(type="Fixed", replicas=1),
        "state": None if spec.state == "Offline" else spec.state,
    }
    return spec.model_copy(update=update)


def _notes(spec: ChatbotSpec, elsewhere: Mapping[str, str]) -> Iterator[str]:
    if spec.state == "Offline":
        yield "`spec.state` is Offline; here the bot is served all the same."
    for name, instead in elsewhere.items():
        if name in spec.model_fields_set and getattr(spec, name) is not None:
            yield f"`spec.{ChatbotSpec.model_fields[name].alias or name}` has no effect here: {instead}."


def _references(neighbours: Sequence[Document]) -> References:
    return References(
        plugins=_parsed(Plugin, neighbours),
        providers=_parsed(Provider, neighbours),
        sql_connections=_parsed(SqlConnection, neighbours),
        api_connections=_parsed(ApiConnection, neighbours),
        stores=_parsed(Store, neighbours),
        prices=TABLE,
        config_maps={each.name: _texts(each) for each in neighbours if _is_watched(each)},
        read_data=yaml_text.read,
    )


def _is_watched(document: Document) -> bool:
    """Tell whether it is a ConfigMap that the operator would read."""
    labels = document.manifest["metadata"].get("labels") or {}
    return document.kind == "ConfigMap" and labels.get("smarter.sh/watch") == "true"


def _texts(config_map: Document) -> dict[str, str]:
    data = config_map.manifest.get("data")
    return {key: text for key, text in data.items() if isinstance(text, str)} if isinstance(data, dict) else {}


def _parsed(model: type[M], neighbours: Sequence[Document]) -> dict[str, M | Problem]:
    of_kind = (document for document in neighbours if document.kind == model.__name__)
    return {document.name: parse(model, _completed(document)) for document in of_kind}
