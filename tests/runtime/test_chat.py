from pathlib import Path

from openai.types.chat import ChatCompletionChunk

from runtime.support import config, plugin, running


async def test_a_question_is_answered_with_what_only_the_plugin_knows(tmp_path: Path) -> None:
    async with running(tmp_path, config(plugins=(plugin(),))) as bot, bot.client() as client:
        answer = await client.chat.completions.create(
            model="support", messages=[{"role": "user", "content": "How long can I return boots?"}]
        )
    assert "14 days" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == "demo"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


async def test_a_stream_is_one_answer(tmp_path: Path) -> None:
    chunks: list[ChatCompletionChunk] = []
    async with running(tmp_path, config(plugins=(plugin(),))) as bot, bot.client() as client:
        stream = await client.chat.completions.create(
            model="demo",
            messages=[{"role": "user", "content": "What is the fee to return boots?"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert len({(chunk.id, chunk.created, chunk.model) for chunk in chunks}) == 1
    assert [delta.role for delta in deltas if delta.role] == ["assistant"]
    assert "5 EUR" in "".join(delta.content or "" for delta in deltas)
    assert [delta.tool_calls for delta in deltas if delta.tool_calls] == []
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices and chunk.choices[0].finish_reason] == [
        "stop"
    ]
    assert [chunk.usage is not None for chunk in chunks if not chunk.choices] == [True]
