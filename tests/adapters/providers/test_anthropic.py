"""Exchanges with Anthropic's Messages API, played back from recordings in its documented shapes."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

import orjson
import pytest

from adapters.providers import anthropic
from gateway.domain.errors import (
    NotSayable,
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOverloaded,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from gateway.domain.exchange import (
    Choice,
    Finish,
    ReasoningDelta,
    ReasoningSealed,
    Reply,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Call, UpstreamClient
from gateway.domain.prompt import Seal, ToolCall
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Timeouts


class Sent(Protocol):
    method: str
    url: str
    target: str
    headers: dict[str, str]
    body: JsonValue
    socket: str | None
    timeouts: Timeouts


class Playback(UpstreamClient, Protocol):
    sent: list[Sent]
    closed: int


PlayBack = Callable[..., Playback]
MakeCall = Callable[..., Call]
Recorded = Callable[[str], bytes]

TOOLS_REPLY = Reply(
    id="msg_02SCRUBBED",
    model="claude-test-1",
    created=0,
    choices=(
        Choice(
            index=0,
            text="I look both up. 🏔",
            finish_reason="tool_calls",
            reasoning="Two cities, two calls.",
            tool_calls=(
                ToolCall(id="toolu_01A", name="weather", arguments='{"city":"Zürich","days":[1,2]}'),
                ToolCall(id="toolu_01B", name="now", arguments="{}"),
            ),
            seals=(Seal(length=22, token="c2lnLTE="), Seal(length=0, token="aGlkZGVu", hidden=True)),
        ),
    ),
    usage=Usage(
        input_tokens=1320,
        output_tokens=60,
        details={
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            "prompt_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 300},
            "completion_tokens_details": {"reasoning_tokens": 17},
        },
    ),
    extra={"service_tier": "priority"},
)
TOOLS_EVENTS: list[StreamEvent] = [
    Started(id="msg_02SCRUBBED", model="claude-test-1", created=0, extra={"service_tier": "priority"}),
    ReasoningDelta(choice=0, text="Two cities,"),
    ReasoningDelta(choice=0, text=" two calls."),
    ReasoningSealed(choice=0, seal=Seal(length=22, token="c2lnLTE=")),
    ReasoningSealed(choice=0, seal=Seal(length=0, token="aGlkZGVu", hidden=True)),
    TextDelta(choice=0, text="I look both up."),
    TextDelta(choice=0, text=" 🏔"),
    ToolCallStarted(choice=0, index=0, id="toolu_01A", name="weather"),
    ToolCallDelta(choice=0, index=0, arguments='{"city":"Zü'),
    ToolCallDelta(choice=0, index=0, arguments='rich","days":[1,2]}'),
    ToolCallStarted(choice=0, index=1, id="toolu_01B", name="now"),
    ToolCallDelta(choice=0, index=1, arguments="{}"),
    Finish(choice=0, reason="tool_calls"),
    UsageReport(usage=TOOLS_REPLY.usage),
]


@pytest.fixture
def recorded() -> Recorded:
    """The body of a recording: a stream's bytes, or what was answered whole."""
    folder = Path(__file__).with_name("recordings") / "anthropic"

    def read(name: str) -> bytes:
        stream = folder / f"{name}.sse"
        if stream.exists():
            return stream.read_bytes()
        told = orjson.loads((folder / f"{name}.json").read_bytes())
        return orjson.dumps(told["answered"]["body"])

    return read


@pytest.fixture
def a_call(make_call: MakeCall) -> MakeCall:
    """A call of the Messages API."""

    def make(**details: object) -> Call:
        body = {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}], "max_tokens": 64}
        return make_call(**{"endpoint": Endpoint.MESSAGES, "body": body, **details})

    return make


async def collect(events: AsyncIterator[StreamEvent], into: list[StreamEvent] | None = None) -> list[StreamEvent]:
    found = [] if into is None else into
    async for event in events:
        found.append(event)
    return found


