from typing import Any

import pytest

from adapters._refusal import Refused
from adapters.litellm.failure import Failure, told
from adapters.litellm.gate import Passage


def passage(**held: Any) -> Passage:
    return Passage(check=lambda _: None, **held)


class UnsupportedParamsError(Exception):
    """As litellm calls it."""


class AuthenticationError(Exception):
    """As litellm calls it."""


class ContextWindowExceededError(Exception):
    """As litellm calls it."""


class ContentPolicyViolationError(Exception):
    """As litellm calls it."""


class Timeout(Exception):
    """As litellm calls it."""


class TimeoutException(Exception):
    """As httpx calls it."""


class ConnectError(Exception):
    """As httpx calls it."""


class ConnectTimeout(TimeoutException):
    """As httpx calls it: also a kind of the one above."""


PLANTED = Exception("planted")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("error", "held", "status", "code", "param"),
    [
        # Held back by us.
        (PLANTED, {"refused": Refused("not_sayable", "m", param="seed")}, 400, "not_sayable", "seed"),
        (PLANTED, {"refused": Refused("unknown_wire", "m")}, 502, "unknown_wire", None),
        # Refused by the vendor.
        (PLANTED, {"sent": 1, "status": 400, "code": "Word"}, 400, "Word", None),
        (PLANTED, {"sent": 1, "status": 418}, 400, "vendor_refused", None),
        (PLANTED, {"sent": 1, "status": 500}, 500, "vendor_refused", None),
        (PLANTED, {"sent": 1, "status": 529, "code": "overloaded_error"}, 502, "overloaded_error", None),
        (PLANTED, {"sent": 1, "status": 307}, 502, "redirected", None),
        (ContextWindowExceededError(), {"sent": 1, "status": 400, "code": "W"}, 400, "context_length_exceeded", None),
        (ContentPolicyViolationError(), {"sent": 1, "status": 400}, 400, "content_filter", None),
        (ContextWindowExceededError(), {"sent": 1, "status": 500, "code": "W"}, 500, "W", None),
        # Unanswered, or answered in a way that nobody can read.
        (ConnectError(), {"sent": 1}, 502, "vendor_unreachable", None),
        (ConnectTimeout(), {"sent": 1}, 502, "vendor_unreachable", None),
        (PLANTED, {"sent": 1}, 502, "vendor_broke_off", None),
        (Timeout(), {"sent": 1}, 504, "vendor_timeout", None),
        (PLANTED, {"sent": 1, "status": 200}, 502, "unreadable_answer", None),
        # Never sent.
        (PLANTED, {}, 400, "not_sayable", None),
        (UnsupportedParamsError("x does not support: ['seed', 'planted']"), {}, 400, "not_sayable", "seed"),
        (UnsupportedParamsError("without `tools=` param"), {}, 400, "not_sayable", "tools"),
        (UnsupportedParamsError("planted"), {}, 400, "not_sayable", None),
        (ModuleNotFoundError("planted"), {}, 500, "package_missing", None),
        (AuthenticationError("planted"), {}, 401, "credential_missing", None),
    ],
)
def test_a_failure_is_told_by_how_far_the_call_came(
    error: Exception, held: dict[str, Any], status: int, code: str, param: str | None
) -> None:
    failure = told(error, passage(**held), ["seed", "n"])
    assert (failure.status, failure.code, failure.param) == (status, code, param)
    assert "planted" not in failure.message


def test_what_is_behind_an_error_counts_too() -> None:
    outer = RuntimeError()
    outer.__context__ = ImportError("planted")
    outer.__context__.__cause__ = outer  # a ring
    assert told(outer, passage()).code == "package_missing"
    late = RuntimeError()
    late.__cause__ = TimeoutException()
    assert told(late, passage(sent=1)).code == "vendor_timeout"


@pytest.mark.parametrize(
    ("given", "passed"),
    [("7", "7"), ("Sun, 29 Nov 2026 23:18:21 GMT",) * 2, (None, None), ("x" * 65, None), ("\n", None)],
)
def test_when_to_try_again_is_passed_on_where_it_is_a_plain_word(given: str | None, passed: str | None) -> None:
    assert told(PLANTED, passage(sent=1, status=429, retry_after=given)) == Failure(
        status=429,
        code="vendor_refused",
        message="The vendor refused the request, or failed: its code says why.",
        retry_after=passed,
    )
