from dataclasses import replace

import pytest

from benchmarks.soaking.faults import Told
from benchmarks.soaking.mix import Ask, Dialect
from benchmarks.soaking.reading import Got, code_in, is_foreign, is_whole

OWN, OTHER = "0123456789abcdef", "fedcba9876543210"
ASK = Ask(number=OWN, dialect="chat", play="ok", stream=False, chars=1, tools=False, told=None)
GOT = Got(ask=ASK, request="r", status=200, code=None, whole=True, foreign=False, at_s=0, took_ms=1)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"error": {"message": "m", "code": "upstream_failed"}}', "upstream_failed"),
        (b'{"type":"urn:splitgate:problem:x","code":"upstream_garbled"}', "upstream_garbled"),
        (b'data: {"choices":[]}\n\ndata: {"error":{"code":"upstream_timeout"}}\n\n', "upstream_timeout"),
        (b'event: error\ndata: {"code":"upstream_timeout"}\n\n', "upstream_timeout"),
        (b'{"error": {"message": "m"}}', "(none)"),
        (b'{"choices": [{"message": {"content": "code"}}]}', None),
        (b'{"output": [{"code": "x"}], "error": null}', None),
    ],
)
def test_the_code_of_an_error_is_found_in_every_dialect(body: bytes, code: str | None) -> None:
    assert code_in(body) == code


@pytest.mark.rows
@pytest.mark.parametrize(
    ("dialect", "end"),
    [
        ("chat", b"data: [DONE]\n\n"),
        ("responses", b"event: response.completed\ndata: {}\n\n"),
        ("messages", b"event: message_stop\ndata: {}\n\n"),
        ("split", b"event: done\ndata: {}\n\n"),
    ],
)
def test_a_stream_is_whole_with_its_dialects_own_ending(dialect: Dialect, end: bytes) -> None:
    ask = replace(ASK, dialect=dialect, stream=True)
    assert is_whole(ask, 200, b"data: x\n\n" + end)
    assert not is_whole(ask, 200, b"data: x\n\n")
    assert not is_whole(ask, 502, end)


def test_a_whole_answer_holds_its_number_and_no_other() -> None:
    assert is_whole(ASK, 200, f"echo-{OWN}".encode())
    assert not is_whole(ASK, 200, b"{}")
    assert not is_foreign(ASK, f"echo-{OWN} echo-{OWN}".encode())
    assert is_foreign(ASK, f"echo-{OWN} echo-{OTHER}".encode())


FULL = Told(status=429, code="upstream_overloaded")
CUT = Told(status=200, code="upstream_garbled", begun=True)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("got", "told", "as_told"),
    [
        (GOT, None, True),
        (replace(GOT, whole=False), None, False),
        (replace(GOT, status=502, code="upstream_failed"), None, False),
        (replace(GOT, status=429, code="upstream_overloaded", whole=False), FULL, True),
        (replace(GOT, status=429, code="gateway_full", whole=False), FULL, False),
        (GOT, FULL, False),
        (replace(GOT, code="upstream_garbled", whole=False), CUT, True),
        # An error and an ending of its own: the client would take what it has for the answer.
        (replace(GOT, code="upstream_garbled", whole=True), CUT, False),
        (replace(GOT, status=0, whole=False, why="Broken"), FULL, False),
    ],
)
def test_what_came_is_held_against_what_is_stated(got: Got, told: Told | None, *, as_told: bool) -> None:
    assert replace(got, ask=replace(ASK, told=told)).as_told is as_told


def test_who_leaves_is_told_nothing_and_must_have_been_served_until_then() -> None:
    leaves = replace(ASK, leaves=True)
    assert replace(GOT, ask=leaves, whole=False).as_told
    assert not replace(GOT, ask=leaves, status=503, code="audit_unavailable").as_told
