import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.detection import Fact, FactType, Stage, Vocabulary
from policies.engine.expression.parse import parse
from policies.engine.expression.tree import Node, walk
from policies.engine.expression.variations import variations, written

VOCABULARY: Vocabulary = {
    fact.name: fact
    for fact in (
        Fact(name="det.a.found", type=FactType.BOOL, doc="."),
        Fact(name="det.a.long", type=FactType.BOOL, doc="."),
        Fact(name="det.a.count", type=FactType.INT, doc="."),
        Fact(name="det.b.found", type=FactType.BOOL, doc="."),
        Fact(name="segment.origin", type=FactType.STRING, doc=".", stages=frozenset({Stage.DATA})),
        Fact(name="segment.id", type=FactType.STRING, doc=".", stages=frozenset({Stage.INSTRUCTIONS})),
    )
}


def varied(source: str) -> set[str]:
    return set(variations(source, VOCABULARY, Stage.DATA))


def test_the_whole_is_turned_around() -> None:
    assert "!((det.a.count > 3))" in varied("det.a.count > 3")


def test_each_side_of_and_and_or_is_left_out_and_the_operator_swapped() -> None:
    assert {"det.a.found", "det.b.found", "(det.a.found || det.b.found)"} <= varied("det.a.found && det.b.found")
    assert {"det.a.found", "det.b.found", "(det.a.found && det.b.found)"} <= varied("det.a.found || det.b.found")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("operator", "others"),
    [("<", "<= >"), ("<=", "< >"), (">", ">= <"), (">=", "> <"), ("==", "!="), ("!=", "==")],
)
def test_a_limit_is_off_by_one_or_turned_around(operator: str, others: str) -> None:
    assert {f"(det.a.count {other} 3)" for other in others.split()} <= varied(f"det.a.count {operator} 3")


def test_numbers_texts_and_truth_values_are_others() -> None:
    assert {"(det.a.count > 2)", "(det.a.count > 4)"} <= varied("det.a.count > 3")
    assert {'(segment.origin == "webx")', '(segment.origin == "we")'} <= varied("segment.origin == 'web'")
    assert '(segment.origin == "x")' in varied("segment.origin == ''")
    assert "(det.a.found == false)" in varied("det.a.found == true")


def test_a_fact_is_taken_for_one_like_it_of_the_same_detector() -> None:
    assert varied("det.a.found") == {"!(det.a.found)", "det.a.long"}


def test_a_fact_is_not_taken_for_one_that_its_stage_lacks() -> None:
    assert not [one for one in varied("segment.origin == 'web'") if "segment.id" in one]


def test_what_is_no_fact_stays() -> None:
    assert varied("lists.hosts == lists.hosts") == {
        "!((lists.hosts == lists.hosts))",
        "(lists.hosts != lists.hosts)",
    }


def test_a_denial_is_dropped() -> None:
    assert "det.a.found" in varied("!det.a.found")
    assert "!(det.a.long)" in varied("!det.a.found")


def test_a_choice_is_made_for_good_and_its_parts_change() -> None:
    found = varied("(det.a.found ? det.b.found : det.a.long)")
    assert {"det.b.found", "det.a.long"} <= found
    assert "((det.a.long) ? (det.b.found) : (det.a.long))" in found
    assert "((det.a.found) ? (!(det.b.found)) : (det.a.long))" in found
    assert "((det.a.found) ? (det.b.found) : (det.a.found))" in found


def test_a_list_loses_its_items_but_not_its_last() -> None:
    assert {'(segment.origin in ["a"])', '(segment.origin in ["b"])', '(segment.origin in ["ax", "b"])'} <= varied(
        "segment.origin in ['a', 'b']"
    )
    assert "(segment.origin in [])" not in varied("segment.origin in ['a']")


def test_functions_on_texts_are_mistaken_for_others() -> None:
    found = varied("segment.origin.startsWith('tool:')")
    assert {'segment.origin.endsWith("tool:")', 'segment.origin.contains("tool:")'} <= found
    assert 'segment.origin.startsWith("tool")' in found
    assert "(size(segment.origin) > 4)" in varied("size(segment.origin) > 3")


def shape(node: Node) -> list[str]:
    return [f"{type(one).__name__} {getattr(one, 'path', '')}{getattr(one, 'value', '')}" for one in walk(node)]


SOURCES = st.recursive(
    st.sampled_from(["det.a.found", "det.a.count > -3", "segment.origin == 'a\"\\\\'", "size(segment.origin) < 2.5"]),
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
    ),
    max_leaves=6,
)


@given(SOURCES)
def test_what_is_written_reads_as_it_was(source: str) -> None:
    tree = parse(source)
    assert shape(parse(written(tree))) == shape(tree)


@given(SOURCES)
def test_every_variation_says_something_else_and_reads_as_a_condition(source: str) -> None:
    own = written(parse(source))
    for one in varied(source):
        parse(one)
        assert one != own
