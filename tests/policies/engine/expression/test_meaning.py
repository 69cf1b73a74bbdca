"""Does a condition mean what CEL says?

Random ones are read four times: by us, by the engine from their own source, by cel-python, and by a table.
"""

# pyright: reportUnknownMemberType=false

import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import cel
import celpy
import pytest
from celpy.adapter import json_to_cel
from celpy.evaluation import CELEvalError
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.domain.detection import Fact, FactType, FactValue, Stage
from policies.engine.condition import ConditionError, ConditionFailed, compile_condition
from policies.engine.expression.parse import parse
from policies.engine.expression.tree import Binary, Call, Choice, ListOf, Literal, Name, Node, Not

VOCABULARY: Final = {
    name: Fact(name=name, type=kind, doc="")
    for name, kind in {
        "on": FactType.BOOL,
        "a.on": FactType.BOOL,
        "a.n": FactType.INT,
        "a.m": FactType.INT,
        "a.b.d": FactType.DOUBLE,
        "a.b.s": FactType.STRING,
        "a.t": FactType.STRING,
        "a.l": FactType.STRINGS,
    }.items()
}
LISTS: Final[Mapping[str, FactValue]] = {"lists.words": ("a", "ab", "'")}
FAILED: Final = "failed"

LARGEST: Final = 2**63 - 1
INTS: Final = st.integers(-9, 9) | st.sampled_from([-LARGEST - 1, -LARGEST, LARGEST, 2**53 + 1])
DOUBLES: Final = st.integers(-40, 40).map(lambda n: n / 8)
TEXTS: Final = st.text("ab'\"\\\n\t ", max_size=3)


@st.composite
def quoted(draw: st.DrawFn) -> str:
    text, quote = draw(TEXTS), draw(st.sampled_from("'\""))
    if "\n" not in text and quote not in text and draw(st.booleans()):
        if text.endswith("\\"):
            text += "d"
        prefix = "r" if "\\" in text else draw(st.sampled_from(["", "r"]))
        return f"{prefix}{quote}{text}{quote}"
    escapes = {"\\": r"\\", "\n": r"\n", "\t": draw(st.sampled_from([r"\t", r"\x09", r"\011"])), quote: f"\\{quote}"}
    return quote + "".join(escapes.get(character, character) for character in text) + quote


@st.composite
def bracketed(draw: st.DrawFn, source: str) -> str:
    """Brackets that may be left out."""
    return f"({source})" if draw(st.booleans()) else source


@st.composite
def ints(draw: st.DrawFn, depth: int) -> str:
    leaf = draw(st.sampled_from(["literal", "a.n", "a.m", "size"] + ["sum", "of", "choice"] * (depth > 0)))
    match leaf:
        case "literal":
            return str(draw(INTS))
        case "size":
            return draw(st.sampled_from(["size(a.l)", "a.t.size()", "lists.words.size()", "size(a.b.s)"]))
        case "sum":
            sign = draw(st.sampled_from("+-*/%"))
            return draw(bracketed(f"{draw(ints(depth - 1))} {sign} {draw(ints(depth - 1))}"))
        case "of":
            return f"int({draw(doubles(depth - 1))})"
        case "choice":
            return f"({draw(bools(depth - 1))} ? {draw(ints(depth - 1))} : {draw(ints(depth - 1))})"
        case _:
            return leaf


@st.composite
def doubles(draw: st.DrawFn, depth: int) -> str:
    leaf = draw(st.sampled_from(["literal", "a.b.d"] + ["sum", "of"] * (depth > 0)))
    match leaf:
        case "literal":
            return str(draw(DOUBLES))
        case "sum":
            sign = draw(st.sampled_from("+-*"))
            return draw(bracketed(f"{draw(doubles(depth - 1))} {sign} {draw(doubles(depth - 1))}"))
        case "of":
            return f"double({draw(st.integers(-9, 9))})"
        case _:
            return leaf


