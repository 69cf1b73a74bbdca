import pytest

from policies.engine.expression.errors import ConditionError
from policies.engine.expression.tokens import Kind, tokens_of


def test_each_token_says_where_it_starts() -> None:
    source = "det.x >= 0x1f // why\n && !'a' in [r'b', true]"
    found = [(token.text, token.offset) for token in tokens_of(source)]
    assert [text for text, _ in found] == [
        *("det", ".", "x", ">=", "0x1f", "&&", "!", "'", "in", "[", "r'", ",", "true", "]", ""),
    ]
    assert all(source.startswith(text, offset) for text, offset in found)
    assert found[-1] == ("", len(source))


@pytest.mark.rows
@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("0", 0),
        ("12", 12),
        ("0x1F", 31),
        ("9223372036854775808", 2**63),
        ("0.5", 0.5),
        ("1e3", 1000.0),
        ("1.5E-2", 0.015),
        ("true", True),
        ("false", False),
        ("'a'", "a"),
    ],
)
def test_a_literal_has_its_value_and_its_type(written: str, value: object) -> None:
    literal, end = tokens_of(written)
    assert (literal.kind, literal.value, type(literal.value)) == (Kind.LITERAL, value, type(value))
    assert end.kind is Kind.END


@pytest.mark.rows
@pytest.mark.parametrize("written", ["in", "&&", "%"])
def test_a_sign_is_no_name(written: str) -> None:
    assert next(tokens_of(written)).kind is Kind.SIGN
    assert next(tokens_of("inner")).kind is Kind.NAME


@pytest.mark.rows
@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("a & b", "`&&`"),
        ("a | b", "`\\|\\|`"),
        ("a = b", "`==`"),
        ("a {}", "maps are not known"),
        ("a }", "maps are not known"),
        ("a \u201cx\u201d", "quote texts"),
        ("a \u00a0", "U\\+00A0"),
        ("a 007", "this is no number"),
        ("a 1u", "this is no number"),
        ("a 1.", "this is no number"),
        ("a 12.size()", "this is no number"),
        ("a 0X10", "this is no number"),
        ("a 1e400", "too large"),
    ],
)
def test_what_is_no_token_is_refused_with_what_to_write(written: str, instead: str) -> None:
    with pytest.raises(ConditionError, match=instead) as refused:
        list(tokens_of(written))
    assert refused.value.offset == 2
