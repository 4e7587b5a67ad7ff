"""The value of an arithmetic expression, in decimal numbers and bounded: nothing that is written runs as code.

Python's parser makes the tree; only numbers, operators and the names listed here are given a meaning. Every number has
at most `DIGITS` digits and an exponent of at most `MAX_EXPONENT`, so that no step can take long or much memory.
"""

import ast
import math
import re
import warnings
from collections.abc import Callable, Mapping
from decimal import (
    ROUND_FLOOR,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    Context,
    Decimal,
    DecimalException,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    Underflow,
)

MAX_CHARACTERS = 500
MAX_DEPTH = 250
DIGITS = 100
MAX_EXPONENT = 999
SHOWN_DIGITS = 20
MAX_ANGLE = 10**9
MAX_PLACES = 50

_PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459")
_SPELLINGS = str.maketrans(
    {"\u00d7": "*", "\u00b7": "*", "\u00f7": "/", "\u2212": "-"} | dict.fromkeys("\u00a0\n\r\t", " ")
)
_STRANGER = re.compile(r"[^0-9a-z_.,+\-*/%^() ]")
_NUMBER = r"(?:[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?"
# `15%` is a percentage unless a number, a name or a parenthesis follows, which is divided by: `17 % 5`.
_PERCENT = re.compile(rf"(?<![\w.])({_NUMBER}) *%(?= *(?:$|[)+\-*/^,]|of\b))")
_GLUED = re.compile(rf"(?<![\w.])(?>{_NUMBER})[a-z_]")


class NotComputable(Exception):
    """The expression has no value that can be told; the message is a sentence for whoever wrote it."""


def value_of(expression: str) -> str:
    """Return the value of `expression` as a decimal number.

    Raises:
        NotComputable: for whatever is no arithmetic, has no value, or is too large.
    """
    if len(expression) > MAX_CHARACTERS:
        raise NotComputable(f"The expression may have at most {MAX_CHARACTERS} characters; compute it in parts.")
    text = _normal(expression)
    try:
        return _shown(_Evaluator(text).value(_parsed(text), MAX_DEPTH))
    except DivisionByZero:
        raise NotComputable("A division by zero has no result.") from None
    except (Overflow, Underflow):
        raise NotComputable("A number in it is too large or too small to compute with.") from None
    except DecimalException:
        raise NotComputable("It is not defined, such as the square root of a negative number.") from None


def _normal(expression: str) -> str:
    text = expression.translate(_SPELLINGS).strip().lower()
    if stranger := _STRANGER.search(text):
        raise NotComputable(f"The character {stranger[0]!r} has no meaning here; {_HELP}")
    if _GLUED.search(text):
        raise NotComputable("A letter follows a number: write * between two factors, and numbers in decimal.")
    return re.sub(r"\bof\b", "*", _PERCENT.sub(r"(\1/100)", text)).replace("^", "**")


def _parsed(text: str) -> ast.expr:
    try:
        # The parser warns of oddities such as `1..0if`, and nobody reads it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise NotComputable(f"The expression cannot be read; {_HELP}") from None


class _Evaluator:
    def __init__(self, text: str) -> None:
        self._text = text
        self._context = Context(
            prec=DIGITS,
            rounding=ROUND_HALF_EVEN,
            Emin=-MAX_EXPONENT,
            Emax=MAX_EXPONENT,
            traps=[DivisionByZero, InvalidOperation, Overflow, Underflow],
        )

    def value(self, node: ast.expr, depth: int) -> Decimal:
        if not depth:
            raise NotComputable("The expression is nested too deeply; compute it in parts.")
        match node:
            case ast.Constant():
                result = self._number(node)
            case ast.Name(id=name) if name in _CONSTANTS:
                result = _CONSTANTS[name](self._context)
            case ast.UnaryOp(op=ast.UAdd() | ast.USub(), operand=operand):
                inner = self.value(operand, depth - 1)
                result = self._context.minus(inner) if isinstance(node.op, ast.USub) else inner
            case ast.BinOp(left=left, op=operator, right=right) if type(operator) in _OPERATORS:
                sides = self.value(left, depth - 1), self.value(right, depth - 1)
                result = _OPERATORS[type(operator)](self._context, *sides)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
                result = self._called(name, [self.value(each, depth - 1) for each in args])
            case _:
                raise NotComputable(_strange(node))
        # The logarithm of zero is an infinity without any signal.
        if not result.is_finite():
            raise InvalidOperation
        return result

    def _number(self, node: ast.Constant) -> Decimal:
        # The parser has made a binary float of it; what was written has all its digits.
        written = self._text[node.col_offset : node.end_col_offset]
        if not re.fullmatch(_NUMBER, written) or re.match(r"0[0-9_]", written):
            raise NotComputable(f"{written[:30]!r} is no decimal number; write numbers such as 1200 or 0.5.")
        return self._context.create_decimal(written.replace("_", ""))

    def _called(self, name: str, values: list[Decimal]) -> Decimal:
        fewest, most, function = _FUNCTIONS[name]
        if not fewest <= len(values) <= most:
            wanted = {fewest: f"{fewest}", _MANY: f"{fewest} or more"}.get(most, f"{fewest} to {most}")
            raise NotComputable(f"{name!r} takes {wanted} values, not {len(values)}.")
        return function(self._context, *values)