@st.composite
def texts(draw: st.DrawFn, depth: int) -> str:
    leaf = draw(st.sampled_from(["literal", "a.b.s", "a.t"] + ["join", "of"] * (depth > 0)))
    match leaf:
        case "literal":
            return draw(quoted())
        case "join":
            return f"({draw(texts(depth - 1))}+{draw(texts(depth - 1))})"
        case "of":
            return f"string({draw(ints(0))})"
        case _:
            return leaf


@st.composite
def lists(draw: st.DrawFn, depth: int) -> str:
    items = draw(st.lists(texts(depth), min_size=1, max_size=3))
    return draw(st.sampled_from(["a.l", "lists.words", f"[{', '.join(items)}]"]))


@st.composite
def comparisons(draw: st.DrawFn, depth: int) -> str:
    kind = draw(st.sampled_from([ints, doubles, texts]))
    sign = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
    return f"{draw(kind(depth))} {sign} {draw(kind(depth))}"


@st.composite
def asked(draw: st.DrawFn, depth: int) -> str:
    """What texts and lists are asked."""
    # cel-python knows no methods of joined texts: a plain text stands before the point.
    one, other = draw(texts(0)), draw(texts(depth))
    name = draw(st.sampled_from(["startsWith", "endsWith", "contains"]))
    in_list = f"{one} in {draw(lists(depth))}"
    in_numbers = f"{draw(ints(depth))} in [1, 2, {draw(ints(0))}]"
    return draw(st.sampled_from([f"{one}.{name}({other})", in_list, in_numbers, "a.t.matches('^a+$')"]))


@st.composite
def bools(draw: st.DrawFn, depth: int) -> str:
    leaves = ["true", "false", "on", "a.on"]
    leaf = draw(st.sampled_from(leaves + ["logic", "not", "compared", "asked", "same", "choice"] * 2 * (depth > 0)))
    match leaf:
        case "logic":
            sign = draw(st.sampled_from(["&&", "||"]))
            return draw(bracketed(f"{draw(bools(depth - 1))} {sign} {draw(bools(depth - 1))}"))
        case "not":
            return f"!({draw(bools(depth - 1))})"
        case "compared":
            return draw(bracketed(draw(comparisons(depth - 1))))
        case "asked":
            return draw(bracketed(draw(asked(depth - 1))))
        case "same":
            return f"({draw(bools(depth - 1))}) == ({draw(bools(depth - 1))})"
        case "choice":
            then = draw(bools(depth - 1))
            return f"(({draw(bools(depth - 1))}) ? ({then}) : {draw(bools(depth - 1))})"
        case _:
            return leaf


FACTS: Final = st.fixed_dictionaries(
    {},
    optional={
        "on": st.booleans(),
        "a.on": st.booleans(),
        "a.n": INTS,
        "a.m": INTS,
        "a.b.d": DOUBLES,
        "a.b.s": TEXTS,
        "a.t": TEXTS,
        "a.l": st.lists(TEXTS, max_size=3).map(tuple),
    },
)


def nested(facts: Mapping[str, FactValue]) -> dict[str, Any]:
    """The facts as CEL's maps, none of them absent."""
    zeros = {name: fact.type.zero for name, fact in VOCABULARY.items()}
    top: dict[str, Any] = {}
    for path, value in {**zeros, **LISTS, **facts}.items():
        *folders, last = path.split(".")
        here = top
        for folder in folders:
            here = here.setdefault(folder, {})
        here[last] = list(value) if isinstance(value, tuple) else value
    return top


def ours(source: str, facts: Mapping[str, FactValue]) -> bool | str:
    try:
        return compile_condition(source, VOCABULARY, Stage.DATA, LISTS).holds(facts)
    except ConditionFailed:
        return FAILED
    except ConditionError as error:
        assume("at most" not in error.message)
        raise


def engine(source: str, facts: Mapping[str, FactValue]) -> object:
    program = cel.compile(source)
    try:
        return program.execute(nested(facts))
    except (ArithmeticError, RuntimeError, TypeError, ValueError):
        return FAILED


