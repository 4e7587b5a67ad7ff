"""How the memory of a conversation is written: as JSON, in all stores."""

import orjson

from smarter_runtime.conversations import Memory, Sticky


def packed(memory: Memory) -> str:
    selected = [[each.plugin, each.since, each.mentioned] for each in memory.selected]
    return orjson.dumps({"keptFrom": memory.kept_from, "selected": selected}).decode()


def unpacked(text: str | bytes) -> Memory:
    value = orjson.loads(text or b"{}")
    return Memory(value.get("keptFrom", 1), tuple(Sticky(*each) for each in value.get("selected", ())))
