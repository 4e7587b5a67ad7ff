"""The tool `calculator`: arithmetic that a model should not do in its head."""

from smarter_runtime.events import ToolOffer
from smarter_runtime.tools import Arguments, Tool, ToolFailed, arguments
from smarter_runtime.tools.arithmetic import MAX_CHARACTERS, NotComputable, value_of

_SCHEMA = arguments.parameters(
    {
        "expression": {
            "type": "string",
            "maxLength": MAX_CHARACTERS,
            "description": "Arithmetic such as (1200 - 15% of 1200) / 12. Numbers with a decimal point and without "
            "separators of thousands; + - * / // % **, parentheses; sqrt, abs, round(x, places), min, max, ln, log10, "
            "sin, cos, tan (radians); pi, e. 15% means 0.15.",
        }
    },
    required=("expression",),
)


def calculator(name: str) -> Tool:
    return Tool(
        offer=ToolOffer(name, "Computes the value of an arithmetic expression, exactly.", _SCHEMA),
        check=lambda given: arguments.check(given, _SCHEMA),
        run=_run,
        max_characters=1000,
    )


async def _run(given: Arguments) -> str:
    try:
        return value_of(given["expression"])
    except NotComputable as error:
        raise ToolFailed(str(error)) from error
