from collections.abc import Iterable, Sequence
from typing import Any

import httpx2
import orjson
import pytest
from anthropic import Anthropic, APIStatusError
from anthropic.types import RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from gateway.dialects import anthropic_messages
from gateway.domain.errors import UpstreamTimeout
from gateway.domain.exchange import (
    ApprovalPending,
    Finish,
    Handling,
    Judged,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    ReplyEvent,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.prompt import Seal

STARTED = Started(id="up-1", model="upstream-name", created=1, extra={"secret": 1})
STOP = Finish(choice=0, reason="stop")
HANDLING = Handling(request_id="req-1", model="support", created=1, isolation="none", format="plain", target="t1")
ANY_EVENT = TypeAdapter[object](RawMessageStreamEvent)


def text(said: str) -> TextDelta:
    return TextDelta(choice=0, text=said)


def thought(said: str) -> ReasoningDelta:
    return ReasoningDelta(choice=0, text=said)


def seal(length: int, token: str, *, hidden: bool = False) -> ReasoningSealed:
    return ReasoningSealed(choice=0, seal=Seal(length=length, token=token, hidden=hidden))


def call(index: int) -> ToolCallStarted:
    return ToolCallStarted(choice=0, index=index, id=f"c{index}", name=f"f{index}")


def more(index: int, arguments: str) -> ToolCallDelta:
    return ToolCallDelta(choice=0, index=index, arguments=arguments)


def written(events: Iterable[ReplyEvent]) -> bytes:
    writer = anthropic_messages.StreamWriter(HANDLING, include_usage=False)
    return b"".join([writer.feed(event) for event in events]) + writer.finish()


def payloads(stream: bytes) -> list[Any]:
    """The data of each event, whose name is its type."""
    events = stream.split(b"\n\n")
    assert events.pop() == b""
    found: list[Any] = []
    for event in events:
        name, _, data = event.partition(b"\n")
        assert data.startswith(b"data: ")
        found.append(orjson.loads(data[6:]))
        assert name.decode() == f"event: {found[-1]['type']}"
        # A word for an ending that nobody knows yet is no type's.
        if name != b"event: error" and b'"abort"' not in data:
            ANY_EVENT.validate_python(found[-1])
    return found


def blocks(events: Sequence[ReplyEvent]) -> list[Any]:
    """The blocks that a client puts together, which are started in order and stopped once; speech one by one."""
    found: list[Any] = []
    open_: set[int] = set()
    for one in payloads(written([STARTED, *events, STOP])):
        index = one.get("index")
        if one["type"] == "content_block_start":
            assert index == len(found)
            speech = [number for number in open_ if found[number]["type"] in {"text", "tool_use"}]
            assert one["content_block"]["type"] in {"thinking", "redacted_thinking"} or not speech
            found.append({**one["content_block"], "json": ""})
            open_.add(index)
        elif one["type"] == "content_block_delta":
            assert index in open_
            (key,) = one["delta"].keys() - {"type"}
            kind = {"partial_json": "json"}.get(key, key)
            found[index][kind] = (found[index][kind] or "") + one["delta"][key]
        elif one["type"] == "content_block_stop":
            open_.remove(index)
        else:
            assert not open_ or one["type"] == "message_start"
    assert not open_
    return [told_of(block) for block in found]


def told_of(block: Any) -> tuple[str, ...]:
    if block["type"] == "tool_use":
        assert block["input"] == {}
        return ("tool_use", block["id"], block["name"], block["json"])
    if block["type"] == "thinking":
        return ("thinking", block["thinking"], block["signature"])
    return (block["type"], block.get("text") or block.get("data"))


def test_a_stream_has_anthropics_events() -> None:
    usage = UsageReport(usage=Usage(input_tokens=9, output_tokens=2, details={"prompt_tokens_details": CACHED}))
    told = payloads(written([STARTED, text("Hel"), text("lo\n\n"), usage, STOP]))
    assert told == [
        {
            "type": "message_start",
            "message": {
                "id": "msg_req-1", "type": "message", "role": "assistant", "model": "support", "content": [],
                "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 0, "output_tokens": 0},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "", "citations": None}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo\n\n"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {
                "input_tokens": 2, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 4, "output_tokens": 2,
            },
        },
        {"type": "message_stop"},
    ]  # fmt: skip


CACHED = {"cached_tokens": 4, "cache_write_tokens": 3}


@pytest.mark.parametrize("late", [True, False])
def test_usage_may_come_behind_the_finish(*, late: bool) -> None:
    report = UsageReport(usage=Usage(input_tokens=9, output_tokens=2))
    events: list[ReplyEvent] = [STARTED, text("a"), STOP, report] if late else [STARTED, report, text("a"), STOP]
    assert payloads(written(events))[-2]["usage"]["output_tokens"] == 2


def test_usage_that_nobody_counted_is_nought() -> None:
    assert payloads(written([STARTED, STOP]))[-2]["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_a_vendors_own_id_is_kept() -> None:
    started = Started(id="msg_01", model="m", created=1)
    assert payloads(written([started, STOP]))[0]["message"]["id"] == "msg_01"


def test_a_service_tier_stands_in_the_first_event() -> None:
    started = Started(id="u", model="m", created=1, extra={"service_tier": "default"})
    first = payloads(written([started, STOP]))[0]
    assert first["message"]["usage"] == {"input_tokens": 0, "output_tokens": 0, "service_tier": "standard"}


@pytest.mark.rows
@pytest.mark.parametrize("events", [[STOP], [Judged(decision="allow", findings=()), STOP], [text("a"), STOP]])
def test_a_stream_without_a_start_is_told_all_the_same(events: list[ReplyEvent]) -> None:
    told = payloads(written(events))
    assert [one["type"] for one in told].count("message_start") == 1
    assert told[0]["message"]["id"] == "msg_req-1"


def test_an_answer_that_says_nothing_has_no_blocks() -> None:
    assert blocks([text(""), thought(""), Judged(decision="allow", findings=())]) == []


def test_thinking_is_closed_by_its_seal() -> None:
    assert blocks([thought("Hm."), thought(" So."), seal(7, "s1"), text("a")]) == [
        ("thinking", "Hm. So.", "s1"),
        ("text", "a"),
    ]
    kinds = [one["type"] for one in payloads(written([STARTED, thought("a"), seal(1, "s"), text("b"), STOP]))]
    assert kinds[3:6] == ["content_block_delta", "content_block_stop", "content_block_start"]


def test_without_a_seal_thinking_has_no_signature() -> None:
    assert blocks([thought("Hm."), text("a")]) == [("thinking", "Hm.", ""), ("text", "a")]


def test_thinking_goes_on_in_its_block_though_text_began() -> None:
    assert blocks([thought("One "), text("a"), thought("two"), text("b"), seal(7, "s1")]) == [
        ("thinking", "One two", "s1"),
        ("text", "ab"),
    ]


def test_thinking_behind_a_seal_is_a_block_of_its_own_behind_the_text() -> None:
    assert blocks([thought("a"), seal(1, "s1"), text("b"), thought("cd"), seal(2, "s2"), text("e"), call(0)]) == [
        ("thinking", "a", "s1"),
        ("text", "b"),
        ("thinking", "cd", "s2"),
        ("text", "e"),
        ("tool_use", "c0", "f0", ""),
    ]


def test_hidden_thinking_is_a_block_that_holds_only_its_token() -> None:
    assert blocks([seal(0, "d1", hidden=True), thought("a"), seal(1, "s1"), seal(0, "d2", hidden=True), text("b")]) == [
        ("redacted_thinking", "d1"),
        ("thinking", "a", "s1"),
        ("redacted_thinking", "d2"),
        ("text", "b"),
    ]


def test_seals_that_come_last_stand_behind_the_text() -> None:
    assert blocks([text("b"), seal(0, "s1"), seal(0, "d", hidden=True), text("c")]) == [
        ("text", "b"),
        ("thinking", "", "s1"),
        ("redacted_thinking", "d"),
        ("text", "c"),
    ]


@pytest.mark.rows
@pytest.mark.parametrize(
    "seals",
    [
        [seal(1, "s1"), seal(1, "s2")],
        [seal(0, "d", hidden=True), seal(2, "s")],
        [seal(3, "s")],
    ],
)
def test_seals_whose_boundaries_were_passed_are_left_out(seals: list[ReasoningSealed]) -> None:
    assert blocks([thought("ab"), *seals, text("c")]) == [("thinking", "ab", ""), ("text", "c")]


def test_calls_are_blocks_and_those_that_come_mixed_wait() -> None:
    events: list[ReplyEvent] = [
        text("Let me see."),
        call(0),
        more(0, '{"a":'),
        call(1),
        more(1, '{"b": "ü'),
        call(2),
        more(0, "1}"),
        more(1, '"}'),
        text(" Wait."),
        more(0, ""),
    ]
    assert blocks(events) == [
        ("text", "Let me see."),
        ("tool_use", "c0", "f0", '{"a":1}'),
        ("tool_use", "c1", "f1", '{"b": "ü"}'),
        ("tool_use", "c2", "f2", ""),
        ("text", " Wait."),
    ]


def test_a_call_is_told_while_it_comes() -> None:
    writer = anthropic_messages.StreamWriter(HANDLING, include_usage=True)
    writer.feed(STARTED)
    assert b"content_block_start" in writer.feed(call(0))
    assert b"partial_json" in writer.feed(more(0, '{"a'))


def test_thinking_may_come_while_a_call_is_open() -> None:
    assert blocks([thought("a"), seal(1, "s1"), call(0), more(0, "{"), thought("b"), more(0, "}"), seal(1, "s2")]) == [
        ("thinking", "a", "s1"),
        ("tool_use", "c0", "f0", "{}"),
        ("thinking", "b", "s2"),
    ]


def test_a_refusal_is_text_and_the_stop_reason() -> None:
    events: list[ReplyEvent] = [RefusalDelta(choice=0, text="No"), RefusalDelta(choice=0, text=".")]
    assert blocks(events) == [("text", "No.")]
    assert payloads(written([*events, STOP]))[-2]["delta"]["stop_reason"] == "refusal"


def test_an_answer_that_waits_names_its_approval() -> None:
    pending = ApprovalPending(approval="ap-1", expires=1.0, tools=())
    told = payloads(written([STARTED, text("a"), pending, Finish(choice=0, reason="content_filter")]))
    assert "/v1/approvals/ap-1" in told[3]["delta"]["text"]
    assert told[-2]["delta"]["stop_reason"] == "refusal"


@pytest.mark.rows
@pytest.mark.parametrize(
    ("events", "delta"),
    [
        ([Finish(choice=0, reason="stop", stopped_by="END")], ("stop_sequence", "END")),
        ([Finish(choice=0, reason="length")], ("max_tokens", None)),
        ([call(0), Finish(choice=0, reason="stop")], ("tool_use", None)),
        ([call(0), Finish(choice=0, reason="tool_calls")], ("tool_use", None)),
        ([Finish(choice=0, reason="abort")], ("abort", None)),
    ],
)
def test_the_ending_says_why(events: list[ReplyEvent], delta: tuple[str, str | None]) -> None:
    told = payloads(written([STARTED, *events]))[-2]["delta"]
    assert (told["stop_reason"], told["stop_sequence"]) == delta


def test_other_choices_and_what_comes_behind_the_end_are_not_told() -> None:
    one = [STARTED, text("a"), STOP]
    mixed = [STARTED, text("a"), TextDelta(choice=1, text="b"), STOP, text("c"), Finish(choice=1, reason="length")]
    assert written(mixed) == written(one)


def test_what_only_the_upstream_should_know_stays_behind() -> None:
    stream = written([STARTED, text("a"), STOP])
    assert not [inner for inner in (b"upstream-name", b"secret", b"up-1") if inner in stream]


@pytest.mark.rows
@pytest.mark.parametrize("events", [[], [STARTED], [STARTED, text("a")], [Finish(choice=1, reason="stop")]])
def test_a_stream_that_was_cut_short_ends_in_an_error(events: list[ReplyEvent]) -> None:
    last = payloads(written(events))[-1]
    assert last["error"]["code"] == "upstream_garbled"
    assert last["request_id"] == "req-1"


def test_a_failing_stream_says_so_and_no_more() -> None:
    writer = anthropic_messages.StreamWriter(HANDLING, include_usage=False)
    error = UpstreamTimeout("The model fell silent: send the request again.", target="t1", phase="idle")
    (told,) = payloads(writer.fail(error, 504))
    assert (told["type"], told["error"]["type"], told["error"]["code"]) == (
        "error",
        "timeout_error",
        "upstream_timeout",
    )


def sdk(body: bytes) -> Anthropic:
    """The official client in front of one fixed stream."""
    response = httpx2.Response(200, content=body, headers={"content-type": "text/event-stream"})
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: response))
    return Anthropic(api_key="k", base_url="http://gateway.example", http_client=http, max_retries=0)


def read(events: Iterable[ReplyEvent]) -> Any:
    """The message that the official client's helper puts together."""
    with sdk(written(events)) as client:
        stream = client.messages.stream(model="m", max_tokens=9, messages=[])
        with stream as opened:
            return opened.get_final_message()


def test_the_official_client_reads_a_stream() -> None:
    said = "Grüße\u2028\x85 😀"
    usage = UsageReport(usage=Usage(input_tokens=1, output_tokens=2))
    events = [STARTED, thought("a"), text(said), seal(1, "s"), call(0), more(0, '{"a":'), more(0, "1}"), STOP, usage]
    message = read(events)
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    assert (message.content[0].signature, message.content[1].text, message.content[2].input) == ("s", said, {"a": 1})
    assert (message.usage.input_tokens, message.usage.output_tokens, message.stop_reason) == (1, 2, "tool_use")


def test_the_official_client_raises_what_a_failing_stream_says() -> None:
    writer = anthropic_messages.StreamWriter(HANDLING, include_usage=False)
    error = UpstreamTimeout("The model fell silent.", target="t1", phase="idle")
    body = writer.feed(STARTED) + writer.fail(error, 504)
    with sdk(body) as client, client.messages.create(model="m", max_tokens=9, messages=[], stream=True) as stream:
        assert next(stream).type == "message_start"
        with pytest.raises(APIStatusError, match="fell silent") as caught:
            next(stream)
    assert caught.value.type == "timeout_error"


EVENTS = st.lists(
    st.one_of(
        st.builds(text, st.text(max_size=3)),
        st.builds(thought, st.text(max_size=3)),
        st.builds(RefusalDelta, choice=st.just(0), text=st.text(max_size=3)),
        st.builds(seal, st.integers(0, 3), st.just("s"), hidden=st.booleans()),
        st.builds(call, st.integers(0, 2)),
        st.builds(more, st.integers(0, 2), st.text(max_size=3)),
    ),
    max_size=25,
)


@given(EVENTS)
def test_any_mixture_is_told_whole_and_in_order(events: list[ReplyEvent]) -> None:
    begun: set[int] = set()
    kept: list[ReplyEvent] = []
    for event in events:
        fresh = isinstance(event, ToolCallStarted) and event.index not in begun
        known = not isinstance(event, ToolCallStarted | ToolCallDelta) or (
            isinstance(event, ToolCallDelta) and event.index in begun
        )
        if fresh and isinstance(event, ToolCallStarted):
            begun.add(event.index)
        if fresh or known:
            kept.append(event)
    told = blocks(kept)
    said = "".join([event.text for event in kept if isinstance(event, TextDelta | RefusalDelta)])
    assert "".join([block[1] or "" for block in told if block[0] == "text"]) == said
    thoughts = "".join([event.text for event in kept if isinstance(event, ReasoningDelta)])
    assert "".join([block[1] for block in told if block[0] == "thinking"]) == thoughts
    for index in begun:
        whole = "".join([e.arguments for e in kept if isinstance(e, ToolCallDelta) and e.index == index])
        assert ("tool_use", f"c{index}", f"f{index}", whole) in told
    # Whatever is signed is what was sealed.
    lengths = {event.seal.length for event in kept if isinstance(event, ReasoningSealed)}
    assert all(len(block[1]) in lengths for block in told if block[0] == "thinking" and block[2])
