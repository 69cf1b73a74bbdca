import gzip
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.errors import BodyTooLarge, MalformedBody
from gateway.web.encoding import inflate, plain

BODY = b'{"model": "m"}' * 50
PACKED = {
    b"gzip": gzip.compress(BODY, mtime=0),
    b"x-gzip": gzip.compress(BODY, mtime=0),
    b"deflate": zlib.compress(BODY),
}
BOTH = pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])


@pytest.mark.rows
@pytest.mark.parametrize("encoding", PACKED)
async def test_a_compressed_body_is_inflated(encoding: bytes) -> None:
    assert await plain({b"content-encoding": encoding.upper()}, PACKED[encoding], len(BODY)) == BODY


async def test_an_uncompressed_body_stays_as_it_is() -> None:
    assert await plain({b"content-encoding": b"identity"}, b"{}", 2) == b"{}"


@BOTH
def test_a_body_of_just_the_limit_is_taken_and_one_byte_more_is_not(encoding: bytes) -> None:
    assert inflate(PACKED[encoding], encoding, len(BODY)) == BODY
    with pytest.raises(BodyTooLarge):
        inflate(PACKED[encoding], encoding, len(BODY) - 1)


@BOTH
def test_a_bomb_is_never_inflated_further_than_the_limit(encoding: bytes) -> None:
    packed = {b"gzip": gzip.compress, b"deflate": zlib.compress}[encoding](bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(BodyTooLarge):
            inflate(packed, encoding, 10_000)
        assert tracemalloc.get_traced_memory()[1] < 200_000
    finally:
        tracemalloc.stop()


@BOTH
def test_a_body_that_is_cut_short_is_refused(encoding: bytes) -> None:
    for end in (0, 1, len(PACKED[encoding]) // 2, len(PACKED[encoding]) - 1):
        with pytest.raises(MalformedBody, match="cut short"):
            inflate(PACKED[encoding][:end], encoding, 10_000)


@pytest.mark.rows
@BOTH
@pytest.mark.parametrize("more", [b"x", b"\0", gzip.compress(b"{}", mtime=0), zlib.compress(b"{}")])
def test_nothing_may_follow_the_body(encoding: bytes, more: bytes) -> None:
    with pytest.raises(MalformedBody, match="follows"):
        inflate(PACKED[encoding] + more, encoding, 10_000)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("raw", "encoding"),
    [
        (b"{}", b"gzip"),
        (b'{"a": 1}', b"deflate"),
        (PACKED[b"gzip"], b"deflate"),
        (PACKED[b"deflate"], b"gzip"),
        (PACKED[b"deflate"][2:-4], b"deflate"),
        (PACKED[b"gzip"][:-8] + bytes(8), b"gzip"),
    ],
)
def test_what_is_not_compressed_as_it_says_is_refused(raw: bytes, encoding: bytes) -> None:
    with pytest.raises(MalformedBody, match=f"is not {encoding.decode()}"):
        inflate(raw, encoding, 10_000)


@given(st.binary(max_size=2_000), st.sampled_from([b"gzip", b"deflate"]), st.integers(0, 2_100))
def test_whatever_is_compressed_comes_out_again_within_the_limit(body: bytes, encoding: bytes, limit: int) -> None:
    packed = gzip.compress(body) if encoding == b"gzip" else zlib.compress(body)
    found = None
    try:
        found = inflate(packed, encoding, limit)
    except BodyTooLarge:
        assert len(body) > limit
    assert found == (body if len(body) <= limit else None)


@given(st.binary(max_size=200), st.sampled_from([b"gzip", b"deflate"]))
def test_no_garbage_is_anything_but_refused_or_inflated(raw: bytes, encoding: bytes) -> None:
    for candidate in (raw, PACKED[encoding][:10] + raw):
        try:
            assert len(inflate(candidate, encoding, 100)) <= 100
        except (MalformedBody, BodyTooLarge) as refusal:
            assert refusal.message  # noqa: PT017 - either outcome is right