async def test_a_call_carries_the_targets_head_and_nothing_else(
    play_back: PlayBack, a_call: MakeCall, recorded: Recorded
) -> None:
    client = play_back(recorded("whole"))
    call = a_call(headers={"X-Team": "a", "Anthropic-Beta": "one,two"})
    reply = await anthropic.create(client).send(call)
    assert reply.choices == (Choice(index=0, text="Zürich liegt am See.", finish_reason="stop"),)
    (sent,) = client.sent
    assert (sent.method, sent.url, sent.target) == ("POST", "http://model.test/v1/messages", "primary")
    assert (sent.socket, sent.timeouts) == ("/run/model.sock", call.target.timeouts)
    assert sent.headers == {
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "anthropic-beta": "one,two",
        "anthropic-version": "2023-06-01",
        "user-agent": "splitgate",
        "x-api-key": "sk-upstream",
        "x-request-id": "req-1",
        "x-team": "a",
    }
    assert sent.body == orjson.loads(anthropic.create(client).serialise(call))
    assert client.closed == 1


async def test_a_target_chooses_the_apis_version_and_may_have_no_key(
    play_back: PlayBack, a_call: MakeCall, recorded: Recorded
) -> None:
    client = play_back(recorded("whole"))
    await anthropic.create(client).send(a_call(api_key=None, headers={"anthropic-version": "2026-10-21"}))
    assert client.sent[0].headers["anthropic-version"] == "2026-10-21"
    assert not {"x-api-key", "authorization"} & set(client.sent[0].headers)


async def test_a_whole_answer_is_read(play_back: PlayBack, a_call: MakeCall, recorded: Recorded) -> None:
    assert await anthropic.create(play_back(recorded("tool-call"))).send(a_call()) == TOOLS_REPLY


async def test_a_refusal_is_an_answer(play_back: PlayBack, a_call: MakeCall, recorded: Recorded) -> None:
    reply = await anthropic.create(play_back(recorded("refusal"))).send(a_call())
    assert reply.choices == (Choice(index=0, text=None, finish_reason="content_filter"),)


@pytest.mark.parametrize(
    ("stop", "stopped_by"), [(["two", "three"], "three"), ("three", "three"), (["four"], None), (None, None)]
)
async def test_the_stop_sequence_that_ended_the_answer_is_told_if_it_was_asked_for(
    play_back: PlayBack, a_call: MakeCall, recorded: Recorded, stop: JsonValue, stopped_by: str | None
) -> None:
    values: JsonObject = {} if stop is None else {"stop": stop}
    reply = await anthropic.create(play_back(recorded("stop-sequence"))).send(a_call(values=values))
    assert (reply.choices[0].finish_reason, reply.choices[0].stopped_by) == ("stop", stopped_by)
    streamed = anthropic.create(play_back(recorded("stop-sequence-stream"))).stream(a_call(values=values, stream=True))
    assert Finish(choice=0, reason="stop", stopped_by=stopped_by) in await collect(streamed)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("name", "status", "kind", "reason"),
    [
        ("refused", 400, UpstreamRejected, "invalid_request_error"),
        ("too-long", 400, UpstreamRejected, "context_length_exceeded"),
        ("image-too-large", 400, UpstreamRejected, "image_dimensions_too_large"),
        ("wrong-key", 401, UpstreamFailed, None),
        ("forbidden", 403, UpstreamFailed, None),
        ("unknown-model", 404, UpstreamFailed, None),
        ("too-large", 413, UpstreamRejected, "request_too_large"),
        ("no-room", 429, UpstreamOverloaded, "rate_limit_exceeded"),
        ("failed", 500, UpstreamFailed, None),
        ("overloaded", 529, UpstreamOverloaded, "overloaded_error"),
    ],
)
async def test_refusals_have_the_same_class_streamed_or_not(
    *,
    play_back: PlayBack,
    a_call: MakeCall,
    recorded: Recorded,
    name: str,
    status: int,
    kind: type[UpstreamError],
    reason: str | None,
    stream: bool,
) -> None:
    client = play_back(recorded(name), status=status, headers={"retry-after": "7"})
    provider, call = anthropic.create(client), a_call(stream=stream)
    with pytest.raises(kind) as caught:
        _ = await (collect(provider.stream(call)) if stream else provider.send(call))
    assert type(caught.value) is kind
    assert "PRIVATE" not in str(caught.value)
    assert getattr(caught.value, "reason", None) == reason
    if isinstance(caught.value, UpstreamOverloaded):
        assert caught.value.retry_after == 7.0
    assert client.closed == 1


