"""Which plugins take part in a turn, and since when: a pure function of the plugins and the conversation."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from smarter_crds.runtime_config import PluginConfig
from smarter_runtime.events import Message
from smarter_runtime.words import has_word, is_english, is_unspaced, normal, variants

FROM_THE_START = -2
EARLIER = -1
"""Of a plugin that came in by a message that is not read any more."""


@dataclass(frozen=True, slots=True)
class Term:
    """A search term made ready: each word must occur in one of its spellings, anywhere in one message."""

    words: tuple[frozenset[str], ...] = ()
    substring: str = ""

    def occurs_in(self, text: str) -> bool:
        if self.substring:
            return self.substring in text
        return bool(self.words) and all(any(_occurs(word, text) for word in spellings) for spellings in self.words)


@dataclass(frozen=True, slots=True)
class Selector:
    """A plugin with its terms made ready."""

    plugin: PluginConfig
    terms: tuple[Term, ...]

    def matches(self, text: str) -> bool:
        return any(term.occurs_in(text) for term in self.terms)


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that a message brought in, as the conversation remembers it."""

    name: str
    since: int
    """Index of that message."""
    mentioned: int
    """Index of the message with the last mention; only the order matters, so it may be below 0."""


@dataclass(frozen=True, slots=True)
class Selected:
    """A plugin that takes part, and the index of the message that brought it in."""

    plugin: PluginConfig
    since: int
    mentioned: int = FROM_THE_START


def selector(plugin: PluginConfig, language: str) -> Selector:
    match, terms = plugin.selector.match, plugin.selector.search_terms
    return Selector(plugin, tuple(_term(term, match, is_english(language)) for term in terms if term.strip()))


def select(
    selectors: Sequence[Selector],
    messages: Sequence[Message],
    at_most: int,
    found: Iterable[Found] = (),
    first: int = 0,
) -> tuple[Selected, ...]:
    """Return the selected plugins in the order of their selection.

    `Always` plugins are there from the start and never leave. Of those found by search terms the one whose last
    mention is the oldest leaves when there are more than `at_most`; its terms can bring it back. `found` is what the
    messages before index `first` brought in.
    """
    always = [Selected(each.plugin, FROM_THE_START) for each in selectors if each.plugin.selector.directive == "Always"]
    searched = [each for each in selectors if each.plugin.selector.directive == "SearchTerms"]
    by_name = {each.plugin.name: each.plugin for each in searched}
    known = [each for each in found if each.name in by_name]
    since = {each.name: each.since for each in known}
    mentioned = {each.name: each.mentioned for each in known}
    for index, message in enumerate(messages[first:], first):
        text = " ".join(normal(message.text).split()) if message.role == "user" and searched else ""
        for each in searched:
            if text and each.matches(text):
                since.setdefault(each.plugin.name, index)
                mentioned[each.plugin.name] = index
        for name in _beyond(mentioned, at_most):
            del since[name], mentioned[name]
    return (*always, *(Selected(by_name[name], index, mentioned[name]) for name, index in since.items()))


def _beyond(mentioned: dict[str, int], at_most: int) -> list[str]:
    # Within one message, the plugin found first leaves last.
    latest_first = sorted(mentioned, key=lambda name: -mentioned[name])
    return latest_first[at_most:]


def _term(term: str, match: str, english: bool) -> Term:
    text = " ".join(normal(term).split())
    if match == "Substring":
        return Term(substring=text)
    return Term(words=tuple(variants(word, english) for word in text.split()))


def _occurs(word: str, text: str) -> bool:
    return word in text if is_unspaced(word) else has_word(text, word)
