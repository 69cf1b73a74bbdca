import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import APIError, BadRequestError, OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.shared import ErrorObject

from gateway.dialects import openai_chat
from gateway.domain.errors import InvalidField, UnknownModel, UpstreamOverloaded, UpstreamRejected, UpstreamTimeout
from gateway.domain.exchange import (
    Choice,
    Finish,
    Handling,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    Started,
    StreamEvent,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.jsonvalue import JsonObject

STARTED = Started(id="up-1", model="upstream-name", created=1700000001, extra={"system_fingerprint": "fp", "secret": 1})
LOGPROBS = {"content": [{"token": "H", "logprob": -0.1, "bytes": [72], "top_logprobs": []}], "refusal": None}


def payloads(stream: bytes) -> list[bytes]:
    """The data of each event."""
    events = stream.split(b"\n\n")
    assert events.pop() == b""
    assert all(event.startswith(b"data: ") and b"\n" not in event for event in events)
    return [event[6:] for event in events]


def chunks(stream: bytes) -> list[ChatCompletionChunk]:
    return [
        ChatCompletionChunk.model_validate_json(data, strict=True) for data in payloads(stream) if data != b"[DONE]"
    ]


def told(events: list[StreamEvent], handling: Handling, *, include_usage: bool = False) -> bytes:
    writer = openai_chat.StreamWriter(handling, include_usage=include_usage)
    return b"".join(map(writer.feed, events)) + writer.finish()


def test_a_reply_is_a_chat_completion(reply: Reply, handling: Handling) -> None:
    written = openai_chat.write(reply, handling)
    read = ChatCompletion.model_validate_json(written, strict=True)
    assert read.model == "support"
    assert read.id == "chatcmpl-1"
    assert read.created == 1700000001
    assert read.system_fingerprint == "fp"
    assert read.service_tier == "default"
    first, second = read.choices
    assert first.message.content == "Hello"
    assert first.finish_reason == "tool_calls"
    assert first.message.tool_calls
    assert first.logprobs
    assert (second.index, second.message.content, second.message.refusal) == (1, None, "No.")
    assert read.usage
    assert (read.usage.prompt_tokens, read.usage.completion_tokens, read.usage.total_tokens) == (3, 5, 8)
    raw = orjson.loads(written)
    assert raw["choices"][0]["message"]["reasoning_content"] == "Hm."
    assert raw["choices"][0]["message"]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"a": 1}'}}
    ]
    assert raw["usage"]["completion_tokens_details"] == {"reasoning_tokens": 1}


def test_what_only_the_upstream_should_know_stays_behind(reply: Reply, handling: Handling) -> None:
    written = openai_chat.write(reply, handling)
    for inner in (b"upstream-name", b"upstream_only", b"secret"):
        assert inner not in written


def test_counts_are_told_as_the_upstream_has_them(handling: Handling) -> None:
    choice = Choice(index=0, text="x", finish_reason="stop")
    usage = Usage(input_tokens=3, output_tokens=5, details={"total_tokens": 11, "cost": 0.1})
    body = orjson.loads(openai_chat.write(Reply(id="", model="", created=0, choices=(choice,), usage=usage), handling))
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 5, "total_tokens": 11, "cost": 0.1}


@pytest.mark.parametrize("include_usage", [True, False])
def test_moderation_has_a_late_chunk_of_its_own(handling: Handling, *, include_usage: bool) -> None:
    moderation: JsonObject = {"input": {"type": "error", "code": "c", "message": "m"}}
    report = UsageReport(usage=None, extra={"moderation": moderation, "other": "secret"})
    finish = Finish(choice=0, reason="stop")
    last = orjson.loads(payloads(told([STARTED, finish, report], handling, include_usage=include_usage))[-2])
    assert (last["choices"], last["moderation"], "other" in last) == ([], moderation, False)
    assert ("usage" in last) is include_usage


def test_the_upstreams_code_is_the_code() -> None:
    rejected = UpstreamRejected("m", target="t", status=400, reason="context_length_exceeded")
    overloaded = UpstreamOverloaded("m", target="t", retry_after=None, reason="insufficient_quota")
    bare = UpstreamOverloaded("m", target="t", retry_after=None)
    codes = [
        orjson.loads(openai_chat.error_body(error, 400))["error"]["code"] for error in (rejected, overloaded, bare)
    ]
    assert codes == ["context_length_exceeded", "insufficient_quota", "upstream_overloaded"]


def test_a_bare_reply_is_completed_by_the_gateway(handling: Handling) -> None:
    choice = Choice(index=0, text="x", finish_reason="stop", extra={"annotations": [], "stop_reason": 7})
    written = openai_chat.write(Reply(id="", model="", created=0, choices=(choice,)), handling)
    read = ChatCompletion.model_validate_json(written, strict=True)
    assert (read.id, read.created, read.usage) == ("req-1", 1700000000, None)
    assert read.choices[0].message.annotations == []
    assert read.choices[0].message.tool_calls is None
    assert b"stop_reason" not in written


