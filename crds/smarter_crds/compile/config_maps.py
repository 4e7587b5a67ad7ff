"""Texts that are kept in ConfigMaps."""

from collections.abc import Iterator

from smarter_crds.chatbot import MAX_PROMPT_CHARACTERS, Chatbot
from smarter_crds.compile.model import Platform, References
from smarter_crds.compile.problems import Problem
from smarter_crds.references import ConfigMapKeyRef

_TOLD_KEYS = 5


def text_in(ref: ConfigMapKeyRef, references: References, namespace: str, place: str) -> str | Problem:
    """Return the text that `ref` means, or why there is none; `place` is the field that says so."""
    texts = references.config_maps.get(ref.name)
    if texts is None:
        return Problem(
            "ConfigMapNotFound",
            f"ConfigMap {ref.name!r}, named in {place}, is not in namespace {namespace!r} or not labelled "
            f"`smarter.sh/watch=true`; create it, or use `kubectl label configmap {ref.name} smarter.sh/watch=true`.",
        )
    if ref.key not in texts:
        there = ", ".join(sorted(texts)[:_TOLD_KEYS]) or "none"
        return Problem(
            "ConfigMapKeyNotFound",
            f"The `data` of ConfigMap {ref.name!r} has no key {ref.key!r}, named in {place}; add it, or name another "
            f"(there is {there}).",
        )
    return texts[ref.key]


def system_prompt(chatbot: Chatbot, references: References) -> str | Problem:
    """Return the instructions of `chatbot`, wherever they are kept, or why they cannot be had."""
    spec = chatbot.spec
    if spec.system_prompt_from is None:
        return spec.system_prompt or ""
    ref = spec.system_prompt_from.config_map_key_ref
    text = text_in(ref, references, chatbot.metadata.namespace, "`spec.systemPromptFrom`")
    if isinstance(text, Problem):
        return text
    place = f"Key {ref.key!r} of ConfigMap {ref.name!r}"
    if not text.strip():
        return Problem("ConfigMapInvalid", f"{place} holds no instructions for the model; write some.")
    if len(text) > MAX_PROMPT_CHARACTERS:
        message = f"{place} has {len(text)} characters, and {MAX_PROMPT_CHARACTERS} are allowed; shorten it."
        return Problem("ConfigMapInvalid", message)
    return text


def system_prompt_can_be_had(chatbot: Chatbot, references: References, platform: Platform) -> Iterator[Problem]:
    found = system_prompt(chatbot, references)
    if isinstance(found, Problem):
        yield found
