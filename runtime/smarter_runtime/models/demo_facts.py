"""How the demo model finds the part of a tool's result that answers a question: by words in common."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from typing import Any

from smarter_runtime.words import is_unspaced, normal, plain_words, stem

AT_MOST = 3
LONG_TEXT = 200
_SMALL_WORDS = """
a about all am an and any are as at be been but by can could did do does for from get give had has have hello hey hi how
i if in into is it its just let like many may me much my need no not of on one or our please shall should show so some
tell than thank thanks that the their them there these they this those to up us want was we well were what whats when
where which who why will with would yes you your
"""
_IGNORED = frozenset(_SMALL_WORDS.split())


@dataclass(frozen=True)
class Fact:
    """A leaf of a result: where it stands and what it says."""

    path: tuple[str, ...]
    value: str

    @property
    def words(self) -> frozenset[str]:
        return content_words(" ".join((*self.path, self.value)))


def content_words(text: str) -> frozenset[str]:
    """Return the words of `text` that carry meaning; of scripts without spaces, the pairs of characters."""
    words: set[str] = set()
    for word in plain_words(re.sub("['\u2019]", "", text)):
        if is_unspaced(word):
            words.update(word[index : index + 2] for index in range(max(1, len(word) - 1)))
        elif word not in _IGNORED:
            words.add(stem(word))
    return frozenset(words)


def shared(words: frozenset[str], text: str) -> int:
    return len(words & content_words(text))


def best_facts(result: str, words: frozenset[str], topic: str) -> list[Fact]:
    """Return the few leaves of `result` that share most with the question; rare words count more than common ones.

    All of `result` is about `topic`: asking for the topic alone finds something, too.
    """
    facts = all_facts(result)
    common = [(fact, (fact.words | content_words(topic)) & words) for fact in facts]
    spread = Counter(word for _, matched in common for word in matched)
    weights = {word: 1 + log(len(facts) / count) for word, count in spread.items()}
    scored = [(sum(weights[word] for word in matched), fact) for fact, matched in common]
    best = max((score for score, _ in scored), default=0)
    chosen = [(score, fact) for score, fact in scored if score > 0 and score >= 0.6 * best]
    return [fact for _, fact in sorted(chosen, key=lambda pair: -pair[0])][:AT_MOST]


def all_facts(result: str) -> list[Fact]:
    return list(_facts(_parsed(result), ()))


def sentence(facts: list[Fact]) -> str:
    return "; ".join(_phrase(fact) for fact in facts).rstrip(".") + "."


def _phrase(fact: Fact) -> str:
    path = ", ".join(part for part in fact.path if not part.isdigit())
    return f"{path}: {fact.value}" if path else fact.value


def _parsed(result: str) -> Any:
    try:
        return json.loads(result)
    except ValueError:
        return result


def _facts(value: Any, path: tuple[str, ...]) -> Iterator[Fact]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _facts(inner, (*path, str(key)))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _facts(inner, (*path, str(index)))
    else:
        yield from (Fact(path, part) for part in _parts(value))


def _parts(value: Any) -> list[str]:
    """Return a leaf's text; a long one sentence by sentence."""
    text = value if isinstance(value, str) else json.dumps(value)
    return (
        [text] if len(text) <= LONG_TEXT else [part for part in re.split(r"(?<=[.!?。])\s+|\n+", text) if normal(part)]
    )
