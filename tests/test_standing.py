import pytest

from gateway.domain.isolation import Isolation
from gateway.standing import Standing, read, written

NATIVE = Standing(reaches=Isolation.NATIVE, example=Isolation.CHANNEL)
WRAPPED = Standing(reaches=Isolation.WRAPPED, example=Isolation.WRAPPED)
REFUSED = Standing(reaches=Isolation.WRAPPED, example=None)


def test_a_line_is_read_as_it_was_written() -> None:
    standings = {"a": NATIVE, "b/ü": REFUSED}
    line = written(standings)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert read([line.decode()]) == standings


@pytest.mark.rows
@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (NATIVE, WRAPPED, WRAPPED),
        (NATIVE, NATIVE, NATIVE),
        (NATIVE, REFUSED, REFUSED),
        (REFUSED, WRAPPED, REFUSED),
    ],
)
def test_of_what_several_workers_found_the_least_counts(one: Standing, other: Standing, both: Standing) -> None:
    assert read([written({"m": one}).decode(), written({"m": other}).decode()]) == {"m": both}


def test_a_model_that_one_worker_does_not_know_counts_for_nothing() -> None:
    assert read([written({"a": NATIVE, "b": NATIVE}).decode(), written({"b": NATIVE}).decode()]) == {"b": NATIVE}
