"""What is particular to OpenAI's wire: choices, endings, ``[DONE]``, and errors in answers that began well."""

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Protocol

import orjson
import pytest

from adapters.registry import provider_named
from gateway.domain.errors import (
    UpstreamError,
    UpstreamFailed,
    UpstreamGarbled,
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
from gateway.domain.target import Endpoint


class Sent(Protocol):
    url: str


class Playback(UpstreamClient, Protocol):
    sent: list[Sent]


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


@pytest.fixture(params=["openai_compatible", "embedded", "azure", "litellm"])
def create(request: pytest.FixtureRequest) -> Create:
    name: str = request.param
    return lambda client: provider_named(name, client)


@pytest.fixture(params=["openai_compatible", "embedded", "bedrock"])
def lenient(request: pytest.FixtureRequest) -> Create:
    """Makes a provider whose servers may leave ``[DONE]`` out."""
    name: str = request.param
    return lambda client: provider_named(name, client)


async def collect(events: AsyncIterator[Sequence[StreamEvent]]) -> list[StreamEvent]:
    return [one async for together in events for one in together]


async def test_completions_go_to_their_own_route(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    client = play_back({"choices": [{"text": "a", "finish_reason": "stop"}]})
    reply = await create(client).send(make_call(endpoint=Endpoint.COMPLETIONS, body={"prompt": "p"}))
    assert reply.choices[0].text == "a"
    assert client.sent[0].url == "http://model.test/v1/completions"


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


async def test_a_stream_is_whole_once_its_choices_are(
    lenient: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    for end in range(ENDED, len(STREAM)):
        events = await collect(lenient(play_back(STREAM[:end])).stream(make_call(stream=True)))
        assert events in (EVENTS, EVENTS[:-1])


async def test_azures_stream_is_whole_only_once_nothing_can_overrule_its_endings(
    play_back: PlayBack, make_call: MakeCall
) -> None:
    azure = provider_named("azure", play_back(STREAM.removesuffix(DONE)))
    events = azure.stream(make_call(stream=True))
    assert await anext(events) == EVENTS[:-2]
    with pytest.raises(UpstreamGarbled, match="broke off"):
        await anext(events)


async def test_without_done_every_choice_that_was_asked_for_must_have_ended(
    lenient: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    one, other = (event({"index": at, "delta": {"content": "a"}, "finish_reason": "stop"}) for at in (0, 1))
    call = make_call(stream=True, values={"n": 2})
    with pytest.raises(UpstreamGarbled, match="broke off"):
        await collect(lenient(play_back(one)).stream(call))
    assert len(await collect(lenient(play_back(one, other)).stream(call))) == 5


async def test_done_without_an_ending_is_no_ending(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    stream = event({"index": 0, "delta": {"content": "a"}}) + DONE
    events = create(play_back(stream)).stream(make_call(stream=True))
    assert await anext(events) == [EVENTS[0], TextDelta(choice=0, text="a")]
    with pytest.raises(UpstreamGarbled, match="broke off"):
        await anext(events)


async def test_what_one_read_held_before_trouble_is_told_before_it(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    for before, told in ((b"", []), (event({"index": 0, "delta": {"content": "a"}}), [TextDelta(choice=0, text="a")])):
        stream = event({"index": 0, "delta": {}}) + before + b"data: no\n\n"
        events = create(play_back(stream)).stream(make_call(stream=True))
        assert await anext(events) == [EVENTS[0], *told]
        with pytest.raises(UpstreamGarbled, match="JSON"):
            await anext(events)


@pytest.mark.rows
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


async def test_what_comes_after_done_is_not_read(create: Create, play_back: PlayBack, make_call: MakeCall) -> None:
    for tail in ((), (b"more",)):
        client = play_back(STREAM + b"data: {}\n\n", *tail)
        assert await collect(create(client).stream(make_call(stream=True))) == EVENTS


async def test_trouble_after_done_does_not_spoil_the_answer(
    create: Create, play_back: PlayBack, make_call: MakeCall
) -> None:
    client = play_back(STREAM, breaks=UpstreamGarbled("cut", target="primary"))
    assert await collect(create(client).stream(make_call(stream=True))) == EVENTS


@pytest.mark.rows
@pytest.mark.parametrize(
    ("name", "process"),
    [
        ("embedded", "the embedded model"),
        ("litellm", "the litellm process"),
        ("bedrock", "the litellm process"),
    ],
)
async def test_providers_that_need_a_socket_say_so(
    play_back: PlayBack, make_call: MakeCall, name: str, process: str
) -> None:
    client = play_back(ANSWER)
    provider = provider_named(name, client)
    with pytest.raises(UpstreamUnreachable, match=f"{process} has no socket.*splitgate serve"):
        await provider.send(make_call(socket=None))
    with pytest.raises(UpstreamUnreachable, match=f"{process} has no socket"):
        await collect(provider.stream(make_call(socket=None, stream=True)))
    assert client.sent == []
    assert await provider_named("openai_compatible", client).send(make_call(socket=None)) == REPLY
