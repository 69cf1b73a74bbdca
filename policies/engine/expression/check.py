"""Does a condition make sense: is every name known here, and has every part a type that fits?

Stricter than CEL where an engine would only find out when it runs: both sides of an operator have one type, and a list
has elements of one type and at least one of them.
"""

from typing import Final, assert_never

from policies.engine.expression.errors import ConditionError
from policies.engine.expression.functions import kind_of_call
from policies.engine.expression.kinds import LIST_OF, LISTS, NUMBERS, Kind, kind_of_value
from policies.engine.expression.names import Names
from policies.engine.expression.tree import (
    LOGICAL,
    ORDERING,
    Binary,
    Call,
    Choice,
    ListOf,
    Literal,
    Name,
    Node,
    Not,
    Operator,
    walk,
)

# A text joined with itself again and again would be the one thing that grows.
MAX_JOINS: Final = 8

_SMALLEST: Final = -(2**63)
_LARGEST: Final = 2**63 - 1


def check(tree: Node, names: Names) -> None:
    """Refuse what is no condition.

    Raises:
        ConditionError: an unknown name or function, a type that does not fit, or a result that is no bool.
    """
    kind = kind_of(tree, names)
    if kind is not Kind.BOOL:
        raise ConditionError(f"a condition is true or false, and this is {kind}: compare it", tree.offset)
    pluses = [one for one in walk(tree) if isinstance(one, Binary) and one.operator is Operator.PLUS]
    joins = sorted(one.offset for one in pluses if kind_of(one, names) is Kind.STRING)
    if len(joins) > MAX_JOINS:
        raise ConditionError(f"texts are joined at most {MAX_JOINS} times: compare the parts", joins[MAX_JOINS])


def kind_of(node: Node, names: Names) -> Kind:
    """The type of ``node``, once all of its parts fit."""
    match node:
        case Literal():
            return _literal(node)
        case Name():
            return names.kind_of(node)
        case ListOf():
            return _list(node, names)
        case Not():
            _expect_bool(node.operand, names, "!")
            return Kind.BOOL
        case Binary():
            return _binary(node, names)
        case Choice():
            return _choice(node, names)
        case Call():
            return kind_of_call(node, [kind_of(one, names) for one in node.arguments])
        case _:
            assert_never(node)


def _literal(node: Literal) -> Kind:
    kind = kind_of_value(node.value)
    if isinstance(node.value, int) and not _SMALLEST <= node.value <= _LARGEST:
        raise ConditionError("the number is too large: integers have 64 bits", node.offset)
    return kind


def _list(node: ListOf, names: Names) -> Kind:
    if not node.items:
        raise ConditionError("an empty list has no type: to find one, write `size(x) == 0`", node.offset)
    first, *others = [kind_of(one, names) for one in node.items]
    if first not in LIST_OF:
        raise ConditionError("lists hold no lists: write one list", node.items[0].offset)
    for item, kind in zip(node.items[1:], others, strict=True):
        if kind is not first:
            raise ConditionError(f"a list has elements of one type: this is {kind}, the first is {first}", item.offset)
    return LIST_OF[first]


def _expect_bool(node: Node, names: Names, where: str) -> None:
    kind = kind_of(node, names)
    if kind is not Kind.BOOL:
        raise ConditionError(f"`{where}` takes true or false, and this is {kind}: compare it", node.offset)


def _choice(node: Choice, names: Names) -> Kind:
    _expect_bool(node.condition, names, "?")
    then, otherwise = kind_of(node.then, names), kind_of(node.otherwise, names)
    if then is not otherwise:
        raise ConditionError(f"both choices have one type: these are {then} and {otherwise}", node.otherwise.offset)
    return then


def _binary(node: Binary, names: Names) -> Kind:
    if node.operator in LOGICAL:
        _expect_bool(node.left, names, node.operator)
        _expect_bool(node.right, names, node.operator)
        return Kind.BOOL
    left, right = kind_of(node.left, names), kind_of(node.right, names)
    if node.operator is Operator.IN:
        _check_in(node, left, right)
        return Kind.BOOL
    if left is not right:
        raise ConditionError(_unlike(node.operator, left, right), node.offset)
    if node.operator in {Operator.EQUAL, Operator.UNEQUAL}:
        return Kind.BOOL
    return _ordered(node, left) if node.operator in ORDERING else _calculated(node, left)


def _check_in(node: Binary, left: Kind, right: Kind) -> None:
    if right not in LISTS:
        raise ConditionError(f"`in` asks a list, and this is {right}: for a text write `x.contains('a')`", node.offset)
    if LIST_OF.get(left) is not right:
        raise ConditionError(f"`in` asks for {left} in {right}: both sides need one type", node.offset)


def _unlike(operator: Operator, left: Kind, right: Kind) -> str:
    instead = (
        "write `2.0` instead of `2`, or `double(x)`"
        if NUMBERS.issuperset({left, right})
        else "both sides need one type"
    )
    if LIST_OF.get(left) is right or LIST_OF.get(right) is left:
        instead = "write `x in list`"
    return f"`{operator}` has {left} on its left and {right} on its right: {instead}"


def _ordered(node: Binary, kind: Kind) -> Kind:
    if kind not in NUMBERS and kind is not Kind.STRING:
        raise ConditionError(f"`{node.operator}` compares numbers or texts, and these are {kind}", node.offset)
    return Kind.BOOL


def _calculated(node: Binary, kind: Kind) -> Kind:
    """``+`` joins texts; ``%`` is for integers alone, as in CEL."""
    fits = {Operator.PLUS: {*NUMBERS, Kind.STRING}, Operator.MODULO: {Kind.INT}}.get(node.operator, NUMBERS)
    if kind not in fits:
        raise ConditionError(f"`{node.operator}` takes {' or '.join(sorted(fits))}, and these are {kind}", node.offset)
    return kind
