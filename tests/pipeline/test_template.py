import pytest

from gateway.domain.model import Hole, Template
from gateway.pipeline.unmix import parse_template


def test_source_becomes_literals_and_typed_holes() -> None:
    template = parse_template("rag", "A\n{{ context : data }}\n\nQ: {{q:user}}", role="system")
    assert template == Template(
        name="rag",
        parts=("A\n", Hole(name="context", channel="data"), "\n\nQ: ", Hole(name="q", channel="user")),
        role="system",
    )


def test_a_hole_may_open_and_close_the_text() -> None:
    assert parse_template("t", "{{a: data}}-{{b: user}}").parts == (
        Hole(name="a", channel="data"),
        "-",
        Hole(name="b", channel="user"),
    )
    assert parse_template("t", "{{a: data}}.").parts == (Hole(name="a", channel="data"), ".")


def test_single_braces_and_escaped_ones_are_literal() -> None:
    parts = parse_template("t", r"f{x} }} {'a': 1} \{{b}} {{a: data}}").parts
    assert parts == ("f{x} }} {'a': 1} {{b}} ", Hole(name="a", channel="data"))


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "where"),
    [
        ("{{context}}", "line 1, column 1"),
        ("one\ntwo {{context: tool}}", "line 2, column 5"),
        ("{{a b: data}}", "line 1, column 1"),
        ("x {{a: data} }", "line 1, column 3"),
        ("\n\n{{", "line 3, column 1"),
        ("{{{a: data}}}", "line 1, column 1"),
        ("{{a: data}} {{" + "n" * 65 + ": user}}", "line 1, column 13"),
    ],
)
def test_a_misspelt_hole_is_refused_with_its_position(source: str, where: str) -> None:
    with pytest.raises(ValueError, match=where) as caught:
        parse_template("t", source)
    assert "{{name: data}}" in str(caught.value)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("no hole", "no hole"),
        ("", "no hole"),
        ("{{a: data}}{{b: user}}", "nothing tells where hole a ends and b begins"),
        ("x{{a: data}} {{b: user}}{{c: data}}", "nothing tells where hole b ends and c begins"),
        ("{{a: data}} {{a: user}}", "two holes named a"),
    ],
)
def test_holes_that_cannot_be_told_apart_are_refused(source: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_template("t", source)
