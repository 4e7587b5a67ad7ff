"""The weather: what is asked of the service, what the model is told, and what happens when the service is no help."""

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from runtime.support import call, calls, config, played, running, says
from smarter_runtime.events import ToolCall, ToolResult
from smarter_runtime.tools import Toolbox, weather
from smarter_runtime.tools.weather import UNREACHABLE, UNUSABLE, WeatherService, get_current_weather

PARIS = {
    "id": 2988507, "name": "Paris", "latitude": 48.85341, "longitude": 2.3488, "elevation": 42.0, "country_code": "FR",
    "country": "France", "admin1": "Île-de-France", "timezone": "Europe/Paris",
}  # fmt: skip
TEXAS = {
    "id": 4717560, "name": "Paris", "latitude": 33.66094, "longitude": -95.55551, "country_code": "US",
    "country": "United States", "admin1": "Texas",
}  # fmt: skip
FORECAST = {
    "latitude": 48.86, "longitude": 2.3399997, "timezone": "Europe/Paris", "elevation": 43.0,
    "current_units": {
        "time": "iso8601", "interval": "seconds", "temperature_2m": "°C", "apparent_temperature": "°C",
        "relative_humidity_2m": "%", "precipitation": "mm", "wind_speed_10m": "km/h", "wind_direction_10m": "°",
        "weather_code": "wmo code",
    },
    "current": {
        "time": "2026-03-14T13:00", "interval": 900, "temperature_2m": 11.2, "apparent_temperature": 9.0,
        "relative_humidity_2m": 71, "precipitation": 0.3, "wind_speed_10m": 14.4, "wind_direction_10m": 245,
        "weather_code": 61,
    },
}  # fmt: skip
NAME = "get_current_weather"
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


def gives(document: Any, status: int = 200) -> Reply:
    async def reply(request: web.Request) -> web.StreamResponse:
        return web.json_response(document, status=status)

    return reply


class Service:
    """A weather service that plays its replies and keeps what it was asked."""

    def __init__(self, places: Reply, forecast: Reply) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.places, self.forecast = places, forecast
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.path, dict(request.query)))
        reply = {"/search": self.places, "/forecast": self.forecast}[request.path]
        return await reply(request)

    def settings(self, *, cidrs: tuple[str, ...] = ("127.0.0.0/8",), query: str = "") -> WeatherService:
        return WeatherService(
            forecast_url=f"{self.url}/forecast{query}", geocoding_url=f"{self.url}/search{query}", allowed_cidrs=cidrs
        )


@asynccontextmanager
async def serving(places: Reply | None = None, forecast: Reply | None = None) -> AsyncIterator[Service]:
    service = Service(places or gives({"results": [PARIS, TEXAS]}), forecast or gives(FORECAST))
    app = web.Application()
    app.router.add_get("/{place}", service.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    service.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield service
    finally:
        await runner.cleanup()


async def asked(settings: WeatherService, language: str = "en", **arguments: Any) -> ToolResult:
    toolbox = Toolbox([get_current_weather(NAME, settings, language)])
    return await toolbox.call(ToolCall("c", NAME, json.dumps(arguments)), frozenset({NAME}))


async def test_the_model_is_told_the_weather_of_the_place() -> None:
    async with serving() as service:
        result = await asked(service.settings(), "es-MX", location="Paris")
    assert json.loads(result.content) == {
        "place": "Paris, Île-de-France, France",
        "time": "2026-03-14T13:00 (Europe/Paris)",
        "weather": "light rain",
        "temperature": "11.2 °C",
        "feels_like": "9.0 °C",
        "humidity": "71 %",
        "precipitation": "0.3 mm",
        "wind_speed": "14.4 km/h",
        "wind_from": "245 °",
        "source": "127.0.0.1",
    }
    (search, place), (forecast, query) = service.asked
    assert (search, place) == ("/search", {"name": "Paris", "count": "10", "format": "json", "language": "es"})
    assert (forecast, query["latitude"], query["longitude"]) == ("/forecast", "48.85341", "2.3488")
    assert query["timezone"] == "auto"
    assert set(query["current"].split(",")) == set(FORECAST["current"]) - {"time", "interval"}  # type: ignore[call-overload]


@pytest.mark.parametrize("location", ["Paris, Texas", "Paris,US", "paris , texas, united states"])
async def test_a_region_or_country_chooses_among_places_of_one_name(location: str) -> None:
    async with serving() as service:
        result = await asked(service.settings(), location=location)
    assert json.loads(result.content)["place"] == "Paris, Texas, United States"
    assert service.asked[1][1]["latitude"] == "33.66094"


async def test_units_can_be_imperial_and_a_setting_keeps_its_own_query() -> None:
    async with serving() as service:
        await asked(service.settings(query="?apikey=k-1"), location="Paris", units="imperial")
    queries = [query for _, query in service.asked]
    assert [query["apikey"] for query in queries] == ["k-1", "k-1"]
    assert {queries[1][name] for name in ("temperature_unit", "wind_speed_unit", "precipitation_unit")} == {
        "fahrenheit", "mph", "inch",
    }  # fmt: skip


async def test_a_value_that_the_service_does_not_have_is_left_out() -> None:
    current = {"time": "2026-03-14T13:00", "weather_code": 4242, "temperature_2m": 3, "precipitation": None}
    async with serving(forecast=gives(FORECAST | {"current": current})) as service:
        told = json.loads((await asked(service.settings(), location="Paris")).content)
    assert (told["temperature"], told["weather"]) == ("3 °C", "")
    assert "precipitation" not in told


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        pytest.param({}, "'location' is missing: A city", id="nothing"),
        pytest.param({"location": 5}, "'location' must be a string", id="number"),
        pytest.param({"location": "x" * 101}, "at most 100 characters", id="long"),
        pytest.param({"location": " , France"}, "must begin with the name of a city", id="no-name"),
        pytest.param({"location": "Par\ud800is"}, "are no JSON", id="half-a-character"),
        pytest.param({"location": "Paris", "units": "kelvin"}, "'units' must be one of", id="units"),
        pytest.param({"location": "Paris", "day": "today"}, "There is no parameter 'day'", id="unknown"),
        pytest.param(
            {"location": "Paris, TX"},
            "There is no place 'Paris, TX'; there are: Paris, Île-de-France, France; Paris, Texas, United States.",
            id="region-by-letters",
        ),
    ],
)
async def test_a_place_that_cannot_be_is_told_to_the_model(arguments: dict[str, Any], fault: str) -> None:
    async with serving() as service:
        result = await asked(service.settings(), **arguments)
    assert result.is_error
    assert fault in result.content


