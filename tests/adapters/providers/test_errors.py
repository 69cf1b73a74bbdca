from datetime import UTC, datetime

import orjson
import pytest

from adapters.providers._errors import read_refusal, read_retry_after
from gateway.domain.errors import (
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
)
from gateway.domain.jsonvalue import JsonValue

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


def refusal(status: int, body: "JsonValue | bytes" = b"", headers: dict[str, str] | None = None) -> UpstreamError:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return read_refusal(status, headers or {}, raw, target="primary", now=NOW)


def rejected(body: "JsonValue | bytes", status: int = 400) -> UpstreamRejected:
    error = refusal(status, body)
    assert isinstance(error, UpstreamRejected)
    return error


@pytest.mark.rows
@pytest.mark.parametrize("status", [429, 503, 529])
def test_no_room_is_overloaded_with_its_own_delay(status: int) -> None:
    error = refusal(status, headers={"retry-after": "7"})
    assert isinstance(error, UpstreamOverloaded)
    assert error.retry_after == 7.0
    assert error.target == "primary"
    # A limit on use says nothing of the server's health.
    assert error.limited is (status == 429)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        ({"code": "insufficient_quota", "type": "insufficient_quota"}, "insufficient_quota"),
        ({"code": "rate_limit_exceeded", "type": "requests"}, "rate_limit_exceeded"),
        ({"code": None, "type": "insufficient_quota"}, "insufficient_quota"),
        ({"code": 429, "type": "rate_limit_exceeded"}, "rate_limit_exceeded"),
        ({"code": "429", "type": "too_many_requests"}, None),
        ({"code": "you sent a secret"}, None),
        ({}, None),
    ],
)
def test_no_room_keeps_the_upstreams_own_word(error: JsonValue, reason: str | None) -> None:
    found = refusal(429, {"error": error})
    assert isinstance(found, UpstreamOverloaded)
    assert found.reason == reason
    assert "secret" not in str(found)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("0", 0.0),
        (" 1.5 ", 1.5),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("-5", None),
        ("nan", None),
        ("soon", None),
        ("9" * 40, None),
        ("999999999", 86_400.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0),
        ("Thu, 01 Jan 99999 12:00:00 GMT", None),
        ("Thu, 01 Jan 2026 12:00:30 +99999999999999999999", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert read_retry_after(value, NOW) == seconds


def test_the_clock_is_used_where_no_time_is_given() -> None:
    error = read_refusal(429, {"retry-after": "Thu, 01 Jan 2015 12:00:00 GMT"}, b"", target="t")
    assert isinstance(error, UpstreamOverloaded)
    assert error.retry_after == 0.0


@pytest.mark.rows
@pytest.mark.parametrize(
    ("status", "advice"),
    [
        (401, "api_key"),
        (403, "api_key"),
        (404, "base_url and model"),
        (301, "redirect"),
        (308, "redirect"),
        (500, "status 500"),
        (502, "status 502"),
        (501, "status 501"),
        (402, "status 402"),
        (204, "status 204"),
    ],
)
def test_the_upstreams_own_failures_say_what_to_check(status: int, advice: str) -> None:
    error = refusal(status, {"error": {"message": "secret prompt", "code": "c"}})
    assert isinstance(error, UpstreamFailed)
    assert advice in str(error)
    assert "secret" not in str(error)


@pytest.mark.rows
@pytest.mark.parametrize("status", [408, 504, 524])
def test_a_server_that_ran_out_of_time_itself_may_have_worked_on_the_request(status: int) -> None:
    error = refusal(status, {"error": {"message": "secret prompt", "code": "c"}})
    assert isinstance(error, UpstreamTimeout)
    assert error.phase == "upstream"
    assert "secret" not in str(error)


@pytest.mark.rows
@pytest.mark.parametrize("code", ["unchecked_call", "unreadable_answer", "vendor_broke_off"])
def test_what_the_litellm_process_could_not_read_may_be_done(code: str) -> None:
    assert isinstance(refusal(502, {"error": {"code": code}}), UpstreamGarbled)
    assert isinstance(refusal(502, {"error": {"code": "vendor_unreachable"}}), UpstreamFailed)


@pytest.mark.rows
@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_a_refused_request_keeps_identifiers_and_no_message(status: int) -> None:
    error = rejected(
        {"error": {"message": "secret prompt", "code": "context_length_exceeded", "param": "messages[2].content"}},
        status,
    )
    assert (error.status, error.reason, error.param) == (status, "context_length_exceeded", "messages[2].content")
    assert "secret" not in str(error)
    assert "context_length_exceeded" in str(error)


@pytest.mark.rows
@pytest.mark.parametrize("code", ["has spaces", "x" * 65, "", 400, "400", None, ["a"], "a\nb", "é"])
def test_a_code_that_is_no_identifier_is_left_out(code: JsonValue) -> None:
    error = rejected({"error": {"code": code, "param": code}})
    assert error.reason is None
    assert error.param == (code if code == "400" else None)


@pytest.mark.rows
@pytest.mark.parametrize("body", [b"", b"<html>", b"[1]", b'"x"', b'{"error": "text"}', b'{"error": null}', b"\xff"])
def test_a_body_without_an_error_object_gives_no_reason(body: bytes) -> None:
    assert rejected(body).reason is None


def test_llama_cpps_word_for_a_full_context_is_translated() -> None:
    error = rejected({"error": {"code": 400, "type": "exceed_context_size_error", "message": "m"}})
    assert error.reason == "context_length_exceeded"


def test_another_type_is_no_reason() -> None:
    assert rejected({"error": {"code": None, "type": "invalid_request_error"}}).reason is None


def test_vllms_sentence_for_a_full_context_is_recognised_at_the_top_level_too() -> None:
    message = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."
    assert rejected({"object": "error", "message": message, "code": 400}).reason == "context_length_exceeded"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1250", "retry-after": "2"}, 1.25),
        ({"x-ms-retry-after-ms": "90", "retry-after": "2"}, 0.09),
        ({"retry-after-ms": "soon", "retry-after": "2"}, 2.0),
        ({"retry-after-ms": "-1"}, None),
    ],
)
def test_a_delay_in_milliseconds_is_the_finer_one(headers: dict[str, str], seconds: float | None) -> None:
    error = refusal(429, headers=headers)
    assert isinstance(error, UpstreamOverloaded)
    assert error.retry_after == seconds


