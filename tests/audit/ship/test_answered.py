import email.utils
import time

import pytest

from gateway.audit.ship.answered import expect_taken
from gateway.audit.ship.failure import NotTaken


@pytest.mark.rows
@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success_passes(status: int) -> None:
    expect_taken(status, {})


@pytest.mark.rows
@pytest.mark.parametrize(
    ("status", "for_good"),
    [
        (301, True), (308, True), (400, True), (401, True), (403, True), (404, True), (413, True), (422, True),
        (408, False), (409, False), (425, False), (429, False), (500, False), (502, False), (503, False), (599, False),
    ],
)  # fmt: skip
def test_others_come_back_or_do_not(status: int, for_good: bool) -> None:
    with pytest.raises(NotTaken) as caught:
        expect_taken(status, {})
    assert caught.value.for_good is for_good
    assert caught.value.reason == f"HTTP {status}"
    assert caught.value.retry_after is None


@pytest.mark.rows
@pytest.mark.parametrize(
    ("said", "wait"), [("7", 7.0), ("0", 0.0), ("-1", None), ("soon", None), ("9" * 12, None), ("٣", None)]
)
def test_a_wait_in_seconds_is_read(said: str, wait: float | None) -> None:
    with pytest.raises(NotTaken) as caught:
        expect_taken(503, {"retry-after": said})
    assert caught.value.retry_after == wait


def test_a_date_is_read() -> None:
    for seconds, least, most in ((60, 50, 61), (-60, 0, 0)):
        said = email.utils.formatdate(time.time() + seconds, usegmt=True)
        with pytest.raises(NotTaken) as caught:
            expect_taken(429, {"retry-after": said})
        assert caught.value.retry_after is not None
        assert least <= caught.value.retry_after <= most
