"""What every provider must make of its vendor's answers: each exchange in ``recordings/`` is played back."""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import orjson
import pytest

from adapters.registry import PROVIDERS, provider_named
from gateway.domain import errors
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
from gateway.domain.exchange import StreamEvent, UsageReport
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.ports import Call, Provider, UpstreamClient
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Layout, Secret, Target, Timeouts

RECORDINGS = Path(__file__).with_name("recordings")
REQUIRED = {"whole", "tool-call", "stream", "tool-call-stream", "refused", "wrong-key", "unknown-model", "no-room"} | {
    "failed"
}
ALLOWED = Addresses(networks=("10.20.0.0/16",))


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


@dataclass(frozen=True, kw_only=True)
class Recording:
    """One exchange, as its file tells it."""

    provider: str
    name: str
    told: dict[str, Any]
    call: Call
    stream: bytes | None

    @property
    def body(self) -> bytes:
        return orjson.dumps(self.told["answered"]["body"]) if self.stream is None else self.stream


def _call(told: dict[str, Any], target: dict[str, Any]) -> Call:
    given: dict[str, Any] = {"id": "primary", "format": "plain", "family": "all", **target, **told.get("target", {})}
    key = given.pop("api_key")
    asked = dict(told["call"])
    body, endpoint = asked.pop("body"), Endpoint(asked.pop("endpoint", "chat/completions"))
    return Call(
        id="req-1",
        target=Target(provider="recorded", addresses=ALLOWED, api_key=None if key is None else Secret(key), **given),
        layout=Layout(format="plain", endpoint=endpoint, body=body, isolation=Isolation.NONE),
        options=Options(**asked),
    )


def _recording(path: Path) -> Recording:
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    target: dict[str, Any] = json.loads(path.with_name("target.json").read_text(encoding="utf-8"))
    stream = path.with_suffix(".sse")
    return Recording(
        provider=path.parent.name,
        name=path.stem,
        told=told,
        call=_call(told, target),
        stream=stream.read_bytes() if stream.exists() else None,
    )


ALL = [_recording(path) for path in sorted(RECORDINGS.glob("*/*.json")) if path.stem != "target"]
STREAMS = [recording for recording in ALL if recording.stream is not None]
WHOLE = [recording for recording in ALL if recording.name == "whole"]
STREAMED = [recording for recording in STREAMS if recording.name == "stream"]


def each(recordings: list[Recording]) -> pytest.MarkDecorator:
    ids = [f"{recording.provider}-{recording.name}" for recording in recordings]
    return pytest.mark.parametrize("recording", recordings, ids=ids)


def said(value: object) -> Any:
    """A value of the domain as JSON, less what has its default; classes that stand for events or errors by name."""
    if isinstance(value, tuple):
        items: tuple[object, ...] = value  # pyright: ignore[reportUnknownVariableType]
        return [said(item) for item in items]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    known = {field.name: getattr(value, field.name) for field in fields(value) if not _is_default(value, field.name)}
    return {name: said(held) for name, held in known.items()}


def _is_default(value: object, name: str) -> bool:
    (field,) = [field for field in fields(value) if field.name == name]  # type: ignore[reportArgumentType]
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    return getattr(value, name) == default


def event_said(event: StreamEvent) -> dict[str, Any]:
    return {"is": type(event).__name__, **said(event)}


async def collect(events: AsyncIterator[Sequence[StreamEvent]]) -> list[StreamEvent]:
    return [event async for together in events for event in together]


def provider(recording: Recording, client: UpstreamClient) -> Provider:
    return provider_named(recording.provider, client)


def streaming(recording: Recording) -> Call:
    return replace(recording.call, options=replace(recording.call.options, stream=True))


def play(recording: Recording, play_back: PlayBack, *parts: bytes) -> Playback:
    answered = recording.told["answered"]
    return play_back(*(parts or (recording.body,)), status=answered["status"], headers=answered["headers"])


def test_every_provider_of_the_registry_is_recorded() -> None:
    recorded = {name: {one.name for one in ALL if one.provider == name} for name in PROVIDERS}
    assert {name: REQUIRED - found for name, found in recorded.items()} == {name: set[str]() for name in PROVIDERS}
    assert {path.name for path in RECORDINGS.iterdir() if path.is_dir()} == set(PROVIDERS)


def test_a_recording_says_what_becomes_of_it_in_one_way() -> None:
    for recording in ALL:
        ends = {"reply", "events", "error"} & recording.told.keys()
        assert len(ends) == 1, recording.name
        assert recording.call.options.stream is (recording.stream is not None), recording.name
        assert recording.told.keys() <= {"about", "target", "call", "sent", "answered", *ends}, recording.name


