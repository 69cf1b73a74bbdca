import re

from adapters.providers._calls import read_call_id


def test_an_id_that_cannot_be_sent_back_becomes_one_that_can() -> None:
    assert read_call_id("functions.f:0") == "functions.f:0"
    long = read_call_id("x" * 65)
    assert re.fullmatch(r"call_[0-9a-f]{24}", long)
    assert long == read_call_id("x" * 65) != read_call_id("a b")


def test_a_missing_id_is_made_up_anew_each_time() -> None:
    made_up = {read_call_id(given) for given in ("", None, "", None)}
    assert len(made_up) == 4
    assert all(re.fullmatch(r"call_[0-9a-f]{24}", one) for one in made_up)
