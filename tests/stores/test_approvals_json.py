"""A held reply is written and read without loss, and nothing else is read as one."""

import math
from dataclasses import field, replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import openai_chat, openai_responses, split
from gateway.domain.detection import Stage
from gateway.domain.exchange import AppliedRevision, Choice, Handling, Reply, Usage
from gateway.domain.finding import Finding
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import ToolCall
from gateway.domain.value import value
from gateway.domain.verdict import Weight
from gateway.stores._held_json import (
    UnreadableError,
    read_calls,
    read_held,
    read_words,
    write_calls,
    write_held,
    write_words,
)

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
COUNT = st.integers(min_value=-(2**63), max_value=2**64 - 1)
TOKENS = st.integers(min_value=0, max_value=2**40)
SCALAR = st.none() | st.booleans() | COUNT | TEXT | st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    SCALAR, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=6
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
CALL = st.builds(ToolCall, id=TEXT, name=TEXT, arguments=TEXT)
CHOICE = st.builds(
    Choice,
    index=COUNT,
    text=st.none() | TEXT,
    finish_reason=TEXT,
    refusal=st.none() | TEXT,
    reasoning=st.none() | TEXT,
    tool_calls=st.lists(CALL, max_size=2).map(tuple),
    logprobs=st.none() | OBJECT,
    extra=OBJECT,
)
REPLY = st.builds(
    Reply,
    id=TEXT,
    model=TEXT,
    created=COUNT,
    choices=st.lists(CHOICE, min_size=1, max_size=3).map(tuple),
    usage=st.none() | st.builds(Usage, input_tokens=TOKENS, output_tokens=TOKENS, details=OBJECT),
    extra=OBJECT,
)
WORDS = st.lists(TEXT, max_size=3).map(tuple)
FINDING = st.builds(
    Finding,
    rule=TEXT,
    where=TEXT,
    count=COUNT,
    policy=st.none() | TEXT,
    action=st.none() | TEXT,
    weight=st.sampled_from(Weight),
    exception=st.none() | TEXT,
    stage=st.none() | st.sampled_from(Stage),
    level=COUNT,
    points=COUNT,
    threshold=COUNT,
    spans=st.lists(st.tuples(COUNT, COUNT), max_size=2).map(tuple),
)
HANDLING = st.builds(
    Handling,
    request_id=TEXT,
    model=TEXT,
    created=COUNT,
    isolation=TEXT,
    format=TEXT,
    target=TEXT,
    decision=TEXT,
    policy=st.none() | st.builds(AppliedRevision, names=WORDS, revision=TEXT),
    findings=st.lists(FINDING, max_size=2).map(tuple),
    notes=WORDS,
)

REPLY_1 = Reply(
    id="1",
    model="m",
    created=2,
    choices=(
        Choice(index=0, text="hello", finish_reason="stop", tool_calls=(ToolCall(id="c", name="n", arguments=""),)),
    ),
    usage=Usage(input_tokens=1, output_tokens=2),
)
HANDLING_1 = Handling(
    request_id="r",
    model="m",
    created=1,
    isolation="channel",
    format="plain",
    target="t",
    policy=AppliedRevision(names=("p",), revision="sha256:1"),
    findings=(
        Finding(rule="r", where="output", count=1, weight=Weight.SHADOW, stage=Stage.OUTPUT, level=1, spans=((1, 2),)),
    ),
)


@given(reply=REPLY, handling=HANDLING)
def test_a_held_reply_is_read_as_it_was_written(reply: Reply, handling: Handling) -> None:
    again = read_held(write_held(reply, handling))
    assert again == (reply, handling)
    # Equal is not enough: 1 and True are.
    assert repr(again) == repr((reply, handling))
    for dialect in (split, openai_chat, openai_responses):
        assert dialect.write(*again) == dialect.write(reply, handling)


@given(st.lists(CALL, max_size=3).map(tuple), WORDS)
def test_calls_and_names_are_read_as_they_were_written(calls: tuple[ToolCall, ...], words: tuple[str, ...]) -> None:
    assert read_calls(write_calls(calls)) == calls
    assert read_words(write_words(words)) == words


