import pytest

from adapters.providers._anthropic_errors import read_refusal
from gateway.domain.errors import UpstreamOverloaded, UpstreamRejected


def reason_of(body: bytes) -> str | None:
    error = read_refusal(400, {}, body, target="primary")
    assert isinstance(error, UpstreamRejected)
    assert error.target == "primary"
    assert "secret" not in str(error)
    return error.reason


@pytest.mark.rows
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error": {"type": "invalid_request_error", "message": "secret"}}', "invalid_request_error"),
        (b'{"error": {"type": "a_new_error"}}', "a_new_error"),
        (b'{"error": {"type": "x", "details": {"error_code": "tool_name_conflict"}}}', "tool_name_conflict"),
        (b'{"error": {"type": "x", "details": {"error_code": 5}}}', "x"),
        (b'{"error": {"type": "x", "message": "prompt is too long: 2 tokens > 1"}}', "context_length_exceeded"),
        (b'{"error": {"type": "your secret words"}}', None),
        (b'{"error": {"type": 1, "message": 2}}', None),
        (b'{"error": "secret"}', None),
        (b"[]", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_only_identifiers_are_kept_of_what_the_upstream_says(body: bytes, reason: str | None) -> None:
    assert reason_of(body) == reason


def test_a_lack_of_room_keeps_its_delay() -> None:
    error = read_refusal(529, {"retry-after": "2"}, b'{"error": {"type": "overloaded_error"}}', target="t")
    assert isinstance(error, UpstreamOverloaded)
    assert (error.retry_after, error.reason) == (2.0, "overloaded_error")