async def test_a_refusal_whose_body_breaks_off_is_still_told_by_its_status(
    play_back: PlayBack, a_call: MakeCall
) -> None:
    client = play_back(b"{", status=529, breaks=UpstreamGarbled("cut", target="primary"))
    with pytest.raises(UpstreamOverloaded):
        await anthropic.create(client).send(a_call())


async def test_an_error_with_status_200_is_a_failure(play_back: PlayBack, a_call: MakeCall, recorded: Recorded) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        await anthropic.create(play_back(recorded("refused"))).send(a_call())
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'"x"', b"{}", b'{"type": "message"}', b"\xff\xfe", b"{"])
async def test_an_answer_of_another_shape_is_garbled(play_back: PlayBack, a_call: MakeCall, body: bytes) -> None:
    with pytest.raises(UpstreamGarbled, match="a server of Anthropic's Messages API") as caught:
        await anthropic.create(play_back(body)).send(a_call())
    assert caught.value.target == "primary"


async def test_an_encoded_answer_is_garbled(play_back: PlayBack, a_call: MakeCall, recorded: Recorded) -> None:
    client = play_back(recorded("whole"), headers={"content-encoding": "gzip"})
    with pytest.raises(UpstreamGarbled, match="compressed"):
        await anthropic.create(client).send(a_call())


async def test_an_answer_that_is_no_event_stream_is_garbled(
    play_back: PlayBack, a_call: MakeCall, recorded: Recorded
) -> None:
    client = play_back(recorded("whole"), headers={"content-type": "application/json"})
    with pytest.raises(UpstreamGarbled, match="server-sent events"):
        await collect(anthropic.create(client).stream(a_call(stream=True)))


@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnreachable("u", target="primary"),
        UpstreamTimeout("t", target="primary", phase="idle"),
        UpstreamGarbled("g", target="primary"),
    ],
)
async def test_transport_errors_pass_unchanged(play_back: PlayBack, a_call: MakeCall, error: UpstreamError) -> None:
    with pytest.raises(type(error)) as sent:
        await anthropic.create(play_back(breaks=error)).send(a_call())
    with pytest.raises(type(error)) as streamed:
        await collect(anthropic.create(play_back(breaks=error)).stream(a_call(stream=True)))
    assert sent.value is error
    assert streamed.value is error


async def test_a_stream_is_read_whatever_its_cuts(play_back: PlayBack, a_call: MakeCall, recorded: Recorded) -> None:
    stream, call = recorded("tool-call-stream"), a_call(stream=True)
    for cut in range(len(stream)):
        assert await collect(anthropic.create(play_back(stream[:cut], stream[cut:])).stream(call)) == TOOLS_EVENTS
    client = play_back(*(stream[at : at + 1] for at in range(len(stream))))
    assert await collect(anthropic.create(client).stream(call)) == TOOLS_EVENTS
    assert client.sent[0].headers["accept"] == "text/event-stream"
    assert client.sent[0].body == {
        "model": "upstream-name",
        "messages": call.layout.body["messages"],
        "max_tokens": 64,
        "stream": True,
    }
    assert client.closed == 1


