import pytest

from gateway.dialects._checks import string
from gateway.dialects._fields import REFERENCES, Treatment, mapped, passed, refusal, refused, unlisted
from gateway.domain.errors import ContentByReference, ForbiddenField, InvalidField, RequestError, UnknownField
from gateway.domain.jsonvalue import JsonValue


def test_rows_say_what_is_done_and_why() -> None:
    rows = (passed(string, "a"), mapped("b"), refused("c"))
    assert [(row.treatment, row.why) for row in rows] == [
        (Treatment.PASSED, "a"), (Treatment.MAPPED, "b"), (Treatment.REFUSED, "c"),
    ]  # fmt: skip


@pytest.mark.parametrize("error", [InvalidField, ContentByReference])
def test_a_refused_field_says_what_to_do(error: type[RequestError]) -> None:
    told = refusal(refused("leave it out", error), "x.y")
    assert type(told) is error
    assert (told.message, told.param) == ("x.y is not supported: leave it out.", "x.y")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("key", "value", "error", "param"),
    [
        ("api_base", "u", ForbiddenField, "api_base"),
        ("conversation", "c", ContentByReference, "conversation"),
        ("a b", 1, UnknownField, "?"),
        ("odd", [{"base_url": "u"}], ForbiddenField, "odd[0].base_url"),
    ],
)
def test_a_field_that_no_target_may_be_sent_is_refused(
    key: str, value: JsonValue, error: type[RequestError], param: str
) -> None:
    with pytest.raises(error) as caught:
        unlisted(key, value)
    assert caught.value.param == param


def test_any_other_field_may_be_sent_to_a_target_that_takes_it() -> None:
    assert unlisted("min_p", {"base_urls": 1}) == "min_p"
    assert "min_p" not in REFERENCES
