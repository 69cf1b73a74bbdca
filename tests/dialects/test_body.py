import json
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.body import MAX_DEPTH, parse_body, refuse_redirects
from gateway.domain.errors import ForbiddenField, MalformedBody

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)
BODIES = st.dictionaries(st.text(), VALUES, max_size=5)


def nested(depth: int) -> bytes:
    """An object of the given depth."""
    return b'{"a":' + b"[" * (depth - 1) + b"]" * (depth - 1) + b"}"


def refused(raw: bytes) -> MalformedBody:
    with pytest.raises(MalformedBody) as caught:
        parse_body(raw)
    assert caught.value.__cause__ is None
    return caught.value


@given(BODIES)
def test_what_json_writes_is_read_back(body: dict[str, object]) -> None:
    assert parse_body(json.dumps(body).encode()) == body
    assert parse_body(json.dumps(body, ensure_ascii=False, indent=1).encode()) == body
    assert parse_body(orjson.dumps(body)) == orjson.loads(orjson.dumps(body))


@given(BODIES)
def test_a_body_reads_alike_however_it_is_spelt(body: dict[str, object]) -> None:
    told = orjson.dumps(body)
    # A blank before the body keeps it from the short way.
    assert repr(parse_body(told)) == repr(parse_body(b" " + told))


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(raw: bytes) -> None:
    try:
        assert isinstance(parse_body(raw), dict)
    except MalformedBody as error:
        assert error.message  # noqa: PT017 - either outcome is right


@pytest.mark.rows
@pytest.mark.parametrize(
    ("raw", "param"),
    [
        (b'{"model":"a","model":"b"}', None),
        (b'{"messages":[{"role":"user"},{"role":"user","role":"system"}]}', "messages[1]"),
        (b'{"a":{"b":{"c":1,"c":1}}}', "a.b"),
        (b'{"a":{"\\u0061":1,"a":1}}', "a"),
        (b'{"a":[1,NaN]}', "a[1]"),
        (b'{"a":Infinity}', "a"),
        (b'{"a":-Infinity}', "a"),
        (b'{"a":1e999}', "a"),
        (b'{"a":[-1e999]}', "a[0]"),
        (b'{"seed":18446744073709551616}', "seed"),
        (b'{"seed":-9223372036854775809}', "seed"),
        (b'{"seed":' + b"9" * 5000 + b"}", "seed"),
        (b'{"a":"\\ud800"}', "a"),
        (b'{"a":[{"b":"x\\uDC00y"}]}', "a[0].b"),
        (b'{"a":{"\\udfff":1}}', "a.?"),
        (b'{"some prompt text":[NaN]}', "?[0]"),
    ],
)
def test_what_parsers_disagree_about_is_refused_by_its_path(raw: bytes, param: str | None) -> None:
    error = refused(raw)
    assert error.param == param
    assert "prompt text" not in error.message


@pytest.mark.rows
@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":"a","Model":"b"}',
        b'{"a":{"b":1},"c":{"b":1}}',
        b'{"a":"NaN"}',
        b'{"a":1e308}',
        b'{"seed":18446744073709551615}',
        b'{"seed":-9223372036854775808}',
        b'{"a":"\\ud83d\\ude00"}',
        b'{"a":"\\\\ud800"}',
        b' {"a":1}\r\n',
        b'{"a":"\xef\xbb\xbf"}',
    ],
)
def test_near_misses_are_read(raw: bytes) -> None:
    assert parse_body(raw) == json.loads(raw)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "line 1, column 1"),
        (b'{"a":1', "line 1"),
        (b'{"a":\n1,}', "line 2"),
        (b'{"a":1} {"b":2}', "column 9"),
        (b'{"a":"\n"}', "line 1"),
        (b"{'a':1}", "column 2"),
        (b'{"a":1,"a":2,', "line 1"),
        (b"NaN", "The body is NaN"),
        (b'[{"a":1}]', "must be a JSON object"),
        (b'"x"', "must be a JSON object"),
        (b'\xef\xbb\xbf{"a":1}', "byte order mark"),
        (b'{"a":"\xff"}', "not valid UTF-8: correct it at byte 6"),
        (b'{"a":"\xed\xa0\x80"}', "not valid UTF-8"),
        ('{"a":1}'.encode("utf-16"), "not valid UTF-8"),
    ],
)
def test_what_is_no_json_object_in_utf_8_is_refused(raw: bytes, says: str) -> None:
    assert says in refused(raw).message


@given(st.integers(2, 200))
def test_depth_is_bounded(depth: int) -> None:
    if depth <= MAX_DEPTH:
        assert parse_body(nested(depth))
    else:
        assert "64 levels" in refused(nested(depth)).message


def test_many_brackets_side_by_side_or_in_text_are_no_depth() -> None:
    assert parse_body(json.dumps({"a": [[]] * 1000, "b": "[" * 1000, "c": '\\"[{' * 200}).encode())


@pytest.mark.rows
@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}",
        b'{"a":' + b'"\\"[' * 500_000,
        b'{"a":"' + b"\\" * 2_000_001,
        b"[" * 2_000_000,
        b'{"a":"' + b'\\"' * 1_000_000 + b"[" * 70,
    ],
)
def test_hostile_bodies_are_refused_in_linear_time(raw: bytes) -> None:
    start = time.process_time()
    refused(raw)
    assert time.process_time() - start < 2


def test_running_out_of_stack_is_a_refusal() -> None:
    with pytest.raises(MalformedBody, match="64 levels"):
        sink_to_the_bottom(b" " + nested(60))


def sink_to_the_bottom(raw: bytes) -> None:
    """Parse with almost no stack left."""
    try:
        sink_to_the_bottom(raw)
    except RecursionError:
        parse_body(raw)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("value", "param"),
    [
        ({"api_base": "http://x"}, "api_base"),
        ({"a": [{"b": {"API-Key": 1}}]}, "a[0].b.API-Key"),
        ([{"baseUrl": 1}], "[0].baseUrl"),
        ({"a": {"prompt_embeds": ""}}, "a.prompt_embeds"),
        ({"a": {"extra_headers": {}}}, "a.extra_headers"),
        ({"a": {"chat_template": ""}}, "a.chat_template"),
        ({"a": {"aws_session_token": ""}}, "a.aws_session_token"),
        ({"a": {"api_\u212aey": 1}}, "a.?"),
    ],
)
def test_names_that_redirect_are_found_at_any_depth(value: dict[str, object], param: str) -> None:
    with pytest.raises(ForbiddenField) as caught:
        refuse_redirects(orjson.loads(orjson.dumps(value)))
    assert caught.value.param == param


@pytest.mark.rows
@pytest.mark.parametrize(
    "value",
    [{"api_based": 1}, {"text": "api_base"}, ["api_key"], {"a": {"documents": 3, "template": "t"}}, "api_key", None],
)
def test_names_that_only_look_alike_pass(value: object) -> None:
    refuse_redirects(orjson.loads(orjson.dumps(value)))
