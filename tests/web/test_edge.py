from collections.abc import Sequence

import pytest

from gateway.domain.errors import BodyTooLarge, InvalidField, UnsupportedEncoding
from gateway.web.edge import AsgiMessage, Disconnected, Headers, Receive, check_json, deciding_headers, read_body


def body_in(*chunks: bytes, lost: bool = False) -> tuple[Receive, list[AsgiMessage]]:
    """A receive callable that gives the chunks, then says that the client went away if it did."""
    messages: list[AsgiMessage] = [
        {"type": "http.request", "body": chunk, "more_body": lost or index < len(chunks) - 1}
        for index, chunk in enumerate(chunks)
    ]
    if lost:
        messages.append({"type": "http.disconnect"})

    async def receive() -> AsgiMessage:
        return messages.pop(0)

    return receive, messages


@pytest.mark.rows
@pytest.mark.parametrize("chunks", [(b"abc",), (b"a", b"b", b"c"), (b"", b"abc"), (b"abc", b"")])
async def test_a_body_is_read_whole_whatever_its_chunks(chunks: Sequence[bytes]) -> None:
    receive, _ = body_in(*chunks)
    assert await read_body({}, receive, 3) == b"abc"


async def test_an_announced_excess_is_refused_before_anything_is_read() -> None:
    receive, unread = body_in(b"abcd")
    with pytest.raises(BodyTooLarge):
        await read_body({b"content-length": b"4"}, receive, 3)
    assert len(unread) == 1


@pytest.mark.rows
@pytest.mark.parametrize("chunks", [(b"abcd",), (b"ab", b"cd"), (b"abcd", b"e", b"f")])
async def test_an_unannounced_excess_is_refused_as_soon_as_it_shows(chunks: Sequence[bytes]) -> None:
    receive, unread = body_in(*chunks)
    with pytest.raises(BodyTooLarge):
        await read_body({}, receive, 3)
    assert len(unread) == len(chunks) - next(n for n in range(1, 4) if sum(map(len, chunks[:n])) > 3)


@pytest.mark.rows
@pytest.mark.parametrize("announced", [b"-1", b"0x3", b"3 ", b"3,3", b"", b"0" * 5000 + b"3"])
async def test_a_length_that_is_no_number_is_refused(announced: bytes) -> None:
    receive, _ = body_in(b"abc")
    with pytest.raises(BodyTooLarge):
        await read_body({b"content-length": announced}, receive, 3)


async def test_a_client_that_goes_away_early_is_noticed() -> None:
    receive, _ = body_in(b"a", lost=True)
    with pytest.raises(Disconnected):
        await read_body({}, receive, 3)


@pytest.mark.rows
@pytest.mark.parametrize(
    "headers",
    [
        {b"content-type": b"application/json"},
        {b"content-type": b"application/json; charset=utf-8"},
        {b"content-type": b"Application/JSON"},
        {b"content-type": b"application/json", b"content-encoding": b"identity"},
    ],
)
def test_plain_json_is_taken(headers: Headers) -> None:
    check_json(headers)


@pytest.mark.rows
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"content-type": b"text/plain"},
        {b"content-type": b"application/x-www-form-urlencoded"},
        {b"content-type": b"application/json", b"content-encoding": b"gzip"},
        {b"content-type": b"application/json", b"content-encoding": b"identity, gzip"},
    ],
)
def test_other_types_and_compressed_bodies_are_refused(headers: Headers) -> None:
    with pytest.raises(UnsupportedEncoding):
        check_json(headers)


@pytest.mark.rows
@pytest.mark.parametrize("encoding", [b"gzip", b"x-gzip", b"deflate", b" GZIP ", b"identity"])
def test_a_body_may_be_compressed_once_where_that_is_allowed(encoding: bytes) -> None:
    headers = {b"content-type": b"application/json", b"content-encoding": encoding}
    check_json(headers, compressed=True)
    if encoding != b"identity":
        with pytest.raises(UnsupportedEncoding, match="compressed_bodies"):
            check_json(headers)


@pytest.mark.rows
@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, gzip", b"identity, gzip", b""])
def test_other_encodings_and_several_are_refused_even_there(encoding: bytes) -> None:
    with pytest.raises(UnsupportedEncoding, match="once"):
        check_json({b"content-type": b"application/json", b"content-encoding": encoding}, compressed=True)


def test_an_offer_of_another_protocol_is_refused_by_name() -> None:
    with pytest.raises(InvalidField) as caught:
        check_json({b"content-type": b"application/json", b"upgrade": b"h2c"})
    assert caught.value.param == "upgrade"


def test_a_deciding_header_that_stands_twice_is_refused_by_name() -> None:
    with pytest.raises(InvalidField) as caught:
        deciding_headers({"headers": [(b"authorization", b"a"), (b"authorization", b"a")]})
    assert caught.value.param == "authorization"


def test_other_headers_may_repeat() -> None:
    assert deciding_headers({"headers": [(b"x-a", b"1"), (b"x-a", b"2"), (b"host", b"h")]}) == {b"host": b"h"}