@pytest.mark.rows
@each([recording for recording in ALL if "sent" in recording.told])
async def test_a_request_is_the_recorded_one_and_carries_nothing_else(
    recording: Recording, play_back: PlayBack
) -> None:
    client = play(recording, play_back)
    call = recording.call
    maker = provider(recording, client)
    await (collect(maker.stream(call)) if call.options.stream else maker.send(call))  # type: ignore[reportGeneralTypeIssues]
    (sent,) = client.sent
    wanted = recording.told["sent"]
    assert (sent.method, sent.url, sent.target) == ("POST", wanted["url"], "primary")
    assert (sent.socket, sent.timeouts) == (call.target.socket, call.target.timeouts)
    assert sent.addresses == call.target.addresses == ALLOWED
    assert sent.headers == {
        "content-type": "application/json",
        "accept": "text/event-stream" if call.options.stream else "application/json",
        "accept-encoding": "identity",
        "user-agent": "splitgate",
        "x-request-id": "req-1",
        **wanted["headers"],
    }
    assert sent.body == wanted["body"] == orjson.loads(maker.serialise(call))
    assert client.closed == 1


@pytest.mark.rows
@each([recording for recording in ALL if "reply" in recording.told])
async def test_a_whole_answer_becomes_the_recorded_reply(recording: Recording, play_back: PlayBack) -> None:
    reply = await provider(recording, play(recording, play_back)).send(recording.call)
    assert said(reply) == recording.told["reply"]


# One place in three of a recorded stream; in the long form every one.
places = pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.exhaustive)])


@pytest.mark.rows
@places
@each(STREAMS)
async def test_a_stream_becomes_the_recorded_events_whatever_its_cuts(
    recording: Recording, play_back: PlayBack, step: int
) -> None:
    body = recording.body
    for cut in range(0, len(body), step):
        client = play(recording, play_back, body[:cut], body[cut:])
        events = await collect(provider(recording, client).stream(recording.call))
        assert [event_said(event) for event in events] == recording.told["events"], cut
    single = [body[at : at + 1] for at in range(len(body))]
    client = play(recording, play_back, *single)
    events = await collect(provider(recording, client).stream(recording.call))
    assert [event_said(event) for event in events] == recording.told["events"]
    assert client.closed == 1


@pytest.mark.rows
@places
@each(STREAMS)
async def test_a_stream_that_breaks_off_anywhere_is_an_error_or_lacks_but_its_count(
    recording: Recording, play_back: PlayBack, step: int
) -> None:
    body, wanted = recording.body, recording.told["events"]
    counted = [event for event in wanted if event["is"] != UsageReport.__name__]
    survived = 0
    for end in range(0, len(body), step):
        client = play(recording, play_back, body[:end])
        seen: list[StreamEvent] = []
        try:
            async for together in provider(recording, client).stream(recording.call):
                seen += together
        except UpstreamGarbled:
            assert all(event_said(event) in wanted for event in seen)
        else:
            survived += 1
            assert [event_said(event) for event in seen] in (wanted, counted), end
        assert client.closed == 1
    # What may be missing is behind the last ending: never the greater part.
    assert survived < len(body) / step / 2


@pytest.mark.rows
@each([recording for recording in ALL if "error" in recording.told])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_becomes_the_recorded_error_streamed_or_not(
    recording: Recording, play_back: PlayBack, *, stream: bool
) -> None:
    maker = provider(recording, play(recording, play_back))
    wanted = dict(recording.told["error"])
    part = wanted.pop("says", "")
    with pytest.raises(getattr(errors, wanted.pop("is"))) as caught:
        _ = await (collect(maker.stream(streaming(recording))) if stream else maker.send(recording.call))
    assert {name: getattr(caught.value, name) for name in wanted} == wanted
    assert part in str(caught.value)
    assert "PRIVATE" not in str(caught.value)
    assert caught.value.target == "primary"


STATUSES: list[tuple[int, type[UpstreamError]]] = [
    (400, UpstreamRejected),
    (401, UpstreamFailed),
    (403, UpstreamFailed),
    (404, UpstreamFailed),
    (429, UpstreamOverloaded),
    (500, UpstreamFailed),
    (307, UpstreamFailed),
    (503, UpstreamOverloaded),
]


