import inspect

import pytest

from gateway.domain import errors
from gateway.domain.errors import (
    BudgetSpent,
    GatewayError,
    IsolationUnreachable,
    LimitReached,
    NotSayable,
    RequestError,
    Unauthenticated,
    UnknownModel,
    UpstreamError,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)
from gateway.domain.quota import Measure
from gateway.web.problems import headers_of, status_of

# Statuses after which stock SDKs send the request again.
RETRIED = {408, 409, 429, 500, 502, 503, 504}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("error", "status"),
    [
        (IsolationUnreachable("m"), 400),
        (errors.SplitUnproven("m"), 400),
        (UnknownModel("m"), 404),
        (Unauthenticated("m"), 401),
        (NotSayable("m"), 400),
        (UpstreamRejected("m", target="t", status=422, reason=None), 400),
        (UpstreamOverloaded("m", target="t", retry_after=None), 429),
        (UpstreamTimeout("m", target="t", phase="idle"), 504),
        (errors.DeadlinePassed("m", target="t"), 504),
        (errors.TargetsUnavailable("m", target="t", retry_after=1.0), 503),
        (UpstreamGarbled("m", target="t"), 502),
        (GatewayError("m"), 500),
    ],
)
def test_each_error_has_the_status_of_its_nearest_ancestor(error: GatewayError, status: int) -> None:
    assert status_of(error) == status


@pytest.mark.rows
@pytest.mark.parametrize(
    "kind",
    [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, RequestError) and not issubclass(kind, LimitReached)
    ],
)
def test_no_refusal_of_ours_but_a_limits_sets_off_a_retry(kind: type[RequestError]) -> None:
    assert status_of(kind("m")) not in RETRIED


@pytest.mark.rows
@pytest.mark.parametrize(
    "kind",
    [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, GatewayError)],
)
def test_every_error_has_a_code_of_its_own(kind: type[GatewayError]) -> None:
    assert kind is UpstreamError or kind is RequestError or "code" in vars(kind)


def test_an_overloaded_upstream_says_when_to_come_back() -> None:
    error = UpstreamOverloaded("m", target="t", retry_after=2.4)
    # Nobody is told to come back before the time.
    assert headers_of(error) == ((b"retry-after", b"3"),)
    assert headers_of(UpstreamOverloaded("m", target="t", retry_after=None)) == ()


@pytest.mark.rows
@pytest.mark.parametrize(("left", "told"), [(0.0, b"1"), (0.2, b"1"), (1.2, b"2"), (60.0, b"60")])
def test_targets_that_are_left_alone_say_when_they_are_tried_again(left: float, told: bytes) -> None:
    error = errors.TargetsUnavailable("m", target="t", retry_after=left)
    assert headers_of(error) == ((b"retry-after", told),)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("kind", "retry_after_s", "waiting_helps", "retried"),
    [
        (LimitReached, 1, True, True),
        (LimitReached, 60, True, True),
        (LimitReached, 61, True, False),
        (LimitReached, 1, False, False),
        (BudgetSpent, 1, True, False),
    ],
)
def test_a_limit_says_when_to_come_back_and_sdks_do_so_only_soon(
    kind: type[LimitReached], retry_after_s: int, waiting_helps: bool, retried: bool
) -> None:
    error = kind(
        "m", rule="r", measure=Measure.TOKENS, window="minute", retry_after_s=retry_after_s, waiting_helps=waiting_helps
    )
    after = (b"retry-after", str(retry_after_s).encode())
    assert status_of(error) == 429
    assert headers_of(error) == ((after,) if retried else (after, (b"x-should-retry", b"false")))


@pytest.mark.parametrize(
    "error", [UpstreamTimeout("m", target="t", phase="first_byte"), UpstreamGarbled("m", target="t")]
)
def test_a_call_that_may_have_been_processed_is_not_to_be_repeated(error: GatewayError) -> None:
    assert headers_of(error) == ((b"x-should-retry", b"false"),)


def test_headers_tell_how_to_do_it_right() -> None:
    assert headers_of(Unauthenticated("m")) == ((b"www-authenticate", b"Bearer"),)
    assert headers_of(errors.BodyTooLarge("m")) == ((b"connection", b"close"),)
    assert headers_of(UnknownModel("m")) == ()
