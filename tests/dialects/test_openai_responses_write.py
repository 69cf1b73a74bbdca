from dataclasses import replace
from typing import Any

import httpx
import orjson
import pytest
from openai import BadRequestError, OpenAI
from openai.types.responses import Response

from gateway.dialects import openai_responses
from gateway.domain.errors import InvalidField
from gateway.domain.exchange import ApprovalPending, Choice, Handling, Reply, Usage
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Seal, ToolCall

Json = dict[str, Any]


def written(choice: Choice, handling: Handling, **more: Any) -> Json:
    reply = Reply(id="up-1", model="upstream-name", created=7, choices=(choice,), **more)
    raw = openai_responses.write(reply, handling)
    Response.model_validate_json(raw, strict=True)
    return orjson.loads(raw)


def said(**fields: Any) -> Choice:
    return replace(Choice(index=0, text=None, finish_reason="stop"), **fields)


def test_a_reply_is_a_response(reply: Reply, handling: Handling) -> None:
    raw = openai_responses.write(reply, handling)
    # The SDK's own type asks for bytes of tokens that no server has to give.
    read = Response.model_validate_json(raw, strict=True)
    assert (read.id, read.object, read.model, read.created_at) == ("resp_req-1", "response", "support", 1700000000)
    assert (read.status, read.error, read.incomplete_details) == ("completed", None, None)
    assert read.output_text == "Hello"
    assert read.service_tier == "default"
    assert read.usage
    assert (read.usage.input_tokens, read.usage.output_tokens, read.usage.total_tokens) == (3, 5, 8)
    assert orjson.loads(raw)["output"] == [
        {
            "id": "rs_req-1",
            "type": "reasoning",
            "summary": [],
            "content": [{"type": "reasoning_text", "text": "Hm."}],
            "encrypted_content": None,
        },
        {
            "id": "msg_req-1",
            "type": "message",
            "status": "completed",
            "role": "assistant",
            "content": [
                {
                    "type": "output_text",
                    "annotations": [],
                    "logprobs": [{"token": "Hello", "logprob": -0.5, "bytes": [], "top_logprobs": []}],
                    "text": "Hello",
                }
            ],
        },
        {
            "id": "fc_req-1_0",
            "type": "function_call",
            "status": "completed",
            "arguments": '{"a": 1}',
            "call_id": "c1",
            "name": "look_up",
        },
    ]


def test_what_only_the_upstream_should_know_stays_behind(reply: Reply, handling: Handling) -> None:
    raw = openai_responses.write(reply, handling)
    for inner in (b"upstream-name", b"upstream_only", b"secret", b"chatcmpl"):
        assert inner not in raw


def test_only_the_first_choice_is_told(reply: Reply, handling: Handling) -> None:
    assert b"refusal" not in openai_responses.write(reply, handling)


@pytest.mark.parametrize("choice", [said(), said(text=""), said(text="", refusal="", reasoning="")])
def test_an_answer_of_which_there_is_nothing_has_no_items(choice: Choice, handling: Handling) -> None:
    assert written(choice, handling)["output"] == []


def test_text_and_refusal_are_parts_of_one_message(handling: Handling) -> None:
    (item,) = written(said(text="Yes.", refusal="No."), handling)["output"]
    assert [part["type"] for part in item["content"]] == ["output_text", "refusal"]
    (item,) = written(said(refusal="No."), handling)["output"]
    assert item["content"] == [{"type": "refusal", "refusal": "No."}]


@pytest.mark.parametrize("asked", [{"summary": "auto"}, {"generate_summary": "auto"}])
def test_reasoning_stands_in_the_summary_where_one_was_asked_for(asked: JsonObject, handling: Handling) -> None:
    (item,) = written(said(reasoning="Hm."), replace(handling, echo={"reasoning": asked}))["output"]
    assert item["summary"] == [{"type": "summary_text", "text": "Hm."}]
    assert "content" not in item


@pytest.mark.parametrize("asked", [None, {}, {"effort": "low"}, {"summary": None}])
def test_reasoning_is_content_where_no_summary_was_asked_for(asked: JsonValue, handling: Handling) -> None:
    (item,) = written(said(reasoning="Hm."), replace(handling, echo={"reasoning": asked}))["output"]
    assert (item["summary"], item["content"]) == ([], [{"type": "reasoning_text", "text": "Hm."}])


def test_seals_are_the_encrypted_content(handling: Handling) -> None:
    (item,) = written(said(reasoning="Hm.", seals=(Seal(length=3, token="gAAAA"),)), handling)["output"]
    assert item["encrypted_content"] == "gAAAA"
    (item,) = written(said(seals=(Seal(length=0, token="gAAAA", hidden=True),)), handling)["output"]
    assert (item["summary"], item["encrypted_content"]) == ([], "gAAAA")
    assert "content" not in item


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_an_ending_is_a_status(reason: str, status: str, details: JsonValue, handling: Handling) -> None:
    call = ToolCall(id="c", name="f", arguments="{}")
    told = written(said(text="x", finish_reason=reason, tool_calls=(call,)), handling)
    assert (told["status"], told["incomplete_details"]) == (status, details)
    assert [item["status"] for item in told["output"]] == [status] * 2


