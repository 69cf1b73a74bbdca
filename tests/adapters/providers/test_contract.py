"""What every provider of the OpenAI wire must do, played back from exchanges in the documented shapes."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Protocol

import orjson
import pytest

from adapters.providers import embedded, openai_compatible
from gateway.domain.address import Addresses
from gateway.domain.errors import (
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
from gateway.domain.ports import Call, Provider, UpstreamClient
from gateway.domain.target import Endpoint, Timeouts


class Sent(Protocol):
    method: str
    url: str
    target: str
    headers: dict[str, str]
    body: JsonValue
    socket: str | None
    addresses: Addresses
    timeouts: Timeouts


class Playback(UpstreamClient, Protocol):
    sent: list[Sent]
    closed: int


PlayBack = Callable[..., Playback]
MakeCall = Callable[..., Call]
Create = Callable[[UpstreamClient], Provider]

ANSWER: JsonObject = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 5,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10},
}
REPLY = Reply(
    id="chatcmpl-1",
    model="m",
    created=5,
    choices=(Choice(index=0, text="Hi", finish_reason="stop"),),
    usage=Usage(input_tokens=9, output_tokens=1, details={"total_tokens": 10}),
)


def event(*choices: JsonObject, **fields: JsonValue) -> bytes:
    return b"data: " + orjson.dumps({"id": "c", "created": 5, "model": "m", "choices": choices, **fields}) + b"\n\n"


DONE = b"data: [DONE]\n\n"
STREAM = b"".join([
    b": keep-alive\r\n\r\n",
    event({"index": 0, "delta": {"role": "assistant", "content": ""}}),
    event({"index": 0, "delta": {"content": "Zürich 🏔"}}),
    event({
        "index": 0,
        "delta": {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"é'}}]},
    }),
    event({"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '":1}'}}]}}),
    event({"index": 0, "delta": {}, "finish_reason": "tool_calls"}),
    event(usage={"prompt_tokens": 9, "completion_tokens": 4}),
    DONE,
])  # fmt: skip
# Where the last choice has come to its end.
ENDED = (
    STREAM.index(b'"finish_reason":"tool_calls"')
    + STREAM[STREAM.index(b'"finish_reason":"tool_calls"') :].index(b"\n\n")
    + 2
)
EVENTS: list[StreamEvent] = [
    Started(id="c", model="m", created=5),
    TextDelta(choice=0, text="Zürich 🏔"),
    ToolCallStarted(choice=0, index=0, id="a", name="f"),
    ToolCallDelta(choice=0, index=0, arguments='{"é'),
    ToolCallDelta(choice=0, index=0, arguments='":1}'),
    Finish(choice=0, reason="tool_calls"),
    UsageReport(usage=Usage(input_tokens=9, output_tokens=4)),
]


@pytest.fixture(params=[openai_compatible.create, embedded.create], ids=["openai_compatible", "embedded"])
def create(request: pytest.FixtureRequest) -> Create:
    chosen: Create = request.param
    return chosen


async def collect(events: AsyncIterator[StreamEvent]) -> list[StreamEvent]:
    return [one async for one in events]


async def test_a_call_carries_the_targets_head_and_nothing_else(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    client = play_back(ANSWER)
    call = make_call(headers={"X-Team": "a", "User-Agent": "ours"})
    assert await create(client).send(call) == REPLY
    sent = client.sent[0]
    assert (sent.method, sent.url, sent.target) == ("POST", "http://model.test/v1/chat/completions", "primary")
    assert sent.socket == "/run/model.sock"
    assert sent.addresses == call.target.addresses == Addresses(networks=("10.20.0.0/16",))
    assert sent.timeouts == call.target.timeouts
    assert sent.headers == {
        "content-type": "application/json",
        "accept": "application/json",
        "accept-encoding": "identity",
        "authorization": "Bearer sk-upstream",
        "user-agent": "ours",
        "x-team": "a",
        "x-request-id": "req-1",
    }
    assert sent.body == orjson.loads(create(client).serialise(call))
    assert client.closed == 1


async def test_a_target_without_a_key_sends_no_authorization(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    client = play_back(ANSWER)
    await create(client).send(make_call(api_key=None))
    assert "authorization" not in client.sent[0].headers


async def test_completions_go_to_their_own_route(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    client = play_back({"choices": [{"text": "a", "finish_reason": "stop"}]})
    reply = await create(client).send(make_call(endpoint=Endpoint.COMPLETIONS, body={"prompt": "p"}))
    assert reply.choices[0].text == "a"
    assert client.sent[0].url == "http://model.test/v1/completions"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'"x"', b'{"choices": []}', b'{"choices": [{}]}', b'{"a": NaN}', b"\xff\xfe", b"{"],
)
async def test_an_answer_of_another_shape_is_garbled(
    create: Create, play_back: PlayBack, make_call: MakeCall, body: bytes
) -> None:
    with pytest.raises(UpstreamGarbled, match="not the protocol's") as caught:
        await create(play_back(body)).send(make_call())
    assert caught.value.target == "primary"


async def test_only_the_choices_that_were_asked_for_are_taken(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    many: list[JsonValue] = [{"message": {"content": "a"}, "finish_reason": "stop"}] * 3
    assert len((await create(play_back({"choices": many})).send(make_call(values={"n": 3}))).choices) == 3
    pieces = [event({"index": at, "delta": {"content": "a"}, "finish_reason": "stop"}) for at in range(3)]
    for values in ({}, {"n": 2}):
        with pytest.raises(UpstreamGarbled, match="asked for"):
            await create(play_back({"choices": many})).send(make_call(values=values))
        with pytest.raises(UpstreamGarbled, match="asked for"):
            await collect(create(play_back(*pieces, DONE)).stream(make_call(stream=True, values=values)))


async def test_an_error_with_status_200_is_a_failure(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    with pytest.raises(UpstreamFailed) as caught:
        await create(play_back({"error": {"message": "private"}})).send(make_call())
    assert "private" not in str(caught.value)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, UpstreamRejected),
        (401, UpstreamFailed),
        (404, UpstreamFailed),
        (429, UpstreamOverloaded),
        (500, UpstreamFailed),
        (307, UpstreamFailed),
        (503, UpstreamOverloaded),
    ],
)
async def test_refusals_have_the_same_class_streamed_or_not(
    create: Create,
    play_back: PlayBack,
    make_call: MakeCall,
    status: int,
    kind: type[UpstreamError],
    *,
    stream: bool,
) -> None:
    provider = create(play_back({"error": {"message": "private"}}, status=status))
    call = make_call(stream=stream)
    with pytest.raises(kind) as caught:
        _ = await (collect(provider.stream(call)) if stream else provider.send(call))
    assert "private" not in str(caught.value)
    assert caught.value.target == "primary"


async def test_a_refusal_whose_body_breaks_off_is_still_told_by_its_status(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    client = play_back(b"{", status=400, breaks=UpstreamGarbled("cut", target="primary"))
    with pytest.raises(UpstreamRejected):
        await create(client).send(make_call())


async def test_an_encoded_answer_is_garbled(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    with pytest.raises(UpstreamGarbled, match="compressed"):
        await create(play_back(ANSWER, headers={"content-encoding": "gzip"})).send(make_call())
    assert await create(play_back(ANSWER, headers={"content-encoding": "identity"})).send(make_call()) == REPLY


@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnreachable("u", target="primary"),
        UpstreamTimeout("t", target="primary", phase="idle"),
        UpstreamGarbled("g", target="primary"),
    ],
)
async def test_transport_errors_pass_unchanged(
    create: Create, play_back: PlayBack, make_call: MakeCall, error: UpstreamError
) -> None:
    with pytest.raises(type(error)) as sent:
        await create(play_back(breaks=error)).send(make_call())
    with pytest.raises(type(error)) as streamed:
        await collect(create(play_back(breaks=error)).stream(make_call(stream=True)))
    assert sent.value is error
    assert streamed.value is error


async def test_a_stream_is_read_whatever_its_cuts(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    call = make_call(stream=True)
    for cut in range(len(STREAM)):
        assert await collect(create(play_back(STREAM[:cut], STREAM[cut:])).stream(call)) == EVENTS
    single = [STREAM[at : at + 1] for at in range(len(STREAM))]
    client = play_back(*single)
    assert await collect(create(client).stream(call)) == EVENTS
    assert client.sent[0].headers["accept"] == "text/event-stream"
    assert client.closed == 1


async def test_a_stream_cut_short_anywhere_never_ends_well(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    call = make_call(stream=True)
    # Without its very last byte the event that ends the choice is complete but for a blank line: it is no event yet.
    for end in range(ENDED):
        client = play_back(STREAM[:end])
        with pytest.raises(UpstreamGarbled, match="broke off"):
            await collect(create(client).stream(call))
        assert client.closed == 1


async def test_a_stream_is_whole_once_its_choices_are(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    for end in range(ENDED, len(STREAM)):
        events = await collect(create(play_back(STREAM[:end])).stream(make_call(stream=True)))
        assert events in (EVENTS, EVENTS[:-1])


async def test_without_done_every_choice_that_was_asked_for_must_have_ended(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    one, other = (event({"index": at, "delta": {"content": "a"}, "finish_reason": "stop"}) for at in (0, 1))
    call = make_call(stream=True, values={"n": 2})
    with pytest.raises(UpstreamGarbled, match="broke off"):
        await collect(create(play_back(one)).stream(call))
    assert len(await collect(create(play_back(one, other)).stream(call))) == 5


async def test_done_without_an_ending_is_no_ending(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    stream = event({"index": 0, "delta": {"content": "a"}}) + DONE
    events = create(play_back(stream)).stream(make_call(stream=True))
    assert [await anext(events), await anext(events)] == [EVENTS[0], TextDelta(choice=0, text="a")]
    with pytest.raises(UpstreamGarbled, match="broke off"):
        await anext(events)


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        (b'data: {"error": {"message": "private"}}\n\n', UpstreamFailed),
        (b'event: error\ndata: {"message": "private"}\n\n', UpstreamFailed),
        (b"data: not json, private\n\n", UpstreamGarbled),
        (b'data: {"choices": 1}\n\n', UpstreamGarbled),
        (b"data: \xff\n\n", UpstreamGarbled),
        (b"data: " + b"x" * (1 << 20) + b"\n\n", UpstreamGarbled),
    ],
)
async def test_trouble_in_the_stream_is_an_error_at_once(
    create: Create, play_back: PlayBack, make_call: MakeCall, part: bytes, kind: type[UpstreamError]
) -> None:
    for before in (b"", event({"index": 0, "delta": {"content": "a"}})):
        with pytest.raises(kind) as caught:
            await collect(create(play_back(before, part, DONE)).stream(make_call(stream=True)))
        assert "private" not in str(caught.value)


async def test_an_answer_that_is_no_event_stream_is_garbled(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    client = play_back(ANSWER, headers={"content-type": "application/json"})
    with pytest.raises(UpstreamGarbled, match="server-sent events"):
        await collect(create(client).stream(make_call(stream=True)))


async def test_what_comes_after_done_is_not_read(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    for tail in ((), (b"more",)):
        client = play_back(STREAM + b"data: {}\n\n", *tail)
        assert await collect(create(client).stream(make_call(stream=True))) == EVENTS


async def test_trouble_after_done_does_not_spoil_the_answer(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    client = play_back(STREAM, breaks=UpstreamGarbled("cut", target="primary"))
    assert await collect(create(client).stream(make_call(stream=True))) == EVENTS


async def test_a_reader_that_stops_closes_the_exchange(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    client = play_back(STREAM)
    events = create(client).stream(make_call(stream=True))
    assert isinstance(events, AsyncGenerator)
    async with aclosing(events):
        assert await anext(events) == EVENTS[0]
        assert client.closed == 0
    assert client.closed == 1


async def test_the_embedded_provider_needs_a_socket(play_back: PlayBack, make_call: MakeCall) -> None:
    client = play_back(ANSWER)
    with pytest.raises(UpstreamUnreachable, match="no socket"):
        await embedded.create(client).send(make_call(socket=None))
    with pytest.raises(UpstreamUnreachable, match="no socket"):
        await collect(embedded.create(client).stream(make_call(socket=None, stream=True)))
    assert client.sent == []
    assert await openai_compatible.create(client).send(make_call(socket=None)) == REPLY
