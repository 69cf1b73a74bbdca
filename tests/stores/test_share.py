from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.share import ALONE, Share


@given(st.integers(0, 10**12), st.integers(1, 64))
def test_the_parts_of_all_add_up_to_the_whole(amount: int, workers: int) -> None:
    parts = [Share(number=number, of=workers).part(amount) for number in range(1, workers + 1)]
    assert sum(parts) == amount
    assert max(parts) - min(parts) <= 1


def test_who_is_alone_has_all_of_it() -> None:
    assert ALONE.part(7) == 7
