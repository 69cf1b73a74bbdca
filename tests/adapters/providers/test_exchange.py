import pytest

from adapters.providers._exchange import parse
from adapters.providers._shape import Misshapen


def test_an_object_is_what_every_answer_is() -> None:
    assert parse(b'{"a":[1]}') == {"a": [1]}


@pytest.mark.rows
@pytest.mark.parametrize("raw", [b"[]", b'"PRIVATE"', b"null", b"1"])
def test_any_other_value_is_none(raw: bytes) -> None:
    with pytest.raises(Misshapen, match=r"^it is not an object$"):
        parse(raw)


@pytest.mark.rows
@pytest.mark.parametrize("raw", [b"", b"PRIVATE", b"{", b'{"a":"\xff"}'])
def test_what_is_no_json_is_not_quoted(raw: bytes) -> None:
    with pytest.raises(Misshapen, match=r"^it is not JSON$") as caught:
        parse(raw)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