def test_a_stream_is_chunks_and_done(handling: Handling) -> None:
    stream = told(
        [
            STARTED,
            TextDelta(choice=0, text="Hel"),
            TextDelta(choice=0, text="lo\n\n", logprobs=LOGPROBS),
            UsageReport(usage=Usage(input_tokens=1, output_tokens=2)),
            Finish(choice=0, reason="stop"),
        ],
        handling,
    )
    assert payloads(stream)[-1] == b"[DONE]"
    assert b"usage" not in stream
    assert b"secret" not in stream
    opening, first, second, last = chunks(stream)
    assert opening.choices[0].delta.role == "assistant"
    assert opening.choices[0].delta.content == ""
    assert (first.choices[0].delta.content, first.choices[0].logprobs) == ("Hel", None)
    assert second.choices[0].delta.content == "lo\n\n"
    assert second.choices[0].logprobs
    assert last.choices[0].finish_reason == "stop"
    assert {(c.id, c.model, c.created, c.system_fingerprint) for c in (opening, first, second, last)} == {
        ("up-1", "support", 1700000001, "fp")
    }


def test_usage_comes_in_a_last_chunk_where_it_was_asked_for(handling: Handling) -> None:
    usage = Usage(input_tokens=1, output_tokens=2, details={"prompt_tokens_details": {"cached_tokens": 1}})
    events: list[StreamEvent] = [STARTED, Finish(choice=0, reason="stop"), UsageReport(usage=usage)]
    stream = told(events, handling, include_usage=True)
    *before, last, done = map(orjson.loads, [data.replace(b"[DONE]", b"null") for data in payloads(stream)])
    assert all("usage" in chunk and chunk["usage"] is None for chunk in before)
    assert last["choices"] == []
    assert last["usage"] == {
        "prompt_tokens": 1,
        "completion_tokens": 2,
        "total_tokens": 3,
        "prompt_tokens_details": {"cached_tokens": 1},
    }
    assert done is None
    assert len(chunks(stream)) == 3


def test_usage_that_the_upstream_did_not_give_is_not_made_up(handling: Handling) -> None:
    stream = told([STARTED, Finish(choice=0, reason="stop")], handling, include_usage=True)
    assert payloads(stream)[-1] == b"[DONE]"
    assert all(chunk.choices for chunk in chunks(stream))


def test_tool_calls_are_told_in_pieces(handling: Handling) -> None:
    stream = told(
        [
            STARTED,
            ToolCallStarted(choice=0, index=0, id="c1", name="f"),
            ToolCallDelta(choice=0, index=0, arguments='{"a":'),
            ToolCallStarted(choice=0, index=1, id="c2", name="g"),
            ToolCallDelta(choice=0, index=1, arguments="{}"),
            ToolCallDelta(choice=0, index=0, arguments=' "ü"}'),
            Finish(choice=0, reason="tool_calls"),
        ],
        handling,
    )
    deltas = [call for chunk in chunks(stream) for call in chunk.choices[0].delta.tool_calls or []]
    starts = [call for call in deltas if call.id]
    assert [(call.index, call.id, call.type, call.function and call.function.name) for call in starts] == [
        (0, "c1", "function", "f"),
        (1, "c2", "function", "g"),
    ]
    texts = ["", ""]
    for call in deltas:
        assert call.function
        texts[call.index] += call.function.arguments or ""
    assert texts == ['{"a": "ü"}', "{}"]


def test_reasoning_and_refusals_have_fields_of_their_own(handling: Handling) -> None:
    stream = told(
        [
            STARTED,
            ReasoningDelta(choice=0, text="Hm."),
            RefusalDelta(choice=0, text="No."),
            Finish(choice=0, reason="stop"),
        ],
        handling,
    )
    deltas = [orjson.loads(data)["choices"][0]["delta"] for data in payloads(stream)[1:3]]
    assert deltas == [{"reasoning_content": "Hm."}, {"refusal": "No."}]
    assert chunks(stream)[2].choices[0].delta.refusal == "No."


def test_every_choice_gets_its_role_once(handling: Handling) -> None:
    stream = told(
        [
            STARTED,
            TextDelta(choice=1, text="b"),
            TextDelta(choice=0, text="a"),
            Finish(choice=1, reason="length"),
            Finish(choice=2, reason="stop"),
            Finish(choice=0, reason="stop"),
        ],
        handling,
    )
    roles = [chunk.choices[0].index for chunk in chunks(stream) if chunk.choices[0].delta.role]
    assert roles == [0, 1, 2]


