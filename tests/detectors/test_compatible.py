import time
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from gateway.detectors._compatible import compatible


@given(st.text())
def test_each_character_stands_in_its_compatibility_form_without_marks(text: str) -> None:
    made = compatible(text)
    kept = [unicodedata.normalize("NFKC", char) for char in text if not unicodedata.combining(char)]
    assert made == "".join(kept)


def test_ascii_stays_as_it_is() -> None:
    assert compatible("AKIA") == "AKIA"
    assert compatible("\uff21\u0301KIA") == "AKIA"


def test_a_row_of_marks_takes_no_more_than_its_length() -> None:
    def taken(size: int) -> float:
        text = "a" + "\u0301\u0316" * size
        begun = time.perf_counter()
        compatible(text)
        return time.perf_counter() - begun

    small, large = (min(taken(size) for _ in range(3)) for size in (10_000, 100_000))
    assert large < 60 * small
