"""Which functions can a condition call?

All of them take time that grows with their arguments and no faster. ``matches`` takes a literal pattern, for RE2.
Texts become no numbers: what a fact holds as text is none.
"""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from gateway.domain.value import value
from policies.engine.expression.errors import ConditionError
from policies.engine.expression.kinds import LISTS, NUMBERS, Kind
from policies.engine.expression.patterns import compiled
from policies.engine.expression.tree import Call, Literal, Name, Node


@value
class Function:
    """``takes`` holds the kinds that each argument can have; a method's first one stands before the point."""

    takes: tuple[frozenset[Kind], ...]
    gives: Kind
    example: str
    method: bool = False
    plain: bool = False


_TEXT: Final = frozenset({Kind.STRING})
_COMPARES: Final = (_TEXT, _TEXT)
_FUNCTIONS: Final = {
    "size": Function(takes=(_TEXT | LISTS,), gives=Kind.INT, example="size(x)", method=True, plain=True),
    "startsWith": Function(takes=_COMPARES, gives=Kind.BOOL, example="x.startsWith('a')", method=True),
    "endsWith": Function(takes=_COMPARES, gives=Kind.BOOL, example="x.endsWith('a')", method=True),
    "contains": Function(takes=_COMPARES, gives=Kind.BOOL, example="x.contains('a')", method=True),
    "matches": Function(takes=_COMPARES, gives=Kind.BOOL, example="x.matches('^a+$')", method=True),
    "int": Function(takes=(NUMBERS,), gives=Kind.INT, example="int(2.5)", plain=True),
    "double": Function(takes=(NUMBERS,), gives=Kind.DOUBLE, example="double(2)", plain=True),
    "string": Function(takes=(frozenset({Kind.INT, Kind.STRING}),), gives=Kind.STRING, example="string(2)", plain=True),
}


def kind_of_call(call: Call, given: Sequence[Kind]) -> Kind:
    """What the call gives, for arguments of the kinds ``given``.

    Raises:
        ConditionError: there is no such function, or it is not called so.
    """
    function = _FUNCTIONS.get(call.function)
    if function is None:
        near = get_close_matches(call.function, _FUNCTIONS, n=1, cutoff=0.5)
        meant = f"did you mean `{near[0]}`?" if near else f"write one of {', '.join(_FUNCTIONS)}"
        raise ConditionError(f"there is no function `{call.function}`: {meant}", call.offset)
    styled = function.method if call.method else function.plain
    if not styled or len(given) != len(function.takes):
        raise ConditionError(f"`{call.function}` is not called so: write `{function.example}`", call.offset)
    for kind, takes, argument in zip(given, function.takes, call.arguments, strict=True):
        if kind not in takes:
            kinds = " or ".join(sorted(takes))
            raise ConditionError(f"`{call.function}` takes {kinds} and not {kind} here", argument.offset)
    if call.function == "matches":
        _check_pattern(*call.arguments)
    return function.gives


def _check_pattern(subject: Node, pattern: Node) -> None:
    if not isinstance(subject, Name):
        raise ConditionError("only a name can be matched: write `tool.name.matches('…')`", subject.offset)
    if not isinstance(pattern, Literal):
        raise ConditionError("a pattern is written out: `x.matches('^a+$')`", pattern.offset)
    compiled(str(pattern.value), pattern.offset)
