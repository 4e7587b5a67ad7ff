import json
import logging
from pathlib import Path

import pytest

from runtime.support import config, looks_up, played, plugin, running, says
from smarter_runtime.logs import JsonFormatter


async def test_what_happened_can_be_read_from_the_metrics(tmp_path: Path) -> None:
    async with played(tmp_path, looks_up(), says("ok"), plugins=(plugin(),)) as (bot, _):
        await bot.chat("x", stream=True)
        await bot.post({"messages": []})
        text = await bot.metrics()
    labels = 'gen_ai_operation_name="chat",gen_ai_provider_name="openaicompatible",gen_ai_request_model="demo"'
    for line in (
        'smarter_requests_total{reason="ok",status="200"} 2.0',
        'smarter_requests_total{reason="invalid_value",status="400"} 1.0',
        'smarter_tool_calls_total{plugin="returns-policy",result="ok"} 1.0',
        'smarter_tool_duration_seconds_count{plugin="returns-policy"} 1.0',
        'smarter_plugin_selected_total{plugin="returns-policy"} 1.0',
        "smarter_time_to_first_token_seconds_count 1.0",
        "smarter_requests_in_flight 0.0",
        "smarter_streams_active 0.0",
        f'gen_ai_client_token_usage_sum{{{labels},gen_ai_token_type="input"}} 20.0',
        f'gen_ai_client_operation_duration_seconds_count{{error_type="",{labels}}} 2.0',
    ):
        assert line in text


async def test_neither_chat_nor_secrets_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "key").write_text("very-secret-key")
    async with played(tmp_path, says("private answer"), provider={"api_key_file": "key"}) as (bot, _):
        await bot.chat("private question")
        token = bot.token
    logged = "\n".join(JsonFormatter().format(record) for record in caplog.records)
    assert "/v1/chat/completions" in logged
    for secret in ("private question", "private answer", "very-secret-key", token):
        assert secret not in logged


async def test_a_log_line_is_json_with_the_id_of_its_request(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    caplog.handler.setFormatter(JsonFormatter())
    async with running(tmp_path, config()) as bot:
        await bot.post({}, **{"X-Request-ID": "id-1"})
    lines = [json.loads(line) for line in caplog.text.splitlines()]
    (line,) = [each for each in lines if each.get("requestId") == "id-1"]
    assert line.pop("seconds") >= 0
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "smarter_runtime.access",
        "message": "request",
        "requestId": "id-1",
        "method": "POST",
        "route": "/v1/chat/completions",
        "status": 400,
        "reason": "invalid_value",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        pytest.param("GET", "/nowhere", 404, "not_found", id="no-such-path"),
        pytest.param("GET", "/v1/chat/completions", 405, "method_not_allowed", id="wrong-method"),
        pytest.param("GET", "/docs", 404, "not_found", id="no-docs"),
        pytest.param("GET", "/status", 404, "not_found", id="status-is-inside-only"),
        pytest.param("GET", "/metrics", 404, "not_found", id="metrics-are-inside-only"),
    ],
)
async def test_errors_have_openais_shape_everywhere(
    tmp_path: Path, method: str, path: str, status: int, code: str
) -> None:
    async with running(tmp_path, config()) as bot, bot.http.request(method, f"{bot.url}{path}") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (status, code)