@pytest.mark.rows
@pytest.mark.parametrize("beyond", [2**64, "\ud800", {1, 2}, b"x", {"a": 2**70}])
def test_what_json_cannot_hold_is_not_written(beyond: JsonValue) -> None:
    with pytest.raises(UnreadableError, match="JSON cannot"):
        write_held(replace(REPLY_1, extra={"odd": beyond}), HANDLING_1)


def test_what_would_not_be_read_back_is_not_written() -> None:
    # No type checker lets this through; an adapter's bug might.
    odd = replace(REPLY_1, created=1.5)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UnreadableError):
        write_held(odd, HANDLING_1)


@value
class LaterReply:
    """A reply, with a field that somebody adds and forgets to read."""

    id: str
    model: str
    created: int
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    extra: JsonObject = field(default_factory=dict[str, JsonValue])
    more: str = "lost"


def test_a_field_that_nobody_reads_is_noticed_when_it_is_written() -> None:
    later = LaterReply(id="1", model="m", created=1, choices=REPLY_1.choices)
    with pytest.raises(UnreadableError, match="not read back"):
        write_held(later, HANDLING_1)  # pyright: ignore[reportArgumentType]


def test_no_number_is_held_as_the_dialects_would_tell_it() -> None:
    reply = replace(REPLY_1, extra={"system_fingerprint": math.nan})
    assert openai_chat.write(*read_held(write_held(reply, HANDLING_1))) == openai_chat.write(reply, HANDLING_1)


FULL = orjson.loads(write_held(REPLY_1, HANDLING_1))


@pytest.mark.rows
@pytest.mark.parametrize("span", [[1], [1, 2, 3], [1, True], "12", {}])
def test_a_span_has_two_ends(span: JsonValue) -> None:
    changed = orjson.loads(write_held(REPLY_1, HANDLING_1))
    changed[1]["findings"][0]["spans"] = [span]
    with pytest.raises(UnreadableError):
        read_held(orjson.dumps(changed))


@pytest.mark.rows
@pytest.mark.parametrize(
    "raw", [b"", b"{", b"null", b"[]", b"[1]", b"[1,2]", b"[{},{}]", b"[null,null]", b"\xff", b"[[],[]]"]
)
def test_what_is_not_a_held_reply_is_not_read(raw: bytes) -> None:
    with pytest.raises(UnreadableError):
        read_held(raw)


def paths(held: JsonValue, so_far: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = held.items() if isinstance(held, dict) else enumerate(held) if isinstance(held, list) else ()
    return [so_far] * bool(so_far) + [path for key, value in inner for path in paths(value, (*so_far, key))]


@pytest.mark.rows
@pytest.mark.parametrize("path", paths(FULL), ids=str)
@pytest.mark.parametrize("instead", [True, 0.5, ["x"], "?"])
def test_a_field_of_another_type_is_never_taken_for_the_reply_that_was_held(
    path: tuple[str | int, ...], instead: JsonValue
) -> None:
    raw = orjson.dumps(FULL)
    changed = orjson.loads(raw)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = instead
    if orjson.dumps(changed) == raw:
        return
    try:
        read = read_held(orjson.dumps(changed))
    except UnreadableError:
        return
    assert orjson.dumps(read) == orjson.dumps(changed)
    assert isinstance(instead, str | list)


@pytest.mark.rows
@pytest.mark.parametrize("missing", [path for path in paths(FULL) if isinstance(path[-1], str)], ids=str)
def test_a_field_that_is_missing_is_noticed_or_was_none(missing: tuple[str | int, ...]) -> None:
    changed = orjson.loads(orjson.dumps(FULL))
    place = changed
    for step in missing[:-1]:
        place = place[step]
    was = place.pop(missing[-1])
    if was is None or missing[-1] in {"usage", "policy", "text", "logprobs", "stage"}:
        read_held(orjson.dumps(changed))
    else:
        with pytest.raises(UnreadableError):
            read_held(orjson.dumps(changed))
