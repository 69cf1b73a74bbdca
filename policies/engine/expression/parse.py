"""What does a condition's source say?

A part of CEL without maps, indexing and macros: nothing in it repeats, so that what is small also runs fast. Precedence
is CEL's own; a choice between ``?`` and ``:`` needs parentheses, as in CEL's grammar. A sign belongs to a number and
turns nothing else: the engine wraps around where -2⁶³ is turned, and CEL says that this fails.
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from policies.engine.expression.errors import ConditionError
from policies.engine.expression.tokens import Kind, Token, tokens_of
from policies.engine.expression.tree import (
    BINDING,
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

MAX_SOURCE: Final = 1000
MAX_DEPTH: Final = 20
MAX_NODES: Final = 200

_OPERATORS: Final = {operator.value: operator for operator in Operator}
_MACROS: Final = frozenset({"all", "exists", "exists_one", "existsOne", "filter", "has", "map"})


def parse(source: str) -> Node:
    """The tree of ``source``; names, functions and types are not looked at.

    Raises:
        ConditionError: it is no condition, or larger than one may be.
    """
    if len(source) > MAX_SOURCE:
        raise ConditionError(f"a condition has at most {MAX_SOURCE} characters: write several rules", MAX_SOURCE)
    tree = _Parser(tuple(tokens_of(source))).whole()
    for count, node in enumerate(walk(tree)):
        if count == MAX_NODES:
            raise ConditionError(f"a condition has at most {MAX_NODES} parts: write several rules", node.offset)
    return tree


class _Parser:
    """A Pratt parser: one method per level at which something can stand."""

    def __init__(self, tokens: tuple[Token, ...]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        tree = self._expression()
        if self._here.kind is not Kind.END:
            raise ConditionError("the condition ends before this: join parts with `&&` or `||`", self._here.offset)
        return tree

    @property
    def _here(self) -> Token:
        return self._tokens[self._at]

    def _step(self) -> Token:
        token = self._here
        self._at += 1
        return token

    def _takes(self, sign: str) -> bool:
        """Step over ``sign`` if it stands here."""
        if self._here.kind is not Kind.SIGN or self._here.text != sign:
            return False
        self._at += 1
        return True

    def _expect(self, sign: str) -> None:
        if not self._takes(sign):
            raise ConditionError(f"write `{sign}` here", self._here.offset)

    @contextmanager
    def _deeper(self) -> Generator[None]:
        if self._depth == MAX_DEPTH:
            raise ConditionError(f"nesting ends at {MAX_DEPTH} levels: write several rules", self._here.offset)
        self._depth += 1
        yield
        self._depth -= 1

    def _expression(self) -> Node:
        with self._deeper():
            condition = self._joined(1)
            offset = self._here.offset
            if not self._takes("?"):
                return condition
            then = self._joined(1)
            if self._here.text == "?":
                raise ConditionError("put the choice between `?` and `:` in parentheses", self._here.offset)
            self._expect(":")
            return Choice(condition=condition, then=then, otherwise=self._expression(), offset=offset)

    def _joined(self, binding: int) -> Node:
        """Operators that bind at least as tightly as ``binding``."""
        left = self._prefixed()
        while (operator := self._operator()) is not None and BINDING[operator] >= binding:
            offset = self._step().offset
            right = self._joined(BINDING[operator] + 1)
            left = Binary(operator=operator, left=left, right=right, offset=offset)
        return left

    def _operator(self) -> Operator | None:
        return _OPERATORS.get(self._here.text) if self._here.kind is Kind.SIGN else None

    def _prefixed(self) -> Node:
        offset = self._here.offset
        if self._takes("!"):
            with self._deeper():
                return Not(operand=self._prefixed() if self._here.text == "!" else self._member(), offset=offset)
        if self._takes("-"):
            number = self._here.value
            if isinstance(number, int | float) and not isinstance(number, bool):
                self._step()
                return self._members_of(Literal(value=-number, offset=offset))
            raise ConditionError("a sign stands before a number only: write `0 - x`", offset)
        return self._member()

    def _member(self) -> Node:
        return self._members_of(self._primary())

    def _members_of(self, node: Node) -> Node:
        while True:
            offset = self._here.offset
            if self._takes("."):
                node = self._part_of(node)
            elif self._takes("["):
                raise ConditionError("lists have no positions here: ask with `in`, as in `'x' in list`", offset)
            else:
                return node

    def _part_of(self, node: Node) -> Node:
        name = self._step()
        if name.kind is not Kind.NAME:
            raise ConditionError("write a name after the point", name.offset)
        if self._here.text == "(" and self._here.kind is Kind.SIGN:
            return self._call(name, node)
        if not isinstance(node, Name):
            raise ConditionError("only names have parts: write a function's brackets, as in `.size()`", name.offset)
        return Name(path=f"{node.path}.{name.text}", offset=node.offset)

    def _primary(self) -> Node:
        token = self._step()
        match token.kind:
            case Kind.LITERAL if token.value is not None:
                return Literal(value=token.value, offset=token.offset)
            case Kind.NAME if token.text == "null":
                raise ConditionError("facts are never null: compare with '', 0 or false", token.offset)
            case Kind.NAME if self._here.text == "(":
                return self._call(token, None)
            case Kind.NAME:
                return Name(path=token.text, offset=token.offset)
            case Kind.SIGN if token.text == "(":
                inner = self._expression()
                self._expect(")")
                return inner
            case Kind.SIGN if token.text == "[":
                return ListOf(items=self._items("]"), offset=token.offset)
            case _:
                raise ConditionError("write a name, a number, a text or a list here", token.offset)

    def _call(self, name: Token, receiver: Node | None) -> Node:
        if name.text in _MACROS:
            raise ConditionError(
                f"`{name.text}` could run long and is not known here: lists are asked with `in` and `size`", name.offset
            )
        self._expect("(")
        first = () if receiver is None else (receiver,)
        arguments = (*first, *self._items(")"))
        return Call(function=name.text, method=receiver is not None, arguments=arguments, offset=name.offset)

    def _items(self, end: str) -> tuple[Node, ...]:
        """Expressions between commas, and the bracket that ends them."""
        if self._takes(end):
            return ()
        items = [self._expression()]
        while self._takes(","):
            items.append(self._expression())
        self._expect(end)
        return tuple(items)
