import pytest

from policies.engine.expression.errors import ConditionError
from policies.engine.expression.parse import MAX_DEPTH, MAX_NODES, MAX_SOURCE, parse
from policies.engine.expression.tree import Binary, Call, Choice, ListOf, Literal, Name, Node, Not


def shape(node: Node) -> str:
    """The tree with every part in brackets."""
    match node:
        case Literal():
            return repr(node.value)
        case Name():
            return node.path
        case ListOf():
            return f"[{' '.join(map(shape, node.items))}]"
        case Not():
            return f"(! {shape(node.operand)})"
        case Binary():
            return f"({shape(node.left)} {node.operator} {shape(node.right)})"
        case Choice():
            return f"({shape(node.condition)} ? {shape(node.then)} : {shape(node.otherwise)})"
        case Call():
            mark = "." if node.method else ""
            return f"({mark}{node.function} {' '.join(map(shape, node.arguments))})"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("a || b && c", "(a || (b && c))"),
        ("a && b || c", "((a && b) || c)"),
        ("a == b && c", "((a == b) && c)"),
        ("a < b == c", "((a < b) == c)"),
        ("a + b < c * d", "((a + b) < (c * d))"),
        ("a - b - c", "((a - b) - c)"),
        ("a / b % c", "((a / b) % c)"),
        ("a in b == c", "((a in b) == c)"),
        ("!a == b", "((! a) == b)"),
        ("!!a", "(! (! a))"),
        ("!a.b.c", "(! a.b.c)"),
        ("-1 + b", "(-1 + b)"),
        ("a - -1", "(a - -1)"),
        ("a-1", "(a - 1)"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("-1.5", "-1.5"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("a || b ? c : d", "((a || b) ? c : d)"),
        ("(a ? b : c) ? d : e", "((a ? b : c) ? d : e)"),
        ("(a || b) && c", "((a || b) && c)"),
        ("a.b.size() > 1", "((.size a.b) > 1)"),
        ("a . b", "a.b"),
        ("size(a)", "(size a)"),
        ("f()", "(f )"),
        ("a.f('x', 1)", "(.f a 'x' 1)"),
        ("'x'.f().g()", "(.g (.f 'x'))"),
        ("a in ['x', b]", "(a in ['x' b])"),
        ("[]", "[]"),
    ],
)
def test_operators_bind_as_in_cel(source: str, meant: str) -> None:
    assert shape(parse(source)) == meant


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "offset", "instead"),
    [
        ("", 0, "write a name"),
        ("// nothing", 10, "write a name"),
        ("a &&", 4, "write a name"),
        ("a b", 2, "join parts"),
        ("a, b", 1, "join parts"),
        ("a not in b", 2, "join parts"),
        ("(a", 2, r"write `\)` here"),
        ("[a", 2, r"write `\]` here"),
        ("f(a", 3, r"write `\)` here"),
        ("[a,]", 3, "write a name"),
        ("a ? b", 5, "write `:` here"),
        ("a ? b ? c : d : e", 6, "in parentheses"),
        ("a + -b", 4, "write `0 - x`"),
        ("-(1)", 0, "write `0 - x`"),
        ("--1", 0, "write `0 - x`"),
        ("-true", 0, "write `0 - x`"),
        ("!-a", 1, "write a name"),
        ("a[0]", 1, "no positions"),
        ("a.in", 2, "name after the point"),
        ("a.1", 2, "name after the point"),
        (".a", 0, "write a name"),
        ("a.size().b", 9, "only names have parts"),
        ("a == null", 5, "never null"),
        ("has(a.b)", 0, "could run long"),
        *((f"a.b.{macro}(x, x == 1)", 4, "could run long") for macro in ("all", "exists", "exists_one", "filter")),
        ("[1, 2].map(x, x)", 7, "could run long"),
    ],
)
def test_what_is_no_condition_is_refused_where_it_stops_being_one(source: str, offset: int, instead: str) -> None:
    with pytest.raises(ConditionError, match=instead) as refused:
        parse(source)
    assert refused.value.offset == offset


@pytest.mark.rows
@pytest.mark.parametrize("source", ["has", "a.map", "a.exists && all"])
def test_a_macro_s_name_is_a_name_like_any_other(source: str) -> None:
    parse(source)


def refused(source: str) -> bool:
    try:
        parse(source)
    except ConditionError:
        return True
    return False


@pytest.mark.rows
@pytest.mark.parametrize(
    ("largest", "larger"),
    [
        ("a" * MAX_SOURCE, "a" * (MAX_SOURCE + 1)),
        ("a" + "||a" * (MAX_NODES // 2 - 1), "a" + "||a" * (MAX_NODES // 2)),
        (f"[{','.join('1' * (MAX_NODES - 1))}]", f"[{','.join('1' * MAX_NODES)}]"),
        *(
            (
                opening * (MAX_DEPTH - 1) + "a" + closing * (MAX_DEPTH - 1),
                opening * MAX_DEPTH + "a" + closing * MAX_DEPTH,
            )
            for opening, closing in [("(", ")"), ("[", "]"), ("f(", ")"), ("!", ""), ("a ? b : ", ""), ("(a || ", ")")]
        ),
    ],
)
def test_a_condition_that_is_too_large_is_refused_and_the_largest_is_not(largest: str, larger: str) -> None:
    assert not refused(largest)
    assert refused(larger)
