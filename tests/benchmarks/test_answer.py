from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.answer import Answer, BadAnswer, make_token
from benchmarks.payloads import stream_response, whole_response

_STAMPS = (1, 22, 333)


def _stream() -> bytes:
    opening, before, after, ending = stream_response()
    return opening + b"".join(before + make_token(stamp) + after for stamp in _STAMPS) + ending


def _cut(whole: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, *(place % len(whole) for place in at), len(whole)})
    return [whole[start:end] for start, end in pairwise(places)]


@given(st.lists(st.integers(0, 10**6), max_size=12))
def test_any_cut_of_a_stream_gives_the_same_tokens(at: list[int]) -> None:
    answer = Answer()
    stamps = [stamp for piece in _cut(_stream(), at) for stamp in answer.feed(piece)]
    assert stamps == list(_STAMPS)
    assert answer.complete
    assert answer.status == 200


@given(st.lists(st.integers(0, 10**6), max_size=12))
def test_any_cut_of_a_whole_answer_gives_its_token(at: list[int]) -> None:
    answer = Answer()
    assert [stamp for piece in _cut(whole_response(), at) for stamp in answer.feed(piece)] == [0]
    assert answer.complete


@pytest.mark.parametrize("whole", [whole_response(), _stream()])
def test_an_answer_without_its_last_byte_is_not_complete(whole: bytes) -> None:
    answer = Answer()
    answer.feed(whole[:-1])
    assert not answer.complete
    answer.feed(whole[-1:])
    assert answer.complete


@pytest.mark.parametrize("whole", [whole_response(), _stream()])
def test_a_byte_after_the_end_is_an_error(whole: bytes) -> None:
    with pytest.raises(BadAnswer, match="after the end"):
        Answer().feed(whole + b"H")


def test_chunks_may_cut_a_token_in_two() -> None:
    token = make_token(5)
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n"
    assert Answer().feed(head + b"4\r\n" + token[:4] + b"\r\n11;x=y\r\n" + token[4:] + b"\r\n0\r\n\r\n") == [5]


def test_the_body_of_an_error_is_kept() -> None:
    answer = Answer()
    assert answer.feed(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 4\r\n\r\nnono") == []
    assert (answer.status, answer.body, answer.complete) == (401, b"nono", True)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", "status line"),
        (b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n", "content-length or chunks"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n", "content-length or chunks"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", "no number"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc", "longer than it says"),
    ],
)
def test_wrong_framing_is_an_error(raw: bytes, why: str) -> None:
    with pytest.raises(BadAnswer, match=why):
        Answer().feed(raw)


@pytest.mark.parametrize("calls", [False, True])
def test_a_token_is_found_in_a_text_and_in_the_arguments_of_a_call(calls: bool) -> None:
    answer = Answer()
    assert answer.feed(whole_response(calls=calls)) == [0]
    opening, before, after, ending = stream_response(calls=calls)
    answer = Answer()
    assert answer.feed(opening + before + make_token(7) + after + ending) == [7]
    assert answer.complete
