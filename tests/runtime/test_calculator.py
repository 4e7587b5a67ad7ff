"""The calculator: what it computes, what it refuses with a sentence, and that nothing written makes it do more."""

import ast
import json
import operator
import warnings
from collections.abc import Callable
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smarter_runtime.events import ToolCall, ToolResult
from smarter_runtime.tools import Toolbox
from smarter_runtime.tools.arithmetic import DIGITS, MAX_CHARACTERS, NotComputable, value_of
from smarter_runtime.tools.calculator import calculator

MAX_RESULT_CHARACTERS = DIGITS + 20
TOOLBOX = Toolbox([calculator("calculator")])


async def called(arguments: str) -> ToolResult:
    return await TOOLBOX.call(ToolCall("c", "calculator", arguments), frozenset({"calculator"}))


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("12*7", "84"),
        ("0.1+0.2", "0.3"),
        ("1/3", "0.33333333333333333333"),
        ("1/3*3", "1"),
        ("1.10 + 2.20", "3.3"),
        ("-7//2", "-4"),
        ("-7 % 3", "2"),
        ("17 % 5", "2"),
        ("7 % (-3)", "-2"),
        ("15%", "0.15"),
        ("15% of 200", "30"),
        ("100 - 10% * 100", "90"),
        ("(50% + 1) * 2", "3"),
        ("2 ** 10", "1024"),
        ("2^10", "1024"),
        ("-2 ** 2", "-4"),
        ("2 ** 3 ** 2", "512"),
        ("2 ** -1", "0.5"),
        ("2**300", str(2**300)),
        ("7**200", "1.0461838291314357175E+169"),
        ("1e5", "100000"),
        ("1_000 \u00d7 2 \u00f7 4 \u2212 1", "499"),
        ("sqrt(2)", "1.4142135623730950488"),
        ("sqrt(2)**2", "2"),
        ("abs(-2.5)", "2.5"),
        ("round(2.5)", "3"),
        ("round(-2.675, 2)", "-2.68"),
        ("round(1234, -2)", "1200"),
        ("min(3, 1, 2) + max(4)", "5"),
        ("ln(e)", "1"),
        ("log10(1000)", "3"),
        ("sin(pi)", "0"),
        ("sin(pi/6)", "0.5"),
        ("COS(0)", "1"),
        ("tan(pi/4)", "1"),
        ("-0.0", "0"),
        ("1e-30", "1E-30"),
        ("+".join(["1"] * 250), "250"),
        ("(" * 150 + "1" + ")" * 150, "1"),
    ],
    ids=lambda text: text[:20],
)
def test_it_computes(expression: str, value: str) -> None:
    assert value_of(expression) == value


HOSTILE = [
    pytest.param("9**9**9", "too large or too small", id="power-tower"),
    pytest.param("9**9**9**9**9", "too large or too small", id="higher-tower"),
    pytest.param("1e999999999", "too large or too small", id="huge-literal"),
    pytest.param("1e-900*1e-900", "too large or too small", id="underflow"),
    pytest.param("10**-2000", "too large or too small", id="tiny"),
    pytest.param('"a"*10**9', "The character '\"' has no meaning", id="string"),
    pytest.param("__import__('os').system('id')", 'The character "\'" has no meaning', id="import"),
    pytest.param("__import__", "The name '__import__' has no meaning", id="builtin"),
    pytest.param("().__class__.__bases__", "no arithmetic", id="attribute"),
    pytest.param("sqrt.__call__(4)", "no arithmetic|Write \\*", id="attribute-call"),
    pytest.param("(lambda: 1)()", "':' has no meaning", id="lambda"),
    pytest.param("[1]*9", "'\\[' has no meaning", id="list"),
    pytest.param("1 if 1 else 2", "no arithmetic", id="condition"),
    pytest.param("1if 1else 2", "A letter follows a number", id="glued"),
    pytest.param("1 and 2", "no arithmetic", id="logic"),
    pytest.param("not 1", "no arithmetic", id="not"),
    pytest.param("max(*5)", "no arithmetic", id="unpacking"),
    pytest.param("True + 1", "The name 'true'", id="boolean"),
    pytest.param("0x1f", "A letter follows a number", id="hexadecimal"),
    pytest.param("1j", "A letter follows a number", id="complex"),
    pytest.param("2pi", "A letter follows a number", id="implicit-factor"),
    pytest.param("2(3+4)", "Write \\* between", id="implicit-product"),
    pytest.param("log(3)", "The name 'log' has no meaning", id="unknown-function"),
    pytest.param("sqrt()", "'sqrt' takes 1 values, not 0", id="no-argument"),
    pytest.param("round(1, 2, 3)", "'round' takes 1 to 2 values", id="too-many-arguments"),
    pytest.param("round(1, 0.5)", "whole number up to 50", id="broken-places"),
    pytest.param("round(1, 10**30)", "whole number up to 50", id="many-places"),
    pytest.param("sin(10**10)", "up to 1000000000", id="huge-angle"),
    pytest.param("tan(pi/2)", "not defined", id="tangent-of-a-right-angle"),
    pytest.param("sqrt(-1)", "not defined", id="root-of-a-negative"),
    pytest.param("ln(0)", "not defined", id="logarithm-of-zero"),
    pytest.param("0**0", "not defined", id="zero-to-zero"),
    pytest.param("(-8)**(1/3)", "not defined", id="broken-power-of-a-negative"),
    pytest.param("1e300 // 1e-300", "not defined", id="quotient-with-too-many-digits"),
    pytest.param("5/0", "division by zero", id="division-by-zero"),
    pytest.param("5//0", "division by zero", id="floor-division-by-zero"),
    pytest.param("5 % 0", "division by zero", id="remainder-of-zero"),
    pytest.param("1,000 * 2", "without separators of thousands", id="thousands"),
    pytest.param("max(1,000)", "'000' is no decimal number", id="hidden-thousands"),
    pytest.param("(5+5)%", "cannot be read", id="percent-of-a-parenthesis"),
    pytest.param("1 +", "cannot be read", id="unfinished"),
    pytest.param("", "cannot be read", id="empty"),
    pytest.param("1\x00", "has no meaning", id="null"),
    pytest.param("\ud800", "has no meaning", id="half-a-character"),
    pytest.param("\uff11\uff12*7", "The character '\uff11'", id="wide-digits"),
    pytest.param("٣*٤", "The character '٣'", id="arabic-digits"),
    pytest.param("3²", "The character '²'", id="superscript"),
    pytest.param("(" * 10_000 + "1" + ")" * 10_000, "at most 500 characters", id="parentheses"),
    pytest.param("(" * 249 + "1" + ")" * 249, "cannot be read", id="parentheses-within-the-length"),
    pytest.param("-" * 499 + "1", "nested too deeply", id="signs"),
    pytest.param("9" * 10**6, "at most 500 characters", id="long"),
]


