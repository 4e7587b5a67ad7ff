"""The built-in functions of a bot as tools; each is loaded only by bots that have it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from smarter_crds.runtime_config import FUNCTION_TOOLS, FunctionName, RuntimeConfig, RuntimeProblem
from smarter_runtime.limits import utc_now
from smarter_runtime.tools import Tool
from smarter_runtime.tools.connectors import NO_CONNECTORS, Connectors


@dataclass(frozen=True, kw_only=True)
class Platform:
    """What tools need that is not the bot's own."""

    clock: Callable[[], datetime] = field(default=utc_now)
    weather: Callable[[str, str], Tool] | None = None
    """Makes the tool that tells the weather, from its name and the bot's language; `None`: there is no weather."""
    connectors: Connectors = NO_CONNECTORS


NO_WEATHER = Platform()


def function_tools(config: RuntimeConfig, platform: Platform) -> tuple[Tool, ...]:
    """Return the tools of the functions that `config` asks for and the platform has."""
    tools = (_tool(name, config, platform) for name in config.functions)
    return tuple(tool for tool in tools if tool)


def function_problems(config: RuntimeConfig, platform: Platform) -> tuple[RuntimeProblem, ...]:
    """Return which functions the bot asks for in vain."""
    if platform.weather or "CurrentWeather" not in config.functions:
        return ()
    message = (
        "This platform has no weather service, so the function `CurrentWeather` does nothing; remove it from "
        "`spec.functions`."
    )
    return (RuntimeProblem(reason="FunctionOff", message=message),)


def _tool(function: FunctionName, config: RuntimeConfig, platform: Platform) -> Tool | None:
    name = FUNCTION_TOOLS[function]
    # Imported here: a bot without functions pays nothing for them.
    if function == "Calculator":
        from smarter_runtime.tools.calculator import calculator

        return calculator(name)
    if function == "DateCalculator":
        from smarter_runtime.tools.dates import date_calculator

        return date_calculator(name, platform.clock, config.time_zone)
    return platform.weather(name, config.language) if platform.weather else None
