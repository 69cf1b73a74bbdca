from dataclasses import replace
from itertools import pairwise
from typing import Any

import httpx
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import APIError, OpenAI
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from gateway.dialects import openai_responses
from gateway.domain.errors import UpstreamOverloaded, UpstreamTimeout
from gateway.domain.exchange import (
    ApprovalPending,
    Choice,
    Finish,
    Handling,
    Judged,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    Reply,
    ReplyEvent,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
    UsageReport,
)
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.prompt import Seal, ToolCall
from gateway.pipeline.collect import events_of

Json = dict[str, Any]

STARTED = Started(id="up-1", model="upstream-name", created=7, extra={"service_tier": "flex", "secret": 1})
STOP = Finish(choice=0, reason="stop")
EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
TOKEN: JsonObject = {"token": "H", "logprob": -0.1, "bytes": [72], "top_logprobs": []}


def parsed(stream: bytes) -> list[Json]:
    """The events, each checked against the SDK's own types."""
    blocks = stream.split(b"\n\n")
    assert blocks.pop() == b""
    events: list[Json] = []
    for block in blocks:
        name, _, data = block.partition(b"\ndata: ")
        event: Json = orjson.loads(data)
        assert name == b"event: " + event["type"].encode()
        EVENT.validate_python(event)
        events.append(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def told(events: list[ReplyEvent], handling: Handling) -> list[Json]:
    writer = openai_responses.StreamWriter(handling, include_usage=False)
    return parsed(b"".join(map(writer.feed, events)) + writer.finish())


def kinds(events: list[Json]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def whole(choice: Choice, handling: Handling, **more: Any) -> Json:
    return orjson.loads(openai_responses.write(Reply(id="", model="", created=0, choices=(choice,), **more), handling))


def test_a_stream_of_text(handling: Handling) -> None:
    events = told(
        [STARTED, TextDelta(choice=0, text="Hel"), TextDelta(choice=0, text="lo\n\n"), STOP,
         UsageReport(usage=Usage(input_tokens=1, output_tokens=2)), Judged(decision="allow", findings=())],
        handling,
    )  # fmt: skip
    assert kinds(events) == [
        *("created", "in_progress", "output_item.added", "content_part.added", "output_text.delta"),
        *("output_text.delta", "output_text.done", "content_part.done", "output_item.done", "completed"),
    ]
    created, progress, item, part, first, second, text, part_done, item_done, last = events
    assert created["response"] == progress["response"]
    assert (created["response"]["status"], created["response"]["output"]) == ("in_progress", [])
    assert item["item"] == {
        "id": "msg_req-1",
        "type": "message",
        "status": "in_progress",
        "role": "assistant",
        "content": [],
    }
    assert part["part"]["text"] == ""
    assert (first["delta"], second["delta"]) == ("Hel", "lo\n\n")
    assert {event["item_id"] for event in (part, first, second, text, part_done)} == {"msg_req-1"}
    assert {event["content_index"] for event in (part, first, second, text, part_done)} == {0}
    assert {event["output_index"] for event in events[2:-1]} == {0}
    assert text["text"] == part_done["part"]["text"] == item_done["item"]["content"][0]["text"] == "Hello\n\n"
    assert last["response"]["output"] == [item_done["item"]]
    assert last["response"]["usage"]["total_tokens"] == 3
    assert last["response"]["service_tier"] == created["response"]["service_tier"] == "flex"
    assert "secret" not in orjson.dumps(events).decode()


def test_reasoning_refusals_and_calls_have_items_and_parts_of_their_own(handling: Handling) -> None:
    events = told(
        [
            STARTED,
            ReasoningDelta(choice=0, text="Hm."),
            RefusalDelta(choice=0, text="No."),
            TextDelta(choice=0, text="But."),
            ToolCallStarted(choice=0, index=0, id="c1", name="f"),
            ToolCallDelta(choice=0, index=0, arguments='{"a":'),
            ToolCallDelta(choice=0, index=0, arguments=""),
            ToolCallDelta(choice=0, index=0, arguments=" 1}"),
            Finish(choice=0, reason="tool_calls"),
        ],
        handling,
    )
    assert kinds(events)[2:-1] == [
        *("output_item.added", "content_part.added", "reasoning_text.delta"),
        *("output_item.added", "content_part.added", "refusal.delta", "content_part.added", "output_text.delta"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.delta"),
        *("reasoning_text.done", "content_part.done", "output_item.done"),
        *("refusal.done", "content_part.done", "output_text.done", "content_part.done", "output_item.done"),
        *("function_call_arguments.done", "output_item.done"),
    ]
    assert [event["content_index"] for event in events if event["type"] == "response.content_part.added"] == [0, 0, 1]
    # The parts stay in the order in which they began, so that their numbers hold.
    message = events[-1]["response"]["output"][1]
    assert [part["type"] for part in message["content"]] == ["refusal", "output_text"]
    done = next(event for event in events if event["type"].endswith("arguments.done"))
    assert (done["arguments"], done["name"], done["item_id"]) == ('{"a": 1}', "f", "fc_req-1_0")


def test_reasoning_is_told_as_a_summary_where_one_was_asked_for(handling: Handling) -> None:
    asked = replace(handling, echo={"reasoning": {"summary": "auto"}})
    events = told([STARTED, ReasoningDelta(choice=0, text="Hm."), STOP], asked)
    assert kinds(events)[2:-1] == [
        *("output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done"),
    ]
    assert {event["summary_index"] for event in events if "summary_index" in event} == {0}
    assert (
        events[-1]["response"]["output"]
        == whole(Choice(index=0, text=None, reasoning="Hm.", finish_reason="stop"), asked)["output"]
    )


def test_reasoning_whose_end_comes_behind_the_text_keeps_its_item_open(handling: Handling) -> None:
    events = told(
        [
            STARTED,
            ReasoningDelta(choice=0, text="H"),
            TextDelta(choice=0, text="Yes."),
            ReasoningDelta(choice=0, text="m."),
            ReasoningSealed(choice=0, seal=Seal(length=1, token="a")),
            ReasoningSealed(choice=0, seal=Seal(length=2, token="b")),
            STOP,
        ],
        handling,
    )
    assert kinds(events).count("output_item.added") == 2
    choice = Choice(
        index=0,
        text="Yes.",
        reasoning="Hm.",
        seals=(Seal(length=1, token="a"), Seal(length=2, token="b")),
        finish_reason="stop",
    )
    assert events[-1]["response"] == whole(choice, handling, extra=STARTED.extra)


def test_reasoning_that_begins_behind_the_text_stands_behind_it(handling: Handling) -> None:
    events = told([STARTED, TextDelta(choice=0, text="a"), ReasoningDelta(choice=0, text="b"), STOP], handling)
    items = [event["item"]["type"] for event in events if event["type"] == "response.output_item.done"]
    assert items == [item["type"] for item in events[-1]["response"]["output"]] == ["message", "reasoning"]


def test_reasoning_of_which_nothing_is_shown_is_an_item_without_parts(handling: Handling) -> None:
    seal = Seal(length=0, token="gAAAA", hidden=True)
    events = told([ReasoningSealed(choice=0, seal=seal), STOP], handling)
    assert kinds(events)[2:-1] == ["output_item.added", "output_item.done"]
    assert events[-1]["response"]["output"][0]["encrypted_content"] == "gAAAA"


def test_calls_are_told_one_after_the_other_however_they_came(handling: Handling) -> None:
    events = told(
        [
            STARTED,
            ToolCallStarted(choice=0, index=0, id="c1", name="f"),
            ToolCallDelta(choice=0, index=0, arguments='{"a":'),
            ToolCallStarted(choice=0, index=1, id="c2", name="g"),
            ToolCallDelta(choice=0, index=1, arguments="{}"),
            ToolCallStarted(choice=0, index=2, id="c3", name="h"),
            ToolCallDelta(choice=0, index=0, arguments=' "ü"}'),
            Finish(choice=0, reason="tool_calls"),
        ],
        handling,
    )
    numbers = [event["output_index"] for event in events[2:-1]]
    assert numbers == sorted(numbers)
    assert kinds(events)[-5:-1] == [
        *("output_item.done", "output_item.added", "function_call_arguments.done", "output_item.done")
    ]
    calls = tuple(
        ToolCall(id=call, name=name, arguments=arguments)
        for call, name, arguments in (("c1", "f", '{"a": "ü"}'), ("c2", "g", "{}"), ("c3", "h", ""))
    )
    choice = Choice(index=0, text=None, tool_calls=calls, finish_reason="tool_calls")
    assert events[-1]["response"] == whole(choice, handling, extra=STARTED.extra)


def test_log_probabilities_come_with_their_text(handling: Handling) -> None:
    events = told(
        [
            TextDelta(choice=0, text="H", logprobs={"content": [TOKEN], "refusal": None}),
            TextDelta(choice=0, text="i"),
            TextDelta(choice=0, text="", logprobs={"content": [TOKEN]}),
            STOP,
        ],
        handling,
    )
    deltas = [event["logprobs"] for event in events if event["type"].endswith("text.delta")]
    assert deltas == [[TOKEN], []]
    done = next(event for event in events if event["type"].endswith("text.done"))
    assert done["logprobs"] == [TOKEN, TOKEN] == events[-1]["response"]["output"][0]["content"][0]["logprobs"]


@pytest.mark.parametrize(
    ("reason", "name", "details"),
    [
        ("length", "response.incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "response.incomplete", {"reason": "content_filter"}),
        ("stop", "response.completed", None),
    ],
)
def test_the_last_event_says_how_it_ended(reason: str, name: str, details: JsonObject, handling: Handling) -> None:
    *_, item, last = told([STARTED, TextDelta(choice=0, text="x"), Finish(choice=0, reason=reason)], handling)
    assert last["type"] == name
    assert last["response"]["incomplete_details"] == details
    assert item["item"]["status"] == last["response"]["status"]


def test_an_answer_of_which_there_is_nothing_has_no_items(handling: Handling) -> None:
    nothing: list[ReplyEvent] = [TextDelta(choice=0, text=""), ReasoningDelta(choice=0, text=""), STOP]
    assert kinds(told(nothing, handling)) == ["created", "in_progress", "completed"]


def test_what_waits_for_an_approver_is_told_in_words(handling: Handling) -> None:
    pending = ApprovalPending(approval="a-1", expires=1.0, tools=())
    events = told([STARTED, pending, Finish(choice=0, reason="content_filter")], handling)
    assert events[-1]["type"] == "response.incomplete"
    assert "/v1/approvals/a-1" in events[-1]["response"]["output"][0]["content"][0]["text"]


def test_only_the_first_choice_is_told(handling: Handling) -> None:
    events = told(
        [TextDelta(choice=0, text="a"), TextDelta(choice=1, text="b"), Finish(choice=1, reason="length"), STOP],
        handling,
    )
    assert events[-1]["response"]["output"][0]["content"][0]["text"] == "a"
    assert events[-1]["type"] == "response.completed"


CUT_SHORT: list[list[ReplyEvent]] = [
    [],
    [STARTED],
    [STARTED, TextDelta(choice=0, text="alpha")],
    [STARTED, ToolCallStarted(choice=0, index=0, id="c", name="f")],
    [STARTED, TextDelta(choice=0, text="a"), Finish(choice=1, reason="stop")],
]


@pytest.mark.parametrize("events", CUT_SHORT)
def test_a_stream_that_was_cut_short_fails_and_is_never_completed(events: list[ReplyEvent], handling: Handling) -> None:
    *before, failed, error = told(events, handling)
    assert before[0]["type"] == "response.created"
    assert failed["type"] == "response.failed"
    assert failed["response"]["status"] == "failed"
    assert failed["response"]["error"]["code"] == "server_error"
    assert all(item.get("status", "incomplete") == "incomplete" for item in failed["response"]["output"])
    assert (error["type"], error["code"]) == ("error", "upstream_garbled")
    assert error["error"]["code"] == "upstream_garbled"
    assert not {"completed", "incomplete", "output_item.done"} & set(kinds([*before, failed]))


def test_a_failing_stream_says_why(handling: Handling) -> None:
    writer = openai_responses.StreamWriter(handling, include_usage=False)
    error = UpstreamOverloaded("Try later.", target="t", retry_after=None, reason="insufficient_quota")
    failed, why = parsed(writer.feed(STARTED) + writer.fail(error, 429))[2:]
    assert failed["response"]["error"] == {"code": "rate_limit_exceeded", "message": "Try later."}
    assert (why["code"], why["message"], why["param"]) == ("insufficient_quota", "Try later.", None)


def client(body: bytes) -> OpenAI:
    """The official client in front of one fixed answer."""
    response = httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})
    http = httpx.Client(transport=httpx.MockTransport(lambda _: response))
    return OpenAI(api_key="k", base_url="http://gateway.example/v1", http_client=http, max_retries=0)


def test_the_official_client_reads_a_stream(handling: Handling) -> None:
    text = TextDelta(choice=0, text="Grüße\u2028\x85 😀")
    call = ToolCallStarted(choice=0, index=0, id="c", name="f")
    events: list[ReplyEvent] = [STARTED, ReasoningDelta(choice=0, text="Hm."), text, call, STOP]
    writer = openai_responses.StreamWriter(handling, include_usage=False)
    body = b"".join(map(writer.feed, events)) + writer.finish()
    with client(body).responses.stream(model="m", input="x") as stream:
        seen = [event.type for event in stream]
        final = stream.get_final_response()
    assert "response.output_text.delta" in seen
    assert final.output_text == text.text
    assert [item.type for item in final.output] == ["reasoning", "message", "function_call"]


def test_the_official_client_raises_what_a_failing_stream_says(handling: Handling) -> None:
    writer = openai_responses.StreamWriter(handling, include_usage=False)
    error = UpstreamTimeout("The model fell silent.", target="t1", phase="idle")
    body = writer.feed(STARTED) + writer.feed(TextDelta(choice=0, text="a")) + writer.fail(error, 504)
    seen: list[str] = []
    stream = client(body).responses.create(model="m", input="x", stream=True)
    with pytest.raises(APIError, match="fell silent") as caught:
        seen.extend(event.type for event in stream)
    assert caught.value.code == "upstream_timeout"
    assert seen[-1] == "response.failed"


CALLS = st.lists(st.builds(ToolCall, id=st.just("c"), name=st.just("f"), arguments=st.text(max_size=6)), max_size=3)


@given(
    reasoning=st.none() | st.text(max_size=9),
    text=st.none() | st.text(max_size=9),
    refusal=st.none() | st.text(max_size=9),
    calls=CALLS,
    sealed=st.booleans(),
    reason=st.sampled_from(["stop", "length", "tool_calls", "content_filter"]),
    summary=st.booleans(),
)
def test_a_stream_ends_with_the_very_response_that_a_whole_answer_is(
    reasoning: str | None,
    text: str | None,
    refusal: str | None,
    calls: list[ToolCall],
    sealed: bool,
    reason: str,
    summary: bool,
) -> None:
    choice = Choice(
        index=0,
        text=text,
        refusal=refusal,
        reasoning=reasoning,
        seals=(Seal(length=len(reasoning or ""), token="t"),) if sealed else (),
        tool_calls=tuple(calls),
        finish_reason=reason,
    )
    echo: JsonObject = {"reasoning": {"summary": "auto"}} if summary else {}
    handling = Handling(request_id="r", model="m", created=1, isolation="none", format="plain", target="t", echo=echo)
    events = told(list(events_of(choice, 0)), handling)
    assert events[-1]["response"] == whole(choice, handling)
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == events[-1]["response"]["output"]


@given(st.lists(st.sampled_from(["text", "reasoning", "refusal"])), st.data())
def test_any_text_survives_in_any_order(order: list[str], data: st.DataObject) -> None:
    makers: dict[str, Any] = {"text": TextDelta, "reasoning": ReasoningDelta, "refusal": RefusalDelta}
    pieces = [(name, data.draw(st.text(max_size=6))) for name in order]
    handling = Handling(request_id="r", model="m", created=1, isolation="none", format="plain", target="t")
    events = told([STARTED, *(makers[name](choice=0, text=text) for name, text in pieces), STOP], handling)
    for name, word in (("text", "output_text"), ("reasoning", "reasoning_text"), ("refusal", "refusal")):
        said = "".join(text for at, text in pieces if at == name)
        deltas = [event["delta"] for event in events if event["type"] == f"response.{word}.delta"]
        assert "".join(deltas) == said
    # The final response can be put together from the events alone.
    items: dict[int, Json] = {}
    for event in events:
        if event["type"] == "response.output_item.done":
            items[event["output_index"]] = event["item"]
    assert [items[place] for place in sorted(items)] == events[-1]["response"]["output"]
    assert all(one < other for one, other in pairwise(items))
    Response.model_validate(events[-1]["response"])
