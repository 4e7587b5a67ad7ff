"""The tool `get_current_weather`: asks a weather service with the API of Open-Meteo."""

import json
import logging
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
from pydantic import BaseModel, ValidationError
from yarl import URL

from smarter_runtime.events import ToolOffer
from smarter_runtime.models.dialer import Dialer
from smarter_runtime.tools import Arguments, Tool, ToolFailed, arguments
from smarter_runtime.tools.weather_codes import WORDS

logger = logging.getLogger(__name__)
REQUEST_SECONDS = 6
MAX_BYTES = 256 * 1024
MAX_PLACES = 10
UNREACHABLE = "The weather service cannot be reached now."
UNUSABLE = "The weather service gives no usable answer now."
_IMPERIAL = {"temperature_unit": "fahrenheit", "wind_speed_unit": "mph", "precipitation_unit": "inch"}
_CURRENT = {
    "temperature": "temperature_2m",
    "feels_like": "apparent_temperature",
    "humidity": "relative_humidity_2m",
    "precipitation": "precipitation",
    "wind_speed": "wind_speed_10m",
    "wind_from": "wind_direction_10m",
}
_SCHEMA = arguments.parameters(
    {
        "location": {
            "type": "string",
            "maxLength": 100,
            "description": "A city, if needed with its region or country in full: Paris, or Paris, Texas.",
        },
        "units": {"type": "string", "enum": ["metric", "imperial"], "description": "Default: metric."},
    },
    required=("location",),
)


@dataclass(frozen=True, kw_only=True)
class WeatherService:
    """Where the weather is asked for."""

    forecast_url: str
    geocoding_url: str
    allowed_cidrs: tuple[str, ...] = ()


class _Place(BaseModel):
    name: str
    latitude: float
    longitude: float
    admin1: str = ""
    country: str = ""
    country_code: str = ""

    def __str__(self) -> str:
        return ", ".join(dict.fromkeys(part for part in (self.name, self.admin1, self.country) if part))

    def lies_in(self, area: str) -> bool:
        return area.casefold() in (each.casefold() for each in (self.admin1, self.country, self.country_code))


class _Places(BaseModel):
    results: tuple[_Place, ...] = ()


class _Current(BaseModel):
    time: str
    weather_code: int

    model_config = {"extra": "allow"}


class _Forecast(BaseModel):
    timezone: str
    current: _Current
    current_units: dict[str, str]


def get_current_weather(name: str, service: WeatherService, language: str) -> Tool:
    async def run(given: Arguments) -> str:
        # A session for each call: calls are few, and what nobody holds need not be closed with the config.
        dialer = Dialer(service.allowed_cidrs)
        try:
            async with dialer.session() as session:
                return json.dumps(await _Asked(session, service, language).weather(given), ensure_ascii=False)
        finally:
            await dialer.close()

    return Tool(
        offer=ToolOffer(name, "Tells the weather that a place has now.", _SCHEMA),
        check=lambda given: arguments.check(given, _SCHEMA),
        run=run,
        max_characters=2000,
        timeout_seconds=2 * REQUEST_SECONDS + 1,
    )


M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class _Asked:
    session: aiohttp.ClientSession
    service: WeatherService
    language: str

    async def weather(self, given: Arguments) -> dict[str, str]:
        place = await self._place(given["location"])
        query = {
            "latitude": str(place.latitude),
            "longitude": str(place.longitude),
            "current": ",".join((*_CURRENT.values(), "weather_code")),
            "timezone": "auto",
        } | (_IMPERIAL if given.get("units") == "imperial" else {})
        forecast = await self._get(_Forecast, self.service.forecast_url, query)
        source = URL(self.service.forecast_url).host or ""
        return {"place": str(place)} | _told(forecast) | {"source": source}

    async def _place(self, location: str) -> _Place:
        # What cannot be printed cannot be written into an address either.
        if not location.isprintable():
            raise ToolFailed("'location' must be the name of a place.")
        name, *areas = (part.strip() for part in location.split(","))
        if not name:
            raise ToolFailed("'location' must begin with the name of a city.")
        query = {"name": name, "count": str(MAX_PLACES), "format": "json", "language": self.language.split("-")[0]}
        places = (await self._get(_Places, self.service.geocoding_url, query)).results
        fitting = [place for place in places if all(place.lies_in(area) for area in areas if area)]
        if fitting:
            return fitting[0]
        found = f"; there are: {'; '.join(str(place) for place in places)}" if places else ""
        raise ToolFailed(f"There is no place {location!r}{found}.")

    async def _get(self, model: type[M], url: str, query: dict[str, str]) -> M:
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        try:
            # The setting may have a query of its own, such as a customer's key.
            address = URL(url).update_query(query)
            async with self.session.get(address, timeout=timeout, allow_redirects=False) as response:
                if response.status != 200:
                    raise _failed(UNUSABLE, model, f"status {response.status}")
                return model.model_validate_json(await _body(response))
        except (ValidationError, _TooLarge) as error:
            raise _failed(UNUSABLE, model, type(error).__name__) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _failed(UNREACHABLE, model, type(error).__name__) from error


class _TooLarge(Exception):
    pass


async def _body(response: aiohttp.ClientResponse) -> bytes:
    raw = bytearray()
    async for piece in response.content.iter_any():
        raw += piece
        if len(raw) > MAX_BYTES:
            raise _TooLarge
    return bytes(raw)


def _told(forecast: _Forecast) -> dict[str, str]:
    values: dict[str, Any] = forecast.current.model_extra or {}
    told = {
        name: f"{values[key]} {forecast.current_units.get(key, '')}".rstrip()
        for name, key in _CURRENT.items()
        if isinstance(values.get(key), int | float)
    }
    words = WORDS.get(forecast.current.weather_code, "")
    return {"time": f"{forecast.current.time} ({forecast.timezone})", "weather": words} | told


def _failed(text: str, wanted: type[BaseModel], why: str) -> ToolFailed:
    # Neither the address, which may hold a key, nor what was asked.
    logger.warning("weather service failed", extra={"wanted": wanted.__name__.lstrip("_"), "why": why})
    return ToolFailed(text)
