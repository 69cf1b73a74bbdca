"""What does a failed call say: of the request, and of the target?

The one table of which calls may be made again. A call may only where it was certainly not processed, or where the
upstream itself says that it failed: one that timed out after it was sent, whose connection broke after it was written,
or that was answered in another protocol may have done its work, and is never sent twice. ``docs/targets.md`` has the
same table for people.
"""

from collections.abc import Callable
from typing import Final

from gateway.domain.errors import (
    UpstreamError,
    UpstreamFailed,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.domain.value import value
from gateway.pipeline.breaker import Outcome

# Full jitter: a pause is drawn between nothing and this, which doubles each time up to the most.
_FIRST_PAUSE_S: Final = 0.25
_MOST_PAUSE_S: Final = 8.0
_MOST_DOUBLINGS: Final = 16


@value
class Reading:
    """What follows from a failure.

    ``elsewhere`` says that another target may be asked, ``again`` that the same one may be, after a while. ``outcome``
    is for the target's breaker, ``rest_s`` for how long it wants to be left alone.
    """

    elsewhere: bool
    again: bool
    outcome: Outcome
    rest_s: float | None = None


_FINAL: Final = Reading(elsewhere=False, again=False, outcome=Outcome.FAILED)
_REFUSED: Final = Reading(elsewhere=False, again=False, outcome=Outcome.SUCCEEDED)
_REPEATABLE: Final = Reading(elsewhere=True, again=True, outcome=Outcome.FAILED)
# The whole time ran out, and not through the target alone.
_OUT_OF_TIME: Final = Reading(elsewhere=False, again=False, outcome=Outcome.NEITHER)
# Wrong credentials, a route that is not there, a redirect: asking once more finds the same. It opens no breaker, since
# an answer of a kind that a caller may bring about must not take the target from everybody else.
_MISFIT: Final = Reading(elsewhere=True, again=False, outcome=Outcome.NEITHER)


# A limit on use is an answer too: some vendors refuse a request that is too long for an account this way, at any time.
_LIMITED: Final = Reading(elsewhere=True, again=True, outcome=Outcome.NEITHER)


def read(error: UpstreamError, *, own_time: bool = True) -> Reading:
    """What follows from ``error``; what is not known to be safe is not made again.

    ``own_time`` False says that the time for the whole call was not the target's alone to spend: callers can make that
    run out, with a request that comes slowly, an answer that is long, or one that they read slowly.
    """
    match error:
        case UpstreamTimeout(phase="total") if not own_time:
            return _OUT_OF_TIME
        case UpstreamRejected():
            return _REFUSED
        case UpstreamOverloaded(retry_after=float() as seconds) if seconds > 0:
            return Reading(elsewhere=True, again=True, outcome=Outcome.NEITHER, rest_s=seconds)
        case UpstreamOverloaded(limited=True):
            return _LIMITED
        case UpstreamFailed(status=int() as status) if status < 500:
            return _MISFIT
        case UpstreamTimeout(phase="connect") | UpstreamUnreachable() | UpstreamOverloaded() | UpstreamFailed():
            return _REPEATABLE
        case _:
            return _FINAL


def back_off(round_: int, draw: Callable[[], float]) -> float:
    """Seconds to wait before the round of this number, counted from 1; ``draw`` gives numbers from 0 to 1."""
    return draw() * min(_MOST_PAUSE_S, _FIRST_PAUSE_S * 2 ** min(round_ - 1, _MOST_DOUBLINGS))