def test_a_servers_own_word_for_an_ending_is_no_completion(handling: Handling) -> None:
    reply = Reply(id="", model="", created=0, choices=(said(text="x", finish_reason="abort"),))
    told = orjson.loads(openai_responses.write(reply, handling))
    assert (told["status"], told["incomplete_details"]) == ("incomplete", {"reason": "abort"})


def test_usage_has_this_apis_names(handling: Handling) -> None:
    details: JsonObject = {
        "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 1, "cache_write_tokens": None},
        "completion_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 11,
        "cost": 0.1,
    }
    assert written(said(), handling, usage=Usage(input_tokens=3, output_tokens=5, details=details))["usage"] == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 0, "audio_tokens": 1},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 4},
        "total_tokens": 11,
        "cost": 0.1,
    }
    told = written(said(), handling, usage=Usage(input_tokens=2**63 - 1, output_tokens=5))["usage"]
    assert told["total_tokens"] == 2**63 - 1
    assert told["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}


def test_usage_that_the_upstream_did_not_give_is_not_made_up(handling: Handling) -> None:
    assert written(said(), handling)["usage"] is None


def test_annotations_are_flat(handling: Handling) -> None:
    cited: JsonObject = {"url": "u", "title": "t", "start_index": 0, "end_index": 1}
    notes: JsonValue = [{"type": "url_citation", "url_citation": cited}, {"type": "url_citation", **cited}, "odd"]
    (item,) = written(said(text="x", extra={"annotations": notes, "other": "secret"}), handling)["output"]
    assert item["content"][0]["annotations"] == [{"type": "url_citation", **cited}] * 2
    for odd in ({"type": 7}, {"type": "url_citation", "url_citation": 7}):
        reply = Reply(id="", model="", created=0, choices=(said(text="x", extra={"annotations": [odd]}),))
        told = orjson.loads(openai_responses.write(reply, handling))
        assert told["output"][0]["content"][0]["annotations"] == [odd]


def test_logprobs_are_a_list_with_their_alternatives(handling: Handling) -> None:
    token = {"token": "x", "logprob": -0.1, "bytes": [120]}
    told: JsonObject = {"content": [{**token, "top_logprobs": [{**token, "bytes": None}]}, "odd"], "refusal": None}
    (item,) = written(said(text="x", logprobs=told), handling)["output"]
    assert item["content"][0]["logprobs"] == [{**token, "top_logprobs": [{**token, "bytes": []}]}]
    (item,) = written(said(text="x", logprobs={"content": None}), handling)["output"]
    assert item["content"][0]["logprobs"] == []


def test_a_response_repeats_its_request(handling: Handling) -> None:
    request = openai_responses.read(
        {
            "model": "m",
            "input": "planted",
            "instructions": "planted",
            "temperature": 0.5,
            "text": {"verbosity": "low"},
            "reasoning": {"effort": "low"},
            "tools": [{"type": "function", "name": "f"}],
            "tool_choice": {"type": "function", "name": "f"},
            "metadata": {"run": "7"},
            "service_tier": "auto",
        }
    )
    told = written(said(text="x"), replace(handling, echo=request.echo))
    assert told["temperature"] == 0.5
    assert told["text"] == {"format": {"type": "text"}, "verbosity": "low"}
    assert told["reasoning"] == {"effort": "low", "summary": None}
    assert told["tool_choice"] == {"type": "function", "name": "f"}
    assert told["tools"][0]["name"] == "f"
    assert told["metadata"] == {"run": "7"}
    assert told["service_tier"] == "auto"
    assert (told["instructions"], told["store"], told["truncation"]) == (None, False, "disabled")
    assert "planted" not in orjson.dumps(told).decode()


def test_the_upstreams_service_tier_goes_before_the_one_that_was_asked_for(handling: Handling) -> None:
    asked = replace(handling, echo={"service_tier": "auto"})
    assert written(said(), asked, extra={"service_tier": "flex"})["service_tier"] == "flex"


def test_what_waits_for_an_approver_is_told_in_a_response_that_ends_at_once(handling: Handling) -> None:
    pending = ApprovalPending(approval="a-1", expires=1.0, tools=("send",))
    told = Response.model_validate_json(openai_responses.write_held(pending, handling), strict=True)
    assert "/v1/approvals/a-1" in told.output_text
    assert told.status == "incomplete"
    assert told.incomplete_details
    assert told.incomplete_details.reason == "content_filter"


def test_the_official_client_reads_an_error() -> None:
    body = openai_responses.error_body(InvalidField("input must be short.", param="input"), 400)
    response = httpx.Response(400, content=body, headers={"content-type": "application/json"})
    http = httpx.Client(transport=httpx.MockTransport(lambda _: response))
    sdk = OpenAI(api_key="k", base_url="http://gateway.example/v1", http_client=http, max_retries=0)
    with pytest.raises(BadRequestError) as caught:
        sdk.responses.create(model="m", input="x")
    assert (caught.value.code, caught.value.param) == ("invalid_field", "input")