@pytest.mark.parametrize(("expression", "fault"), HOSTILE)
async def test_what_it_does_not_compute_is_told_in_a_sentence(expression: str, fault: str) -> None:
    with pytest.raises(NotComputable, match=fault):
        value_of(expression[: MAX_CHARACTERS + 1])
    result = await called(json.dumps({"expression": expression}))
    assert result.is_error
    assert len(result.content) < 400


def test_nothing_is_written_to_the_log_about_what_cannot_be_read() -> None:
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        with pytest.raises(NotComputable):
            value_of("1..0if 1 else 2")
    assert warned == []


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        pytest.param("{}", "'expression' is missing: Arithmetic such as", id="missing"),
        pytest.param('{"expression": 5}', "'expression' must be a string.", id="number"),
        pytest.param('{"expression": "1", "code": "1"}', "There is no parameter 'code'", id="unknown"),
        pytest.param(f'{{"expression": "{"1" * 501}"}}', "'expression' may have at most 500 characters.", id="long"),
    ],
)
async def test_wrong_arguments_are_told_to_the_model(arguments: str, fault: str) -> None:
    result = await called(arguments)
    assert (result.is_error, result.content[: len(fault)]) == (True, fault)


def check_bounds(expression: str) -> None:
    """Compute within the bounds, or be refused; anything else is a fault of ours."""
    try:
        assert len(value_of(expression)) <= MAX_RESULT_CHARACTERS
    except NotComputable as refusal:
        assert len(str(refusal)) < 400


PIECES = [
    *"0123456789.+-*/%^(),_ ", "**", "//", "of", "pi", "e", "1e9", "1e-99", "9e99", "0.1", "1.0000001", "sqrt(", "ln(",
    "round(", "max(", "sin(", "tan(", "log10(", "abs(", "x", "if", "is", "1j", "\n", "\u00d7", "²", "'", "\ud800",
]  # fmt: skip


@given(st.text(max_size=MAX_CHARACTERS + 5))
@settings(deadline=None)
def test_any_text_is_computed_or_refused(text: str) -> None:
    check_bounds(text)


@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
@settings(deadline=None, max_examples=500)
def test_any_text_that_looks_like_arithmetic_is_computed_or_refused(text: str) -> None:
    check_bounds(text)


def joined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    sign = st.sampled_from(["+", "-", "*", "/", "//", "%", "**"])
    function = st.sampled_from(["sqrt", "ln", "log10", "sin", "tan", "abs", "round", "max", "-"])
    return st.builds("({}{}{})".format, inner, sign, inner) | st.builds("{}({})".format, function, inner)


NUMBERS = st.integers(0, 10**20).map(str) | st.sampled_from(["0", "0.5", "1e99", "9e999", "1e-99", "1.000001", "pi"])


@given(st.recursive(NUMBERS, joined, max_leaves=30))
@settings(deadline=None, max_examples=500)
def test_any_arithmetic_ends_soon_and_short(expression: str) -> None:
    check_bounds(expression)


BY_FRACTIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Fraction | int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}


def exact(node: ast.expr) -> Fraction:
    """Compute by fractions what the test itself wrote."""
    if isinstance(node, ast.BinOp):
        return Fraction(BY_FRACTIONS[type(node.op)](exact(node.left), exact(node.right)))
    if isinstance(node, ast.UnaryOp):
        return -exact(node.operand)
    return Fraction(ast.literal_eval(node))


WHOLE = st.recursive(
    st.integers(0, 10**6).map(str) | st.integers(1, 99).map("(-{})".format),
    lambda inner: st.builds("({}{}{})".format, inner, st.sampled_from(["+", "-", "*", "//", "%"]), inner),
    max_leaves=10,
)


@given(WHOLE)
@settings(deadline=None)
def test_whole_numbers_are_exact(expression: str) -> None:
    try:
        expected = str(exact(ast.parse(expression, mode="eval").body))
    except ZeroDivisionError:
        with pytest.raises(NotComputable, match="division by zero"):
            value_of(expression)
    else:
        assert value_of(expression) == expected
