import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.limits import LimitRule, Per, Price, is_long, window_in_words
from gateway.domain.quota import Calendar, InProgress, Sliding, Window


def rule(*per: Per, **globs: tuple[str, ...]) -> LimitRule:
    return LimitRule(name="r", per=per, allows=(), **globs)  # pyright: ignore[reportArgumentType]


def test_without_globs_it_stands_for_every_request() -> None:
    assert rule(Per.KEY).stands_for("k", "t", "m", "split")


@pytest.mark.rows
@pytest.mark.parametrize("what", ["keys", "tenants", "models"])
def test_each_glob_must_match(what: str) -> None:
    only = rule(Per.KEY, **{what: ("team-*", "x")})

    def stands(name: str) -> bool:
        named = {"keys": "x", "tenants": "x", "models": "x"} | {what: name}
        return only.stands_for(named["keys"], named["tenants"], named["models"], "split")

    assert stands("x")
    assert stands("team-a")
    assert not stands("other")


def test_routes_are_whole_names() -> None:
    only = LimitRule(name="r", per=(Per.KEY,), allows=(), routes=frozenset({"split"}))
    assert only.stands_for("k", "t", "m", "split")
    assert not only.stands_for("k", "t", "m", "openai_chat")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("per", "subject"),
    [
        ((Per.KEY,), "key:k"),
        ((Per.TENANT,), "tenant:t"),
        ((Per.KEY, Per.MODEL), "key:k/model:m/1"),
        ((Per.GATEWAY,), "gateway"),
    ],
)
def test_a_subject_says_whom_it_counts(per: tuple[Per, ...], subject: str) -> None:
    assert rule(*per).subject("k", "t", "m/1") == subject


NAMES = st.text("ab:.", min_size=1, max_size=4)


@given(st.tuples(NAMES, NAMES, st.text("ab:/", min_size=1)), st.tuples(NAMES, NAMES, st.text("ab:/", min_size=1)))
def test_no_two_callers_share_a_subject(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    counted = rule(Per.KEY, Per.TENANT, Per.MODEL)
    assert (counted.subject(*one) == counted.subject(*other)) == (one == other)


def test_only_what_one_tenant_uses_is_its_own() -> None:
    assert rule(Per.KEY).own
    assert rule(Per.TENANT, Per.MODEL).own
    assert not rule(Per.MODEL).own
    assert not rule(Per.GATEWAY).own


def test_prices_are_for_a_million_and_rounded_up_once() -> None:
    price = Price(input=2_500_000, output=10_000_000, cached_input=1_250_000, cache_write=3_125_000)
    assert price.of(1_000_000, 0) == 2_500_000
    assert price.of(100, 10) == 350
    assert price.of(0, 0, cached=1, written=1) == 5
    assert Price(input=1, output=1, cached_input=0, cache_write=0).of(1, 1) == 1


@pytest.mark.rows
@pytest.mark.parametrize(
    ("window", "words", "long"),
    [
        (Sliding(seconds=1), "second", False),
        (Sliding(seconds=60), "minute", False),
        (Sliding(seconds=90), "90 seconds", False),
        (Sliding(seconds=900), "15 minutes", False),
        (Sliding(seconds=3600), "hour", True),
        (Sliding(seconds=7200), "2 hours", True),
        (Calendar(unit="day"), "day", True),
        (InProgress(), "at once", False),
    ],
)
def test_windows_have_words(window: Window, words: str, long: bool) -> None:
    assert window_in_words(window) == words
    assert is_long(window) is long