@pytest.fixture(scope="module")
def environment() -> Iterator[celpy.Environment]:
    """It raises Python's recursion limit, which would hide a recursion of ours."""
    limit = sys.getrecursionlimit()
    made = celpy.Environment()
    sys.setrecursionlimit(limit)
    yield made
    sys.setrecursionlimit(limit)


def second(environment: celpy.Environment, source: str, facts: Mapping[str, FactValue]) -> bool | str:
    program = environment.program(environment.compile(source))
    try:
        return bool(program.evaluate({name: json_to_cel(value) for name, value in nested(facts).items()}))
    except CELEvalError:
        return FAILED


class Undefined(Exception):
    """No value."""


def table(node: Node, facts: Mapping[str, Any]) -> Any:
    """A value by the words of CEL's specification."""
    match node:
        case Literal():
            return node.value
        case Name():
            return {**LISTS, **facts}.get(node.path, VOCABULARY[node.path].type.zero if node.path in VOCABULARY else 0)
        case ListOf():
            return tuple(table(item, facts) for item in node.items)
        case Not():
            return not table(node.operand, facts)
        case Choice():
            return table(node.then if table(node.condition, facts) else node.otherwise, facts)
        case Binary(operator="&&" | "||"):
            return logic(node, facts)
        case Binary():
            return in_range(SIGNS[node.operator](table(node.left, facts), table(node.right, facts)))
        case Call():
            return in_range(CALLS[node.function](*(table(one, facts) for one in node.arguments)))


def logic(node: Binary, facts: Mapping[str, Any]) -> bool:
    """A side that decides does so whatever becomes of the other."""
    decisive = node.operator == "||"
    sides: list[bool | None] = []
    for side in (node.left, node.right):
        try:
            sides.append(table(side, facts))
        except Undefined:
            sides.append(None)
    if decisive in sides:
        return decisive
    if None in sides:
        raise Undefined
    return not decisive


def in_range(value: Any) -> Any:
    if isinstance(value, int) and not -LARGEST - 1 <= value <= LARGEST:
        raise Undefined
    return value


def quotient(one: Any, other: Any) -> Any:
    """Towards zero."""
    if other == 0:
        raise Undefined
    return abs(one) // abs(other) * (1 if (one < 0) == (other < 0) else -1)


def remainder(one: int, other: int) -> int:
    return one - other * in_range(quotient(one, other))


def only_a(text: str, _pattern: str) -> bool:
    """What the one pattern in use says."""
    return bool(text) and not text.strip("a")


SIGNS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
    "in": lambda one, many: one in many,
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": quotient,
    "%": remainder,
}
CALLS: Final[Mapping[str, Callable[..., Any]]] = {
    "size": len,
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": str.__contains__,
    "matches": only_a,
    "int": int,
    "double": float,
    "string": str,
}


@settings(max_examples=2 * settings().max_examples)
@given(source=bools(4), facts=FACTS)
def test_what_we_accept_means_the_same_to_us_to_the_engine_and_to_a_table(
    source: str, facts: Mapping[str, FactValue]
) -> None:
    answer = ours(source, facts)
    try:
        expected = table(parse(source), facts)
    except Undefined:
        expected = FAILED
    assert (answer, engine(source, facts)) == (expected, expected)


@given(source=bools(3), facts=FACTS)
def test_a_second_implementation_of_cel_agrees(
    environment: celpy.Environment, source: str, facts: Mapping[str, FactValue]
) -> None:
    answer = ours(source, facts)
    assert second(environment, source, facts) == answer


@pytest.mark.parametrize("kind", ["\u00e9\U0001f600", "ab"])
def test_size_counts_characters(environment: celpy.Environment, kind: str) -> None:
    assert ours("a.t.size() == 2 && size(a.t) == 2", {"a.t": kind}) is True
    assert second(environment, "a.t.size() == 2 && size(a.t) == 2", {"a.t": kind}) is True
