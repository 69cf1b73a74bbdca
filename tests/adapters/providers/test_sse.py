import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers._sse import Event, SseDecoder
from gateway.domain.errors import UpstreamGarbled


def decode(*chunks: bytes, limit: int = 1 << 20) -> list[Event]:
    decoder = SseDecoder(target="t", limit=limit)
    return [event for chunk in chunks for event in decoder.feed(chunk)]


@pytest.mark.rows
@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_every_line_end_ends_lines_and_events(end: bytes) -> None:
    assert decode(end.join([b"data: a", b"", b"data: b", b"", b""])) == [(b"a", b""), (b"b", b"")]


def test_a_crlf_cut_in_two_is_one_line_end() -> None:
    assert decode(b"data: a\r", b"\ndata: b\r", b"\n\r", b"", b"\n") == [(b"a\nb", b"")]


def test_two_crs_are_two_line_ends() -> None:
    assert decode(b"data: a\r", b"\r") == [(b"a", b"")]


def test_an_event_is_given_as_soon_as_its_blank_line_ends() -> None:
    decoder = SseDecoder(target="t")
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\r") == [(b"a", b"")]


def test_data_lines_are_joined_with_lf() -> None:
    assert decode(b"data: a\ndata:\ndata: b\n\n") == [(b"a\n\nb", b"")]


def test_one_space_after_the_colon_is_no_data() -> None:
    assert decode(b"data:a\n\ndata: a\n\ndata:  a\n\n") == [(b"a", b""), (b"a", b""), (b" a", b"")]


def test_comments_ids_retries_and_unknown_fields_are_passed_over() -> None:
    assert decode(b": ping\nid: 7\nretry: 10\nfoo: bar\nfoo\ndata: a\n\n") == [(b"a", b"")]


def test_a_field_without_a_colon_has_an_empty_value() -> None:
    assert decode(b"data\n\ndata\ndata\n\n") == [(b"", b""), (b"\n", b"")]


def test_an_event_without_data_is_none_and_its_name_is_forgotten() -> None:
    assert decode(b"event: ping\n\ndata: a\n\n") == [(b"a", b"")]


def test_events_that_come_in_one_piece_are_those_that_come_one_by_one() -> None:
    for whole in (
        b"data: a\n\ndata: b\n\ndata: \n\n",
        b"data: a\n\n\ndata: b\n\n",
        b"data: a\ndata: b\n\ndata: c\n\n",
        b"data: a\n\n: ping\n\ndata: b\n\n",
        b"data: a\n\nevent: error\ndata: b\n\n",
        b"data: a\n\n\n\ndata: b\n\n\n\n",
        b"data: a\r\n\r\ndata: b\n\n",
    ):
        one_by_one = decode(b"data: 0\n\n", *[whole[at : at + 1] for at in range(len(whole))])
        assert decode(b"data: 0\n\n", whole) == one_by_one
    assert [data for data, _ in decode(b"data: 0\n\n", b"data: a\n\ndata: b\n\n")] == [b"0", b"a", b"b"]


def test_events_of_one_piece_have_their_limit_each() -> None:
    assert len(decode(b"data: 0\n\n", b"data: aaaa\n\n" * 8, limit=16)) == 9
    with pytest.raises(UpstreamGarbled):
        decode(b"data: 0\n\n", b"data: a\n\ndata: " + b"a" * 16 + b"\n\n", limit=16)


def test_an_event_keeps_its_name() -> None:
    assert decode(b"event: error\ndata: a\n\ndata: b\n\n") == [(b"a", b"error"), (b"b", b"")]


def test_a_byte_order_mark_stands_only_at_the_start() -> None:
    mark = b"\xef\xbb\xbf"
    assert decode(mark + b"data: a\n\n" + mark + b"data: b\n\n") == [(b"a", b"")]
    assert decode(mark[:1], mark[1:] + b"data: a\n\n") == [(b"a", b"")]


def test_an_unfinished_event_is_none() -> None:
    assert decode(b"data: a\n\ndata: b\n") == [(b"a", b"")]


@pytest.mark.parametrize("piece", [b"x" * 7, b"x"])
def test_a_line_over_the_limit_is_refused_before_it_ends(piece: bytes) -> None:
    decoder = SseDecoder(target="primary", limit=50)
    for _ in range(50 // len(piece)):
        decoder.feed(piece)
    with pytest.raises(UpstreamGarbled, match="over 50 bytes") as caught:
        decoder.feed(piece)
    assert caught.value.target == "primary"


def test_many_short_lines_of_one_event_count_together() -> None:
    with pytest.raises(UpstreamGarbled):
        decode(*[b"data: aaaa\n"] * 6, limit=50)


def test_events_up_to_the_limit_pass_again_and_again() -> None:
    assert len(decode(*[b"data: " + b"a" * 44 + b"\n\n"] * 6, limit=50)) == 6


lines = st.one_of(
    st.sampled_from([b"", b"data", b"data:", b": note", b"event: error", b"\xef\xbb\xbfdata: x", b"data: [DONE]"]),
    st.text(max_size=12).map(lambda text: b"data: " + text.encode()),
    st.binary(max_size=12),
)
ends = st.sampled_from([b"\n", b"\r", b"\r\n"])


@given(st.lists(st.tuples(lines, ends), max_size=12), st.data())
def test_any_cut_gives_the_same_events(content: list[tuple[bytes, bytes]], data: st.DataObject) -> None:
    stream = b"".join(line + end for line, end in content)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    whole = decode(stream)
    assert decode(*pieces) == whole
    assert decode(*(stream[at : at + 1] for at in range(len(stream)))) == whole


@given(
    st.lists(
        st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=20), min_size=1, max_size=5
    )
)
def test_what_was_written_is_read_back(values: list[str]) -> None:
    stream = b"".join(b"data: " + value.encode() + b"\n\n" for value in values)
    assert [data.decode() for data, _ in decode(stream)] == values
