import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.instant import instant, written


@pytest.mark.rows
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2030-01-31T12:00:00Z", 1896091200.0),
        ("2030-01-31t12:00:00z", 1896091200.0),
        ("2030-01-31 13:00:00+01:00", 1896091200.0),
        ("2030-01-31T12:00:00.5Z", 1896091200.5),
        ("1970-01-01T00:00:00Z", 0.0),
    ],
)
def test_a_moment_is_read_in_whatever_zone_it_says(text: str, seconds: float) -> None:
    assert instant(text) == seconds


@pytest.mark.rows
@pytest.mark.parametrize(
    "text",
    [
        "", "tomorrow", "2030-01-31", "2030-01-31T12:00:00", "2030-01-31T12:00Z", "2030-02-30T12:00:00Z",
        "2030-01-31T25:00:00Z", "2030-01-31T12:00:00+25:00", "1969-12-31T23:59:59Z", "9999-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00", "20300131T120000Z", "٢٠٣٠-01-31T12:00:00Z", "2030-01-31T12:00:00Z ",
    ],
)  # fmt: skip
def test_what_is_none_or_leaves_its_zone_open_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="moment"):
        instant(text)


@given(st.integers(0, 253_370_764_799))
def test_what_is_written_is_read_again(seconds: int) -> None:
    assert instant(written(seconds)) == seconds
    assert len(written(seconds)) == len("2030-01-31T12:00:00Z")
