from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from gateway.yamlfile.mounted import Following, Looked


@dataclass
class Place:
    """What stands in a file, and what was taken from it; a text with ``x`` in it cannot be used."""

    now: str = "a"
    taken: list[str] = field(default_factory=list[str])

    def look(self) -> str:
        return self.now

    def take(self, found: str) -> bool:
        if "x" in found:
            return False
        self.taken.append(found)
        return True

    def following(self) -> Following[str]:
        return Following(self.now, self.look, self.take)


def test_what_stays_the_same_is_not_taken_again() -> None:
    place = Place()
    following = place.following()
    assert [following.refresh() for _ in range(3)] == [Looked.SAME] * 3
    assert place.taken == []


def test_a_change_is_believed_when_it_is_seen_twice() -> None:
    place = Place()
    following = place.following()
    place.now = "b"
    assert (following.refresh(), place.taken) == (Looked.SAME, [])
    assert (following.refresh(), place.taken) == (Looked.CHANGED, ["b"])
    assert following.refresh() is Looked.SAME


def test_a_file_that_is_half_written_when_it_is_looked_at_is_not_taken() -> None:
    place = Place()
    following = place.following()
    for half in ("", "b", "bc", "bcd"):
        place.now = half
        assert following.refresh() is Looked.SAME
    assert following.refresh() is Looked.CHANGED
    assert place.taken == ["bcd"]


def test_what_cannot_be_used_is_told_once_and_changes_nothing() -> None:
    place = Place()
    following = place.following()
    place.now = "x"
    assert [following.refresh() for _ in range(4)] == [Looked.SAME, Looked.UNUSABLE, Looked.SAME, Looked.SAME]
    assert (following.stale, place.taken) == (True, [])
    place.now = "a"
    assert [following.refresh() for _ in range(3)] == [Looked.SAME, Looked.AGAIN, Looked.SAME]
    assert (following.stale, place.taken) == (False, [])


def test_out_of_what_cannot_be_used_a_new_one_is_taken() -> None:
    place = Place()
    following = place.following()
    place.now = "x"
    following.refresh()
    following.refresh()
    place.now = "b"
    assert [following.refresh() for _ in range(2)] == [Looked.SAME, Looked.CHANGED]
    assert not following.stale


@given(st.lists(st.sampled_from(["a", "b", "c", "x", "xx"])))
def test_in_the_end_what_stands_there_is_in_use_if_it_can_be(written: list[str]) -> None:
    place = Place()
    following = place.following()
    for text in written:
        place.now = text
        following.refresh()
    following.refresh()
    following.refresh()
    in_use = (["a", *place.taken])[-1]
    assert following.stale is ("x" in place.now)
    assert following.stale or in_use == place.now
    assert not any("x" in text for text in place.taken)
