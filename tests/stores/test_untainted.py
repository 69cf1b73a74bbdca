import pytest

from gateway.stores.untainted import UntaintedReplies


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_reply_is_known_to_its_tenant_alone_and_only_as_it_was(clock: Clock) -> None:
    replies = UntaintedReplies(clock)
    replies.remember("a", ("hello", "", ""))
    assert replies.knows("a", ("hello", "", ""))
    assert not replies.knows("b", ("hello", "", ""))
    assert not replies.knows("a", ("hello ", "", ""))


def test_texts_that_join_alike_are_different_replies(clock: Clock) -> None:
    replies = UntaintedReplies(clock)
    replies.remember("a", ("ab", "c"))
    assert not replies.knows("a", ("a", "bc"))
    assert not replies.knows("aa", ("b", "c"))


def test_a_reply_is_forgotten_after_its_time(clock: Clock) -> None:
    replies = UntaintedReplies(clock, keep_s=10)
    replies.remember("a", ("x",))
    clock.now = 9.9
    assert replies.knows("a", ("x",))
    clock.now = 10
    assert not replies.knows("a", ("x",))


def test_the_oldest_gives_way(clock: Clock) -> None:
    replies = UntaintedReplies(clock, most=2)
    for word in ("x", "y", "x", "z"):
        replies.remember("a", (word,))
    assert [replies.knows("a", (word,)) for word in ("x", "y", "z")] == [True, False, True]


def test_two_workers_share_no_hashes(clock: Clock) -> None:
    one, other = UntaintedReplies(clock), UntaintedReplies(clock)
    one.remember("a", ("x",))
    assert not other.knows("a", ("x",))


def test_half_a_surrogate_pair_is_a_text_like_another(clock: Clock) -> None:
    replies = UntaintedReplies(clock)
    replies.remember("a", ("\ud800",))
    assert replies.knows("a", ("\ud800",))