def _floor_divide(context: Context, left: Decimal, right: Decimal) -> Decimal:
    """Divide and round down, as `//` does everywhere but in the decimal module."""
    return context.divide(context.subtract(left, _modulo(context, left, right)), right).to_integral_value(ROUND_FLOOR)


def _modulo(context: Context, left: Decimal, right: Decimal) -> Decimal:
    if not right:
        raise DivisionByZero
    rest = context.remainder(left, right)
    return context.add(rest, right) if rest and (rest < 0) != (right < 0) else rest


def _rounded(context: Context, value: Decimal, places: Decimal = Decimal(0)) -> Decimal:
    if places != int(places) or abs(places) > MAX_PLACES:
        raise NotComputable(f"Places to round to must be a whole number up to {MAX_PLACES}.")
    # Half goes up, as people round.
    return value.quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP, context)


def _trigonometric(function: Callable[[float], float]) -> Callable[..., Decimal]:
    def apply(context: Context, angle: Decimal) -> Decimal:
        if abs(angle) > MAX_ANGLE:
            raise NotComputable(f"Angles, in radians, may be up to {MAX_ANGLE}.")
        result = function(float(angle))
        if abs(result) > MAX_ANGLE:
            raise InvalidOperation
        # More places than these would show how binary numbers are made.
        return context.create_decimal(f"{result:.14f}")

    return apply


_CONSTANTS: Mapping[str, Callable[[Context], Decimal]] = {
    "pi": lambda context: _PI,
    "e": lambda context: context.exp(Decimal(1)),
}
_OPERATORS: Mapping[type[ast.operator], Callable[[Context, Decimal, Decimal], Decimal]] = {
    ast.Add: Context.add,
    ast.Sub: Context.subtract,
    ast.Mult: Context.multiply,
    ast.Div: Context.divide,
    ast.FloorDiv: _floor_divide,
    ast.Mod: _modulo,
    ast.Pow: Context.power,
}
_MANY = MAX_CHARACTERS
_FUNCTIONS: Mapping[str, tuple[int, int, Callable[..., Decimal]]] = {
    "abs": (1, 1, Context.abs),
    "cos": (1, 1, _trigonometric(math.cos)),
    "ln": (1, 1, Context.ln),
    "log10": (1, 1, Context.log10),
    "max": (1, _MANY, lambda context, *values: max(values)),
    "min": (1, _MANY, lambda context, *values: min(values)),
    "round": (1, 2, _rounded),
    "sin": (1, 1, _trigonometric(math.sin)),
    "sqrt": (1, 1, Context.sqrt),
    "tan": (1, 1, _trigonometric(math.tan)),
}
_HELP = (
    "there are decimal numbers with a point, + - * / // % ** ( ), percentages such as 15%, pi, e, and the functions "
    f"{', '.join(_FUNCTIONS)}."
)


def _strange(node: ast.expr) -> str:
    match node:
        case ast.Name(id=name) | ast.Call(func=ast.Name(id=name)):
            return f"The name {name[:30]!r} has no meaning here; {_HELP}"
        case ast.Call():
            return "Write * between two factors."
        case ast.Tuple():
            return "It is a list of numbers; write one expression, and numbers without separators of thousands."
    return f"The expression is no arithmetic; {_HELP}"


def _shown(value: Decimal) -> str:
    whole = value.to_integral_value()
    if value == whole and value.adjusted() < DIGITS:
        # A zero may have a sign, which says nothing to anyone.
        return f"{whole if whole else abs(whole):f}"
    short = value.normalize(Context(prec=SHOWN_DIGITS, rounding=ROUND_HALF_EVEN))
    return f"{short:f}" if abs(short.adjusted()) < SHOWN_DIGITS else str(short)
