"""What is Anthropic's own in its exchanges; what every provider must do is in the contract."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import orjson
import pytest

from adapters.providers import anthropic
from gateway.domain.errors import (
    NotSayable,
    UpstreamFailed,
    UpstreamGarbled,
    UpstreamOverloaded,
)
from gateway.domain.exchange import (
    Finish,
    ReasoningDelta,
    ReasoningSealed,
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
from gateway.domain.prompt import Seal
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

TOOLS_USAGE = Usage(
    input_tokens=1320,
    output_tokens=60,
    details={
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
        "prompt_tokens_details": {"cached_tokens": 1000, "cache_write_tokens": 300},
        "completion_tokens_details": {"reasoning_tokens": 17},
    },
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
    UsageReport(usage=TOOLS_USAGE),
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


async def collect(
    events: AsyncIterator[Sequence[StreamEvent]], into: list[StreamEvent] | None = None
) -> list[StreamEvent]:
    found = [] if into is None else into
    async for together in events:
        found += together
    return found


async def test_a_target_chooses_the_apis_version_and_may_have_no_key(
    play_back: PlayBack, a_call: MakeCall, recorded: Recorded
) -> None:
    client, call = play_back(recorded("whole")), a_call(api_key=None)
    await anthropic.create(client).send(replace(call, target=replace(call.target, api_version="2026-10-21")))
    assert client.sent[0].headers["anthropic-version"] == "2026-10-21"
    assert not {"x-api-key", "authorization"} & set(client.sent[0].headers)


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


def test_what_cannot_be_said_is_refused_before_anything_is_sent(a_call: MakeCall) -> None:
    call = a_call()
    anthropic.refuse_unsayable(call.target, call.layout, call.options)
    with pytest.raises(NotSayable) as caught:
        anthropic.refuse_unsayable(call.target, call.layout, Options(values={"seed": 1}))
    assert caught.value.param == "seed"