@pytest.mark.parametrize("name", ["tool-call-stream", "stream"])
async def test_a_stream_cut_short_anywhere_never_ends_well(
    play_back: PlayBack, a_call: MakeCall, recorded: Recorded, name: str
) -> None:
    stream, call = recorded(name), a_call(stream=True)
    for end in range(len(stream)):
        client = play_back(stream[:end])
        events: list[StreamEvent] = []
        with pytest.raises(UpstreamGarbled, match="broke off"):
            await collect(anthropic.create(client).stream(call), events)
        assert not [event for event in events if isinstance(event, Finish | UsageReport)]
        assert client.closed == 1


@pytest.mark.parametrize("ending", ["\r\n", "\r"])
async def test_lines_may_end_as_the_standard_allows(
    play_back: PlayBack, a_call: MakeCall, recorded: Recorded, ending: str
) -> None:
    stream = recorded("tool-call-stream").replace(b"\n", ending.encode())
    assert await collect(anthropic.create(play_back(stream)).stream(a_call(stream=True))) == TOOLS_EVENTS


async def test_an_error_in_mid_stream_is_one_and_not_quoted(
    play_back: PlayBack, a_call: MakeCall, recorded: Recorded
) -> None:
    whole = recorded("stream")
    error = b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"PRIVATE"}}\n\n'
    client = play_back(whole[: whole.index(b"event: content_block_stop")] + error)
    events: list[StreamEvent] = []
    with pytest.raises(UpstreamOverloaded) as caught:
        await collect(anthropic.create(client).stream(a_call(stream=True)), events)
    assert events[-1] == TextDelta(choice=0, text=" liegt am See.")
    assert "PRIVATE" not in str(caught.value)
    assert client.closed == 1


@pytest.mark.parametrize("data", [b"{}", b'{"type": "message_stop"}', b'{"error": 1}'])
async def test_an_event_that_is_called_an_error_is_one_whatever_it_says(
    play_back: PlayBack, a_call: MakeCall, data: bytes
) -> None:
    with pytest.raises(UpstreamFailed):
        await collect(anthropic.create(play_back(b"event: error\ndata: " + data + b"\n\n")).stream(a_call(stream=True)))


async def test_an_event_of_another_shape_makes_the_stream_garbled(
    play_back: PlayBack, a_call: MakeCall, recorded: Recorded
) -> None:
    start = recorded("stream").partition(b"\n\n")[0] + b"\n\n"
    for event in (b"data: no JSON\n\n", b"data: []\n\n", b'data: {"type": "content_block_delta"}\n\n'):
        with pytest.raises(UpstreamGarbled, match="not the protocol's"):
            await collect(anthropic.create(play_back(start + event)).stream(a_call(stream=True)))


async def test_what_comes_after_the_end_is_not_read(play_back: PlayBack, a_call: MakeCall, recorded: Recorded) -> None:
    stream = recorded("tool-call-stream")
    for parts in ((stream + b"data: no JSON\n\n",), (stream, b"more")):
        assert await collect(anthropic.create(play_back(*parts)).stream(a_call(stream=True))) == TOOLS_EVENTS
    broken = play_back(stream, breaks=UpstreamGarbled("cut", target="primary"))
    assert await collect(anthropic.create(broken).stream(a_call(stream=True))) == TOOLS_EVENTS


async def test_a_reader_that_stops_closes_the_exchange(
    play_back: PlayBack, a_call: MakeCall, recorded: Recorded
) -> None:
    client = play_back(recorded("tool-call-stream"))
    events = anthropic.create(client).stream(a_call(stream=True))
    assert isinstance(events, AsyncGenerator)
    async with aclosing(events):
        assert await anext(events) == TOOLS_EVENTS[0]
        assert client.closed == 0
    assert client.closed == 1


def test_what_cannot_be_said_is_refused_before_anything_is_sent(a_call: MakeCall) -> None:
    call = a_call()
    anthropic.refuse_unsayable(call.target, call.layout, call.options)
    with pytest.raises(NotSayable) as caught:
        anthropic.refuse_unsayable(call.target, call.layout, Options(values={"seed": 1}))
    assert caught.value.param == "seed"