SEEN: JsonValue = {"jailbreak": {"filtered": True}, "hate": {"filtered": False}, "indirect_attack": {"filtered": True}}


@pytest.mark.rows
@pytest.mark.parametrize(
    "error",
    [
        {"code": "content_filter", "innererror": {"code": "x", "content_filter_result": SEEN}},
        {"code": "content_filter", "inner_error": {"content_filter_results": SEEN}},
        {"code": "ResponsibleAIPolicyViolation", "innererror": {"content_filter_result": SEEN}},
        {"code": None, "innererror": {"code": "ResponsibleAIPolicyViolation", "content_filter_result": SEEN}},
    ],
)
def test_azures_filters_are_named_where_they_refuse(error: JsonValue) -> None:
    found = rejected({"error": error})
    assert found.reason == "content_filter"
    assert "400: content_filter (jailbreak, indirect_attack)" in str(found)


@pytest.mark.rows
@pytest.mark.parametrize(
    "inner", [None, "secret", [], {}, {"content_filter_result": ["secret"]}, {"content_filter_result": {"secret": 1}}]
)
def test_a_filter_that_does_not_say_what_it_saw_is_one_all_the_same(inner: JsonValue) -> None:
    found = rejected({"error": {"code": "content_filter", "innererror": inner}})
    assert found.reason == "content_filter"
    assert "400: content_filter)" in str(found)
    assert "secret" not in str(found)


def test_other_refusals_name_no_filters() -> None:
    found = rejected({"error": {"code": "context_length_exceeded", "innererror": {"content_filter_result": SEEN}}})
    assert "jailbreak" not in str(found)