async def test_an_unknown_place_is_told_to_the_model() -> None:
    async with serving(gives({"generationtime_ms": 0.5})) as service:
        result = await asked(service.settings(), location="Atlantis")
    assert (result.is_error, result.content) == (True, "There is no place 'Atlantis'.")
    assert [path for path, _ in service.asked] == ["/search"]


async def too_much(request: web.Request) -> web.StreamResponse:
    return web.Response(body=b'{"results": [' + b" " * weather.MAX_BYTES + b"]}", content_type="application/json")


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b"{")
    assert request.transport is not None
    request.transport.close()
    return response


async def elsewhere(request: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/forecast")


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        pytest.param(gives({"error": True, "reason": "secret-of-the-service"}, 400), UNUSABLE, id="refused"),
        pytest.param(gives({}, 500), UNUSABLE, id="broken"),
        pytest.param(gives({}, 429), UNUSABLE, id="asked-too-often"),
        pytest.param(elsewhere, UNUSABLE, id="redirect"),
        pytest.param(gives([1]), UNUSABLE, id="another-document"),
        pytest.param(gives({"results": [{"name": "Paris"}]}), UNUSABLE, id="place-without-position"),
        pytest.param(too_much, UNUSABLE, id="too-many-bytes"),
        pytest.param(cut, UNREACHABLE, id="cut"),
    ],
)
async def test_a_service_that_is_no_help_is_told_to_the_model(
    reply: Reply, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(reply) as service:
        result = await asked(service.settings(query="?apikey=k-1"), location="Paris")
    assert (result.is_error, result.content) == (True, told)
    assert [path for path, _ in service.asked] == ["/search"]
    assert "weather service failed" in caplog.text
    assert "k-1" not in str([record.__dict__ for record in caplog.records])


async def test_a_broken_forecast_is_told_to_the_model() -> None:
    async with serving(forecast=gives({"current": {}})) as service:
        result = await asked(service.settings(), location="Paris")
    assert (result.is_error, result.content) == (True, UNUSABLE)


async def test_a_service_that_nobody_runs_cannot_be_reached() -> None:
    async with serving() as service:
        settings = service.settings()
    result = await asked(settings, location="Paris")
    assert (result.is_error, result.content) == (True, UNREACHABLE)


async def test_a_service_on_an_address_that_is_not_public_is_not_called() -> None:
    async with serving() as service:
        result = await asked(service.settings(cidrs=()), location="Paris")
    assert (result.is_error, result.content) == (True, UNREACHABLE)
    assert service.asked == []


@pytest.mark.parametrize("url", ["", "nonsense", "http://", "http://[", "ftp://example.org/x", "http://2130706433/"])
async def test_an_address_that_is_none_cannot_be_reached(url: str) -> None:
    result = await asked(WeatherService(forecast_url=url, geocoding_url=url), location="Paris")
    assert (result.is_error, result.content) == (True, UNREACHABLE)


async def test_a_bot_tells_the_weather_from_the_service_of_the_settings(tmp_path: Path) -> None:
    asks = calls(call('{"location": "Paris"}', id_="c", name=NAME))
    async with serving() as service, played(tmp_path, asks, says("Light rain.")) as (_, provider):
        document = config(providers=provider.config(), functions=("CurrentWeather",))
        settings: dict[str, Any] = {
            "weather_url": f"{service.url}/forecast",
            "weather_geocoding_url": f"{service.url}/search",
            "weather_allowed_cidrs": ("127.0.0.1/32",),
        }
        async with running(tmp_path / "b", document, **settings) as bot:
            assert (await (await bot.chat("And the weather?")).json())["choices"][0]["message"][
                "content"
            ] == "Light rain."
            assert (await bot.status())["problems"] == []
    [result] = [message for message in provider.bodies[1]["messages"] if message["role"] == "tool"]
    assert json.loads(result["content"])["temperature"] == "11.2 °C"


@pytest.mark.parametrize("empty", ["weather_url", "weather_geocoding_url"])
async def test_without_a_service_the_tool_is_not_offered_and_the_status_says_why(tmp_path: Path, empty: str) -> None:
    document = config(functions=("Calculator", "CurrentWeather"))
    settings: dict[str, Any] = {empty: ""}
    async with running(tmp_path, document, **settings) as bot:
        served = bot.services.bot()
        assert served.functions == {"calculator"}
        [problem] = (await bot.status())["problems"]
    assert problem["reason"] == "FunctionOff"
    assert problem["message"].endswith("remove it from `spec.functions`.")
