"""What a provider has cached of one request is the beginning of the next one."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.support import NOW, config, plugin
from smarter_crds.runtime_config import ProviderConfig
from smarter_runtime.bot import Bot, prepared
from smarter_runtime.events import Message
from smarter_runtime.models import ModelRequest
from smarter_runtime.models.chat_body import chat_body
from smarter_runtime.models.responses_body import responses_body
from smarter_runtime.plan import Wishes, plan
from smarter_runtime.prompt import first_kept

WORDS = ("boots", "hats", "socks", "hello", "thanks")
MOST = 200
PLUGINS = (
    plugin("always", role="Be exact."),
    *(plugin(word, "SearchTerms", (word,), role=f"Know {word}.") for word in WORDS[:3]),
    plugin("asked", "Llm", role="Be brief."),
)
TURNS = st.lists(
    st.tuples(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join), st.text("xy ", max_size=60)),
    min_size=2,
    max_size=12,
)


def asked(bot: Bot, history: list[Message]) -> ModelRequest:
    made = plan(bot, history, Wishes(), MOST, NOW)
    return made.request(made.choice(frozenset()), made.messages, may_call_tools=True)


@pytest.mark.parametrize("kind", ["OpenAI", "OpenAICompatible", "Mistral"])
@given(said=TURNS)
@settings(max_examples=60, deadline=None)
def test_a_request_begins_as_the_one_before_until_the_oldest_turns_are_dropped(
    kind: str, said: list[tuple[str, str]]
) -> None:
    history: list[Message] = []
    provider, served = ProviderConfig(name="main", type=kind), prepared(config(plugins=PLUGINS), "hash", NOW)
    sent = []
    for question, reply in said:
        history.append(Message("user", question))
        request = asked(served, history)
        bodies = (chat_body(request, provider)["messages"], responses_body(request, provider)["input"])
        sent.append((first_kept(history, MOST), request, bodies))
        history.append(Message("assistant", reply))
    for (kept, before, bodies), (kept_next, after, bodies_next) in pairwise(sent):
        names, names_next = ([offer.name for offer in each.offers] for each in (before, after))
        assert names == sorted(names)
        assert set(names) <= set(names_next)
        if kept == kept_next:
            # The last message has the date in it.
            assert before.messages[:-1] == after.messages[: len(before.messages) - 1]
            for one, other in zip(bodies, bodies_next, strict=True):
                assert one[:-1] == other[: len(one) - 1]
