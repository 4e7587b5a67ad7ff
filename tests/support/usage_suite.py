"""What every store of usage records must do, whichever it is."""

import asyncio

from smarter_runtime.usage import Entry, UsageStore


def final(id_: str, text: str = "") -> Entry:
    return Entry(id_, f'{{"id":"{id_}","text":"{text}"}}')


def begun(id_: str, until_ms: int = 5000) -> Entry:
    return Entry(id_, f'{{"id":"{id_}","text":"lost"}}', until_ms)


async def to_read(store: UsageStore, after: int = 0, at_most: int = 1000) -> list[str]:
    return [each.record for each in await store.unacknowledged(after, at_most)]


class UsageSuite:
    """Tests of `store`, a fixture of the class that inherits them."""

    async def test_records_are_read_in_order_and_page_by_page(self, store: UsageStore) -> None:
        entries = [final(f"a{number}") for number in range(5)]
        await store.put(entries[:2])
        await store.put(entries[2:])
        pages, after = [], 0
        while page := await store.unacknowledged(after, 2):
            pages.append([each.record for each in page])
            after = page[-1].number
        assert pages == [[each.record for each in part] for part in (entries[:2], entries[2:4], entries[4:])]

    async def test_a_record_that_comes_twice_is_there_once(self, store: UsageStore) -> None:
        await store.put([final("a", "first"), final("b")])
        await store.put([final("a", "second"), final("b")])
        assert await to_read(store) == [final("a", "first").record, final("b").record]

    async def test_an_answer_that_is_being_made_is_not_read_before_it_ends(self, store: UsageStore) -> None:
        await store.put([begun("a"), final("b")])
        assert await to_read(store) == [final("b").record]
        await store.put([final("a", "whole")])
        assert sorted(await to_read(store)) == [final("a", "whole").record, final("b").record]

    async def test_a_beginning_that_comes_after_the_end_changes_nothing(self, store: UsageStore) -> None:
        await store.put([final("a", "whole")])
        await store.put([begun("a")])
        assert await to_read(store) == [final("a", "whole").record]

    async def test_an_answer_that_nobody_ended_is_given_up_when_its_time_is_over(self, store: UsageStore) -> None:
        await store.put([begun("a", 5000), begun("b", 6000)])
        assert await store.give_up(5001) == 1
        assert await store.give_up(5001) == 0
        assert await to_read(store) == [begun("a").record]
        await store.put([final("a", "too late"), final("b", "whole")])
        assert await to_read(store) == [begun("a").record, final("b", "whole").record]

    async def test_what_has_arrived_is_not_read_again_nor_written_again(self, store: UsageStore) -> None:
        await store.put([final("a"), final("b"), final("c"), begun("d")])
        assert await store.acknowledge(["a", "c", "d", "nobody"], 1000) == 2
        assert await store.acknowledge(["a"], 2000) == 0
        await store.put([final("a")])
        assert await to_read(store) == [final("b").record]

    async def test_only_what_has_arrived_is_forgotten(self, store: UsageStore) -> None:
        await store.put([final(id_) for id_ in "abcd"] + [begun("e")])
        await store.acknowledge(["a"], 1000)
        await store.acknowledge(["b", "c"], 3000)
        assert await store.trim(2000, 10) == 1
        assert await store.trim(9000, 1) == 1
        assert await store.trim(9000, 10) == 1
        assert await store.trim(9_000_000, 10) == 0
        await store.put([final("e")])
        assert sorted(await to_read(store)) == [final("d").record, final("e").record]

    async def test_what_many_write_at_once_is_all_there(self, store: UsageStore) -> None:
        entries = [final(f"a{number:03}") for number in range(100)]
        await asyncio.gather(*(store.put([begun(each.id), each]) for each in entries))
        numbered = await store.unacknowledged(0, 1000)
        assert sorted(each.record for each in numbered) == [each.record for each in entries]
        assert len({each.number for each in numbered}) == 100