@pytest.mark.rows
@each(WHOLE)
@pytest.mark.parametrize(("status", "kind"), STATUSES)
@pytest.mark.parametrize("body", [b"", b"<html>PRIVATE", b'{"error": "PRIVATE"}', b"\xff", b'[{"PRIVATE": 1'])
async def test_a_refusal_is_told_by_its_status_whatever_its_body(
    recording: Recording, play_back: PlayBack, status: int, kind: type[UpstreamError], body: bytes
) -> None:
    call = recording.call
    for breaks in (None, UpstreamGarbled("cut", target="primary")):
        maker = provider(recording, play_back(body, status=status, breaks=breaks))
        for attempt in (maker.send(call), collect(maker.stream(streaming(recording)))):
            with pytest.raises(kind) as caught:
                await attempt
            assert "PRIVATE" not in str(caught.value)


@pytest.mark.rows
@each(WHOLE)
@pytest.mark.parametrize("body", [b"", b"<html>PRIVATE", b"[]", b'"PRIVATE"', b"{}", b'{"a": NaN}', b"\xff\xfe", b"{"])
async def test_an_answer_of_another_shape_is_garbled(recording: Recording, play_back: PlayBack, body: bytes) -> None:
    with pytest.raises(UpstreamGarbled, match="not the protocol's") as caught:
        await provider(recording, play(recording, play_back, body)).send(recording.call)
    assert "PRIVATE" not in str(caught.value)


@pytest.mark.rows
@each(STREAMED)
@pytest.mark.parametrize(
    "part", [b"data: not json, PRIVATE\n\n", b"data: \xff\n\n", b"data: []\n\n", b"data: " + b"x" * (1 << 20) + b"\n\n"]
)
async def test_garbage_in_a_stream_is_an_error_at_once(recording: Recording, play_back: PlayBack, part: bytes) -> None:
    gap = recording.body.index(b"\n\n") + 2
    for before in (0, gap):
        parts = (recording.body[:before], part, recording.body[before:])
        with pytest.raises(UpstreamGarbled) as caught:
            await collect(provider(recording, play(recording, play_back, *parts)).stream(recording.call))
        assert "PRIVATE" not in str(caught.value)


@pytest.mark.rows
@each(STREAMED)
async def test_an_answer_that_is_no_event_stream_is_garbled(recording: Recording, play_back: PlayBack) -> None:
    client = play_back(recording.body, headers={"content-type": "application/json"})
    with pytest.raises(UpstreamGarbled, match="server-sent events"):
        await collect(provider(recording, client).stream(recording.call))


@pytest.mark.rows
@each(WHOLE)
async def test_an_encoded_answer_is_garbled(recording: Recording, play_back: PlayBack) -> None:
    with pytest.raises(UpstreamGarbled, match="compressed"):
        await provider(recording, play_back(recording.body, headers={"content-encoding": "gzip"})).send(recording.call)


@pytest.mark.rows
@each(WHOLE)
@pytest.mark.parametrize(
    "error",
    [
        UpstreamUnreachable("u", target="primary"),
        UpstreamTimeout("t", target="primary", phase="idle"),
        UpstreamGarbled("g", target="primary"),
    ],
)
async def test_transport_errors_pass_unchanged(recording: Recording, play_back: PlayBack, error: UpstreamError) -> None:
    for streamed in (False, True):
        maker = provider(recording, play_back(breaks=error))
        with pytest.raises(type(error)) as caught:
            _ = await (collect(maker.stream(streaming(recording))) if streamed else maker.send(recording.call))
        assert caught.value is error


@pytest.mark.rows
@each(STREAMED)
async def test_a_reader_that_stops_closes_the_exchange(recording: Recording, play_back: PlayBack) -> None:
    client = play(recording, play_back)
    events = provider(recording, client).stream(recording.call)
    assert isinstance(events, AsyncGenerator)
    async with aclosing(events):
        assert event_said((await anext(events))[0]) == recording.told["events"][0]
        assert client.closed == 0
    assert client.closed == 1


@pytest.mark.rows
@each(WHOLE)
async def test_headers_of_the_configuration_win_and_no_key_sends_no_credential(
    recording: Recording, play_back: PlayBack
) -> None:
    client = play(recording, play_back)
    call = recording.call
    target = replace(call.target, api_key=None, headers={"X-Team": "a", "User-Agent": "ours"})
    await provider(recording, client).send(replace(call, target=target, trace="00-aa-bb-01"))
    assert (client.sent[0].headers["x-team"], client.sent[0].headers["user-agent"]) == ("a", "ours")
    assert client.sent[0].headers["traceparent"] == "00-aa-bb-01"
    assert "planted-key" not in str(client.sent[0].headers)