def test_a_stream_without_a_start_is_told_all_the_same(handling: Handling) -> None:
    stream = told([TextDelta(choice=0, text="a"), Finish(choice=0, reason="stop")], handling)
    assert [chunk.id for chunk in chunks(stream)] == ["req-1"] * 3


@pytest.mark.parametrize(
    "events",
    [
        [],
        [STARTED],
        [STARTED, TextDelta(choice=0, text="a")],
        [STARTED, Finish(choice=0, reason="stop"), TextDelta(choice=1, text="a")],
    ],
)
def test_a_stream_that_was_cut_short_ends_in_an_error(events: list[StreamEvent], handling: Handling) -> None:
    last = payloads(told(events, handling))[-1]
    assert orjson.loads(last)["error"]["code"] == "upstream_garbled"


def test_a_failing_stream_says_so_and_no_more(handling: Handling) -> None:
    writer = openai_chat.StreamWriter(handling, include_usage=True)
    error = UpstreamTimeout("The model fell silent: send the request again.", target="t1", phase="idle")
    (data,) = payloads(writer.fail(error, 504))
    body = orjson.loads(data)
    assert body.keys() == {"error"}
    assert ErrorObject.model_validate(body["error"]).type == "server_error"


def sdk(body: bytes, media_type: str, status: int = 200) -> OpenAI:
    """The official client in front of one fixed answer."""
    response = httpx.Response(status, content=body, headers={"content-type": media_type})
    client = httpx.Client(transport=httpx.MockTransport(lambda _: response))
    return OpenAI(api_key="k", base_url="http://gateway.example/v1", http_client=client, max_retries=0)


def test_the_official_client_reads_a_stream(handling: Handling) -> None:
    usage = UsageReport(usage=Usage(input_tokens=1, output_tokens=2))
    text = TextDelta(choice=0, text="Grüße\u2028\x85 😀")
    body = told([STARTED, text, Finish(choice=0, reason="stop"), usage], handling, include_usage=True)
    with sdk(body, "text/event-stream").chat.completions.create(model="m", messages=[], stream=True) as stream:
        read = list(stream)
    assert "".join(c.choices[0].delta.content or "" for c in read if c.choices) == text.text
    assert read[-1].usage
    assert read[-1].usage.total_tokens == 3


def test_the_official_client_raises_what_a_failing_stream_says(handling: Handling) -> None:
    writer = openai_chat.StreamWriter(handling, include_usage=False)
    error = UpstreamTimeout("The model fell silent.", target="t1", phase="idle")
    body = writer.feed(STARTED) + writer.fail(error, 504)
    with sdk(body, "text/event-stream").chat.completions.create(model="m", messages=[], stream=True) as stream:
        assert next(stream).choices
        with pytest.raises(APIError, match="fell silent") as caught:
            next(stream)
    assert caught.value.code == "upstream_timeout"


def test_the_official_client_reads_an_error() -> None:
    body = openai_chat.error_body(InvalidField("stop must be short.", param="stop"), 400)
    with pytest.raises(BadRequestError) as caught:
        sdk(body, "application/json", 400).chat.completions.create(model="m", messages=[])
    assert (caught.value.code, caught.value.param) == ("invalid_field", "stop")


@pytest.mark.rows
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "invalid_request_error"),
        (404, "invalid_request_error"),
        (413, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (502, "server_error"),
        (504, "server_error"),
    ],
)
def test_errors_have_openais_words(status: int, kind: str) -> None:
    body = orjson.loads(openai_chat.error_body(InvalidField("stop must be short.", param="stop"), status))
    assert body == {"error": {"message": "stop must be short.", "type": kind, "param": "stop", "code": "invalid_field"}}


def test_an_error_without_a_field_has_a_null_param() -> None:
    assert orjson.loads(openai_chat.error_body(UnknownModel("No."), 404))["error"]["param"] is None


@given(
    st.lists(st.tuples(st.integers(0, 2), st.text())),
    st.booleans(),
)
def test_any_text_survives_the_stream(pieces: list[tuple[int, str]], include_usage: bool) -> None:
    handling = Handling(request_id="r", model="m", created=1, isolation="none", format="plain", target="t")
    events: list[StreamEvent] = [STARTED, *(TextDelta(choice=choice, text=text) for choice, text in pieces)]
    events += [Finish(choice=choice, reason="stop") for choice in sorted({0, *(choice for choice, _ in pieces)})]
    read = chunks(told(events, handling, include_usage=include_usage))
    for choice in range(3):
        deltas = (c.choices[0].delta.content or "" for c in read if c.choices[0].index == choice)
        assert "".join(deltas) == "".join(text for at, text in pieces if at == choice)
