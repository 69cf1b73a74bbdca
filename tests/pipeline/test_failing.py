"""After which failures may a call be made again, and what do they say of the target?"""

import pytest

from gateway.domain.errors import (
    DeadlinePassed,
    TargetsUnavailable,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.pipeline.breaker import Outcome
from gateway.pipeline.failing import back_off, read

# elsewhere, again, outcome, rest
TABLE: list[tuple[UpstreamError, bool, bool, Outcome, float | None]] = [
    (UpstreamUnreachable("m", target="t"), True, True, Outcome.FAILED, None),
    (UpstreamTimeout("m", target="t", phase="connect"), True, True, Outcome.FAILED, None),
    (UpstreamOverloaded("m", target="t", retry_after=None), True, True, Outcome.FAILED, None),
    (UpstreamOverloaded("m", target="t", retry_after=0.0), True, True, Outcome.FAILED, None),
    (UpstreamOverloaded("m", target="t", retry_after=None, limited=True), True, True, Outcome.NEITHER, None),
    (UpstreamOverloaded("m", target="t", retry_after=7.0, limited=True), True, True, Outcome.NEITHER, 7.0),
    (UpstreamOverloaded("m", target="t", retry_after=7.0), True, True, Outcome.NEITHER, 7.0),
    (UpstreamFailed("m", target="t", status=500), True, True, Outcome.FAILED, None),
    (UpstreamFailed("m", target="t", status=502), True, True, Outcome.FAILED, None),
    (UpstreamFailed("m", target="t"), True, True, Outcome.FAILED, None),
    (UpstreamFailed("m", target="t", status=401), True, False, Outcome.NEITHER, None),
    (UpstreamFailed("m", target="t", status=404), True, False, Outcome.NEITHER, None),
    (UpstreamFailed("m", target="t", status=302), True, False, Outcome.NEITHER, None),
    (UpstreamTimeout("m", target="t", phase="first_byte"), False, False, Outcome.FAILED, None),
    (UpstreamTimeout("m", target="t", phase="idle"), False, False, Outcome.FAILED, None),
    (UpstreamTimeout("m", target="t", phase="total"), False, False, Outcome.FAILED, None),
    (UpstreamTimeout("m", target="t", phase="upstream"), False, False, Outcome.FAILED, None),
    (UpstreamGarbled("m", target="t"), False, False, Outcome.FAILED, None),
    (UpstreamRejected("m", target="t", status=400, reason=None), False, False, Outcome.SUCCEEDED, None),
    (UpstreamError("m", target="t"), False, False, Outcome.FAILED, None),
    (DeadlinePassed("m", target="t"), False, False, Outcome.FAILED, None),
    (TargetsUnavailable("m", target="t", retry_after=1.0), False, False, Outcome.FAILED, None),
]


@pytest.mark.rows
@pytest.mark.parametrize(("error", "elsewhere", "again", "outcome", "rest_s"), TABLE)
def test_what_follows_from_a_failure(
    error: UpstreamError, elsewhere: bool, again: bool, outcome: Outcome, rest_s: float | None
) -> None:
    reading = read(error)
    assert (reading.elsewhere, reading.again, reading.outcome, reading.rest_s) == (elsewhere, again, outcome, rest_s)


@pytest.mark.parametrize(("error", "outcome"), [(one[0], one[3]) for one in TABLE])
def test_time_that_was_not_its_own_counts_against_no_target_and_nothing_else_is_excused(
    error: UpstreamError, outcome: Outcome
) -> None:
    excused = isinstance(error, UpstreamTimeout) and error.phase == "total"
    reading = read(error, own_time=False)
    assert reading.outcome is (Outcome.NEITHER if excused else outcome)
    assert (reading.elsewhere, reading.again) == (read(error).elsewhere, read(error).again)


@pytest.mark.rows
@pytest.mark.parametrize(("round_", "most"), [(1, 0.25), (2, 0.5), (3, 1.0), (6, 8.0), (7, 8.0), (10_000, 8.0)])
def test_pauses_are_drawn_from_nothing_to_a_bound_that_doubles(round_: int, most: float) -> None:
    assert back_off(round_, lambda: 0.0) == 0.0
    assert back_off(round_, lambda: 0.5) == most / 2
    assert back_off(round_, lambda: 1.0) == most
