"""What every store of conversations must do, whichever it is."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from smarter_runtime.conversations import (
    MOST_TURNS,
    ConversationBusy,
    ConversationFull,
    Conversations,
    Memory,
    Opened,
    Question,
    Sticky,
    Turn,
    TurnState,
    UnknownConversation,
    first_turn,
)

ANN, BOB = "owner-ann", "owner-bob"
NOBODY = "x" * 22
HOUR_MS = 3_600_000


def question(text: str = "Where?", *, at: int = 1000, owner: str = ANN, answer: str = "") -> Question:
    return Question(owner=owner, text=text, answer_id=answer or f"answer-{at}", now_ms=at, until_ms=at + HOUR_MS)


def closed(asked: Question, number: int, answer: str = "Here.", state: TurnState = "Complete") -> Turn:
    return replace(first_turn(asked, number), answer=answer, state=state, answered_ms=asked.now_ms + 1)


async def said(store: Conversations, id_: str, *turns: tuple[str, str], owner: str = ANN, at: int = 1000) -> None:
    """Make a conversation of questions and answers, a second apart."""
    for number, (text, answer) in enumerate(turns, 1):
        asked = question(text, at=at + 1000 * (number - 1), owner=owner)
        await (store.create(id_, asked) if number == 1 else store.open(id_, asked))
        assert await store.close(id_, closed(asked, number, answer), None)


async def texts(store: Conversations, id_: str, owner: str = ANN) -> list[tuple[str, str, str]]:
    found = await store.read(owner, id_, 1000, 1_000_000)
    assert found is not None
    return [(turn.question, turn.answer, turn.state) for turn in found[1]]


async def ids(store: Conversations, owner: str = ANN) -> list[str]:
    return [head.id for head in await store.heads(owner, 1000)]


class ConversationSuite:
    """Tests of `store`, a fixture of the class that inherits them."""

    async def test_a_conversation_begins_with_a_question(self, store: Conversations) -> None:
        assert await store.create("c", question("  Where\n is it? ")) == Opened("c", 1, (), Memory())
        found = await store.read(ANN, "c", 10, 1_000_000)
        assert found is not None
        head, turns = found
        assert (head.id, head.title, head.created_ms, head.updated_ms) == ("c", "Where is it?", 1000, 1000)
        assert (head.turns, head.open_until_ms) == (1, 1000 + HOUR_MS)
        assert turns == [Turn(number=1, question="  Where\n is it? ", asked_ms=1000, answer_id="answer-1000")]

    async def test_a_turn_finds_what_was_said_before_and_what_is_remembered(self, store: Conversations) -> None:
        first, second = question("One?"), question("Two?", at=2000)
        memory = Memory(1, (Sticky("orders", 1, 1), Sticky("returns", 1, 1)))
        await store.create("c", first)
        assert await store.close("c", closed(first, 1, "Une 🦊"), memory)
        assert await store.open("c", second) == Opened("c", 2, (closed(first, 1, "Une 🦊"),), memory)
        assert await store.close("c", closed(second, 2), Memory(2))
        opened = await store.open("c", question("Three?", at=3000))
        assert opened == Opened("c", 3, (closed(second, 2),), Memory(2))

    @pytest.mark.parametrize(
        ("answer", "state", "is_read"),
        [
            pytest.param("Whole.", "Complete", True, id="complete"),
            pytest.param("Too long", "Length", True, id="cut"),
            pytest.param("I", "Filtered", True, id="filtered"),
            pytest.param("So far", "Stopped", True, id="stopped"),
            pytest.param("", "Stopped", False, id="stopped-before-a-word"),
            pytest.param("Broken", "Failed", False, id="failed"),
        ],
    )
    async def test_models_read_turns_with_an_answer(
        self, store: Conversations, answer: str, state: TurnState, is_read: bool
    ) -> None:
        asked = question("One?")
        await store.create("c", asked)
        assert await store.close("c", closed(asked, 1, answer, state), None)
        opened = await store.open("c", question("Two?", at=2000))
        assert (opened.number, [turn.question for turn in opened.turns]) == (2, ["One?"] if is_read else [])
        assert (await texts(store, "c"))[0] == ("One?", answer, state)

    async def test_a_question_without_an_answer_that_is_asked_again_is_there_once(self, store: Conversations) -> None:
        asked, again = question("One?"), question("One?", at=2000)
        await store.create("c", asked)
        assert await store.close("c", closed(asked, 1, "Bro", "Failed"), None)
        assert (await store.open("c", again)).number == 1
        assert await store.close("c", closed(again, 1), None)
        assert await texts(store, "c") == [("One?", "Here.", "Complete")]
        assert (await store.open("c", question("One?", at=3000))).number == 2

    async def test_one_turn_is_open_at_a_time(self, store: Conversations) -> None:
        asked = question()
        await store.create("c", asked)
        with pytest.raises(ConversationBusy):
            await store.open("c", question("Two?", at=2000))
        assert await store.close("c", closed(asked, 1), None)
        await store.open("c", question("Two?", at=3000))

    async def test_a_turn_that_nobody_ended_is_given_up_and_cannot_be_ended_later(self, store: Conversations) -> None:
        lost, later = question("One?"), question("Two?", at=1000 + HOUR_MS)
        await store.create("c", lost)
        assert (await store.open("c", later)).turns == ()
        assert not await store.close("c", closed(lost, 1), None)
        assert await store.close("c", closed(later, 2), None)
        assert await texts(store, "c") == [("One?", "", "Open"), ("Two?", "Here.", "Complete")]

    async def test_a_turn_can_be_held_open_while_somebody_works_on_it(self, store: Conversations) -> None:
        asked = question()
        await store.create("c", asked)
        assert await store.extend("c", asked.answer_id, 1000 + 2 * HOUR_MS)
        with pytest.raises(ConversationBusy):
            await store.open("c", question("Two?", at=1000 + HOUR_MS))
        assert await store.close("c", closed(asked, 1), None)
        assert not await store.extend("c", asked.answer_id, 1000 + 9 * HOUR_MS)
        assert not await store.extend(NOBODY, asked.answer_id, 1000)
        await store.open("c", question("Two?", at=1000 + HOUR_MS))

    async def test_of_many_who_ask_at_once_one_gets_the_turn(self, store: Conversations) -> None:
        await said(store, "c", ("One?", "Yes."))
        asked = [question(f"Two {number}?", at=5000, answer=f"a{number}") for number in range(10)]
        outcomes = await asyncio.gather(*(store.open("c", each) for each in asked), return_exceptions=True)
        (winner,) = [each for each in outcomes if isinstance(each, Opened)]
        assert [type(each) for each in outcomes].count(ConversationBusy) == 9
        taken = asked[outcomes.index(winner)]
        assert await store.close("c", closed(taken, winner.number), None)
        assert await texts(store, "c") == [("One?", "Yes.", "Complete"), (taken.text, "Here.", "Complete")]

    async def test_many_who_ask_again_until_it_is_their_turn_lose_nothing(self, store: Conversations) -> None:
        await said(store, "c", ("Zero?", "Zero!"))

        async def ask(number: int) -> None:
            asked = question(f"{number}?", at=5000, answer=f"a{number}")
            while True:
                try:
                    opened = await store.open("c", asked)
                    break
                except ConversationBusy:
                    await asyncio.sleep(0.001)
            assert await store.close("c", closed(asked, opened.number, f"{number}!"), None)

        await asyncio.gather(*(ask(number) for number in range(10)))
        found = await texts(store, "c")
        assert found[0] == ("Zero?", "Zero!", "Complete")
        assert sorted(found[1:]) == [(f"{number}?", f"{number}!", "Complete") for number in range(10)]

    async def test_conversations_are_their_owners(self, store: Conversations) -> None:
        await said(store, "c", ("One?", "Yes."))
        with pytest.raises(UnknownConversation):
            await store.open("c", question(owner=BOB))
        with pytest.raises(UnknownConversation):
            await store.open(NOBODY, question())
        assert await store.read(BOB, "c", 10, 1_000_000) is None
        assert await store.read(ANN, NOBODY, 10, 1_000_000) is None
        assert not await store.erase(BOB, "c")
        assert (await ids(store, BOB), await ids(store)) == ([], ["c"])

    async def test_the_list_begins_with_what_was_used_last_and_goes_on_page_by_page(self, store: Conversations) -> None:
        for number in range(5):
            await said(store, f"c{number}", (f"{number}?", "Yes."), at=1000 * number + 1000)
        asked = question("More?", at=9000)
        await store.open("c1", asked)
        await said(store, "other", ("Mine?", "No."), owner=BOB, at=20_000)
        first = await store.heads(ANN, 2)
        assert [head.id for head in first] == ["c1", "c4"]
        second = await store.heads(ANN, 2, (first[-1].updated_ms, first[-1].id))
        assert [head.id for head in second] == ["c3", "c2"]
        third = await store.heads(ANN, 2, (second[-1].updated_ms, second[-1].id))
        assert [(head.id, head.title, head.turns) for head in third] == [("c0", "0?", 1)]

    async def test_conversations_of_the_same_moment_are_each_listed_once(self, store: Conversations) -> None:
        for number in range(4):
            await said(store, f"c{number}", ("One?", "Yes."))
        pages: list[str] = []
        before: tuple[int, str] | None = None
        while heads := await store.heads(ANN, 1, before):
            pages.append(heads[0].id)
            before = (heads[0].updated_ms, heads[0].id)
        assert pages == ["c3", "c2", "c1", "c0"]

    async def test_a_long_conversation_is_read_from_its_end(self, store: Conversations) -> None:
        await said(store, "c", *((f"{number}?", "Yes.") for number in range(1, 6)))

        async def numbers(at_most: int, before: int) -> Sequence[int]:
            found = await store.read(ANN, "c", at_most, before)
            assert found is not None
            return [turn.number for turn in found[1]]

        assert await numbers(2, 1_000_000) == [4, 5]
        assert await numbers(2, 4) == [2, 3]
        assert await numbers(2, 2) == [1]
        assert await numbers(2, 1) == []

    async def test_what_is_erased_is_gone_and_no_answer_brings_it_back(self, store: Conversations) -> None:
        await said(store, "kept", ("One?", "Yes."))
        asked = question()
        await store.create("c", asked)
        assert await store.erase(ANN, "c")
        assert not await store.close("c", closed(asked, 1), Memory(1))
        assert await store.read(ANN, "c", 10, 1_000_000) is None
        assert not await store.erase(ANN, "c")
        with pytest.raises(UnknownConversation):
            await store.open("c", question())
        assert await ids(store) == ["kept"]

    async def test_everything_of_an_owner_can_be_erased(self, store: Conversations) -> None:
        for number in range(3):
            await said(store, f"c{number}", ("One?", "Yes."))
        await said(store, "other", ("Mine?", "No."), owner=BOB)
        assert await store.erase_all(ANN) == 3
        assert await store.erase_all(ANN) == 0
        assert (await ids(store), await ids(store, BOB)) == ([], ["other"])

    async def test_what_was_not_used_for_long_is_erased_the_oldest_first(self, store: Conversations) -> None:
        for number in range(4):
            await said(store, f"c{number}", ("One?", "Yes."), at=1000 * number)
        asked = question("Two?", at=8000)
        await store.open("c0", asked)
        assert await store.close("c0", closed(asked, 2), None)
        assert await store.expire(3000, 1) == 1
        assert await ids(store) == ["c0", "c3", "c2"]
        assert await store.expire(3000, 10) == 1
        assert await store.expire(3000, 10) == 0
        assert await ids(store) == ["c0", "c3"]

    async def test_a_conversation_does_not_grow_without_end(self, store: Conversations) -> None:
        await said(store, "c", *((f"{number}?", "Yes.") for number in range(MOST_TURNS)))
        with pytest.raises(ConversationFull):
            await store.open("c", question("One more?", at=10_000_000))
        assert len(await texts(store, "c")) == MOST_TURNS
