"""What does a condition consist of?

Each node knows its offset in the source: of its operator where it has one, else of its first character.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, TypeAlias, assert_never

from gateway.domain.value import value

LiteralValue: TypeAlias = bool | int | float | str


class Operator(StrEnum):
    """Operators with two sides, as CEL writes them."""

    OR = "||"
    AND = "&&"
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    EQUAL = "=="
    UNEQUAL = "!="
    IN = "in"
    PLUS = "+"
    MINUS = "-"
    TIMES = "*"
    DIVIDED = "/"
    MODULO = "%"


ORDERING: Final = frozenset(
    {
        Operator.LESS,
        Operator.LESS_OR_EQUAL,
        Operator.GREATER,
        Operator.GREATER_OR_EQUAL,
    }
)
LOGICAL: Final = frozenset({Operator.AND, Operator.OR})

# What binds tighter has the higher number; all of them group to the left.
BINDING: Final = {
    Operator.OR: 1,
    Operator.AND: 2,
    **dict.fromkeys((*ORDERING, Operator.EQUAL, Operator.UNEQUAL, Operator.IN), 3),
    **dict.fromkeys((Operator.PLUS, Operator.MINUS), 4),
    **dict.fromkeys((Operator.TIMES, Operator.DIVIDED, Operator.MODULO), 5),
}


@value
class Literal:
    """A number, a text, true or false, as it is written."""

    value: LiteralValue
    offset: int


@value
class Name:
    """A fact or a constant, by its whole dotted name."""

    path: str
    offset: int


@value
class ListOf:
    """``[1, 2]``."""

    items: tuple["Node", ...]
    offset: int


@value
class Not:
    """``!operand``."""

    operand: "Node"
    offset: int


@value
class Binary:
    """``left operator right``."""

    operator: Operator
    left: "Node"
    right: "Node"
    offset: int


@value
class Choice:
    """``condition ? then : otherwise``."""

    condition: "Node"
    then: "Node"
    otherwise: "Node"
    offset: int


@value
class Call:
    """``f(a)``, or as a method ``a.f(b)``: what stands before the point is then the first argument."""

    function: str
    method: bool
    arguments: tuple["Node", ...]
    offset: int


Node: TypeAlias = Literal | Name | ListOf | Not | Binary | Choice | Call


def parts(node: Node) -> tuple[Node, ...]:
    """The nodes directly below, from left to right."""
    match node:
        case Literal() | Name():
            return ()
        case ListOf(items=items) | Call(arguments=items):
            return items
        case Not():
            return (node.operand,)
        case Binary():
            return (node.left, node.right)
        case Choice():
            return (node.condition, node.then, node.otherwise)
        case _:
            assert_never(node)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, each before its parts."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(parts(current)))


def names_in(node: Node) -> Iterator[str]:
    """The names that it reads, as often as they occur."""
    return (one.path for one in walk(node) if isinstance(one, Name))
