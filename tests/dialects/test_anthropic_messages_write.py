from dataclasses import replace
from typing import Any, get_args

import httpx2
import orjson
import pytest
from anthropic import Anthropic, APIStatusError, BadRequestError
from anthropic.types import Message, MessageTokensCount, StopReason
from anthropic.types.shared import ErrorResponse, ErrorType
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import anthropic_messages
from gateway.domain.errors import BlockedByPolicy, InvalidField, UpstreamOverloaded, UpstreamRejected
from gateway.domain.exchange import ApprovalPending, Choice, Handling, Reply, Usage
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.prompt import Seal, ToolCall


def answer(**fields: Any) -> Reply:
    choice = Choice(index=0, finish_reason=fields.pop("finish_reason", "stop"), text=fields.pop("text", None), **fields)
    return Reply(id="up-1", model="upstream-name", created=1, choices=(choice,))


def told(reply: Reply, handling: Handling) -> Any:
    written = anthropic_messages.write(reply, handling)
    body = orjson.loads(written)
    # A word for an ending that nobody knows yet is no type's.
    Message.model_validate({**body, "stop_reason": "end_turn"} if body["stop_reason"] == "abort" else body)
    return body


def test_a_reply_is_a_message(reply: Reply, handling: Handling) -> None:
    body = told(reply, handling)
    assert body == {
        "id": "msg_req-1",
        "type": "message",
        "role": "assistant",
        "model": "support",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": ""},
            {"type": "text", "text": "Hello", "citations": None},
            {"type": "tool_use", "id": "c1", "name": "look_up", "input": {"a": 1}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 5,
            "output_tokens_details": {"thinking_tokens": 1},
            "service_tier": "standard",
        },
    }


def test_the_first_of_several_answers_is_told(reply: Reply, handling: Handling) -> None:
    body = told(replace(reply, choices=(reply.choices[1], reply.choices[0])), handling)
    assert body["content"] == [{"type": "text", "text": "No.", "citations": None}]
    assert body["stop_reason"] == "refusal"


def test_what_only_the_upstream_should_know_stays_behind(reply: Reply, handling: Handling) -> None:
    written = anthropic_messages.write(reply, handling)
    for inner in (b"upstream-name", b"upstream_only", b"secret"):
        assert inner not in written


def test_a_vendors_own_id_is_kept(reply: Reply, handling: Handling) -> None:
    assert told(replace(reply, id="msg_01ABC"), handling)["id"] == "msg_01ABC"
    assert told(replace(reply, id=""), handling)["id"] == "msg_req-1"


def test_each_seal_makes_a_block(handling: Handling) -> None:
    seals = (Seal(length=4, token="s1"), Seal(length=0, token="d", hidden=True), Seal(length=3, token="s2"))
    blocks = told(answer(reasoning="One.Two", seals=seals, text="x"), handling)["content"]
    assert blocks[:-1] == [
        {"type": "thinking", "thinking": "One.", "signature": "s1"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "thinking", "thinking": "Two", "signature": "s2"},
    ]
    # What no seal covers cannot be taken back.
    *_, last, _ = told(answer(reasoning="One.Two.", seals=seals[:2], text="x"), handling)["content"]
    assert last == {"type": "thinking", "thinking": "Two.", "signature": ""}


def test_reasoning_that_is_not_shown_may_be_sealed(handling: Handling) -> None:
    blocks = told(answer(seals=(Seal(length=0, token="s1"),), text="x"), handling)["content"]
    assert blocks[0] == {"type": "thinking", "thinking": "", "signature": "s1"}


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_answer_that_says_nothing_has_no_blocks(nothing: str | None, handling: Handling) -> None:
    assert told(answer(text=nothing, reasoning=nothing, refusal=nothing), handling)["content"] == []


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ('{"a": [1, 2.5, "ü"]}', {"a": [1, 2.5, "ü"]}),
        ("", {}),
        (" \n", {}),
        ('{"a": ', {"INVALID_JSON": '{"a": '}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ('{"a": 1, "a": 2}', {"INVALID_JSON": '{"a": 1, "a": 2}'}),
        ('{"a": NaN}', {"INVALID_JSON": '{"a": NaN}'}),
    ],
)
def test_arguments_are_an_object_whatever_the_model_wrote(
    arguments: str, expected: JsonObject, handling: Handling
) -> None:
    call = ToolCall(id="c", name="f", arguments=arguments)
    (block,) = told(answer(tool_calls=(call,), finish_reason="length"), handling)["content"]
    assert block == {"type": "tool_use", "id": "c", "name": "f", "input": expected}


CALL = ToolCall(id="c", name="f", arguments="{}")


@pytest.mark.parametrize(
    ("fields", "reason", "sequence"),
    [
        ({"finish_reason": "stop"}, "end_turn", None),
        ({"finish_reason": "stop", "stopped_by": "END"}, "stop_sequence", "END"),
        ({"finish_reason": "stop", "tool_calls": (CALL,)}, "tool_use", None),
        ({"finish_reason": "stop", "refusal": "No."}, "refusal", None),
        ({"finish_reason": "length"}, "max_tokens", None),
        ({"finish_reason": "length", "tool_calls": (CALL,), "stopped_by": "END"}, "max_tokens", None),
        ({"finish_reason": "tool_calls", "tool_calls": (CALL,)}, "tool_use", None),
        ({"finish_reason": "content_filter"}, "refusal", None),
        ({"finish_reason": "abort"}, "abort", None),
    ],
)
def test_an_ending_has_anthropics_word(
    fields: dict[str, Any], reason: str, sequence: str | None, handling: Handling
) -> None:
    body = told(answer(**fields), handling)
    assert (body["stop_reason"], body["stop_sequence"]) == (reason, sequence)
    assert reason in get_args(StopReason) or reason == "abort"


CACHED = {"prompt_tokens_details": {"cached_tokens": 5, "cache_write_tokens": 2}}


@pytest.mark.parametrize(
    ("details", "counts"),
    [
        ({}, (9, 0, 0)),
        (CACHED, (2, 2, 5)),
        ({"prompt_tokens_details": {"cached_tokens": 11}}, (0, 0, 11)),
        ({"prompt_tokens_details": {"cached_tokens": None, "cache_write_tokens": "many"}}, (9, 0, 0)),
        ({"prompt_tokens_details": 7}, (9, 0, 0)),
    ],
)
def test_cached_tokens_are_counted_apart(
    details: JsonObject, counts: tuple[int, int, int], reply: Reply, handling: Handling
) -> None:
    usage = Usage(input_tokens=9, output_tokens=1, details=details)
    assert told(replace(reply, usage=usage, extra={}), handling)["usage"] == {
        "input_tokens": counts[0],
        "cache_creation_input_tokens": counts[1],
        "cache_read_input_tokens": counts[2],
        "output_tokens": 1,
    }


def test_what_the_vendor_alone_counts_is_told_under_its_names(reply: Reply, handling: Handling) -> None:
    own: JsonObject = {
        "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 0},
        "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0},
    }
    counted = told(replace(reply, usage=Usage(input_tokens=9, output_tokens=1, details=own)), handling)["usage"]
    assert {name: counted[name] for name in own} == own
    other = Usage(input_tokens=9, output_tokens=1, details={"cache_creation": 2, "total_tokens": 10})
    assert not {"cache_creation", "total_tokens"} & told(replace(reply, usage=other), handling)["usage"].keys()


@pytest.mark.parametrize(
    ("upstream", "told_as"),
    [("default", "standard"), ("priority", "priority"), ("batch", "batch"), ("flex", None), (1, None)],
)
def test_a_service_tier_is_told_where_the_dialect_has_a_word_for_it(
    upstream: JsonValue, told_as: str | None, reply: Reply, handling: Handling
) -> None:
    usage = told(replace(reply, extra={"service_tier": upstream}), handling)["usage"]
    assert usage.get("service_tier") == told_as


def test_where_nobody_counted_there_is_nought(handling: Handling) -> None:
    assert told(answer(text="x"), handling)["usage"] == {"input_tokens": 0, "output_tokens": 0}


def test_an_answer_that_waits_names_its_approval(handling: Handling) -> None:
    pending = ApprovalPending(approval="ap-1", expires=1.0, tools=("f",))
    body = orjson.loads(anthropic_messages.write_held(pending, handling))
    assert "/v1/approvals/ap-1" in body["content"][0]["text"]
    assert body["stop_reason"] == "refusal"


def test_a_count_is_one_number() -> None:
    written = anthropic_messages.write_count(42)
    assert MessageTokensCount.model_validate_json(written, strict=True).input_tokens == 42
    assert orjson.loads(written) == {"input_tokens": 42}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (409, "invalid_request_error"),
        (413, "request_too_large"),
        (415, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (502, "api_error"),
        (503, "api_error"),
        (504, "timeout_error"),
    ],
)
def test_errors_have_anthropics_words(status: int, kind: str) -> None:
    body = orjson.loads(anthropic_messages.error_body(InvalidField("top_p must be small.", param="top_p"), status))
    assert body == {
        "type": "error",
        "error": {"type": kind, "message": "top_p must be small.", "code": "invalid_field", "param": "top_p"},
    }
    assert ErrorResponse.model_validate({**body, "error": {"type": "api_error", "message": "x"}})
    assert kind in get_args(ErrorType) or kind == "request_too_large"


def test_a_block_names_its_rules() -> None:
    error = BlockedByPolicy("policy refuses this request", rules=("a", "b"))
    told = orjson.loads(anthropic_messages.error_body(error, 400))["error"]
    assert (told["code"], told["rules"], told["param"]) == ("splitgate_blocked", ["a", "b"], None)


def test_the_upstreams_code_is_the_code() -> None:
    rejected = UpstreamRejected("m", target="t", status=400, reason="context_length_exceeded")
    overloaded = UpstreamOverloaded("m", target="t", retry_after=None)
    codes = [
        orjson.loads(anthropic_messages.error_body(error, 400))["error"]["code"] for error in (rejected, overloaded)
    ]
    assert codes == ["context_length_exceeded", "upstream_overloaded"]


def client(body: bytes, status: int = 200) -> Anthropic:
    """The official client in front of one fixed answer."""
    response = httpx2.Response(status, content=body, headers={"content-type": "application/json"})
    http = httpx2.Client(transport=httpx2.MockTransport(lambda _: response))
    return Anthropic(api_key="k", base_url="http://gateway.example", http_client=http, max_retries=0)


def test_the_official_client_reads_a_message(reply: Reply, handling: Handling) -> None:
    with client(anthropic_messages.write(reply, handling)) as sdk:
        message = sdk.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "x"}])
    assert [block.type for block in message.content] == ["thinking", "text", "tool_use"]
    # What it gives can be sent back as it is.
    again: JsonValue = message.to_param()  # pyright: ignore[reportAssignmentType]
    blocks = [block.model_dump() for block in message.content]
    assert again
    body: JsonObject = {"model": "m", "max_tokens": 9, "messages": [{"role": "assistant", "content": blocks}]}
    (read,) = anthropic_messages.read(body).messages
    assert (read.reasoning, read.tool_calls[0].arguments) == ("Hm.", '{"a":1}')


def test_the_official_client_reads_an_error() -> None:
    body = anthropic_messages.error_body(InvalidField("top_p must be small.", param="top_p"), 400)
    with client(body, 400) as sdk, pytest.raises(BadRequestError) as caught:
        sdk.messages.create(model="m", max_tokens=9, messages=[])
    assert isinstance(caught.value, APIStatusError)
    assert (caught.value.type, caught.value.api_message) == ("invalid_request_error", "top_p must be small.")


@given(st.text(), st.lists(st.tuples(st.text(), st.booleans())))
def test_any_reasoning_is_told_whole(rest: str, pieces: list[tuple[str, bool]]) -> None:
    handling = Handling(request_id="r", model="m", created=1, isolation="none", format="plain", target="t")
    shown = [("" if hidden else text, hidden) for text, hidden in pieces]
    seals = tuple([Seal(length=len(text), token=f"s{i}", hidden=hidden) for i, (text, hidden) in enumerate(shown)])
    reasoning = "".join([text for text, _ in shown]) + rest
    blocks = told(answer(reasoning=reasoning, seals=seals), handling)["content"]
    assert [block.get("signature", block.get("data")) for block in blocks[: len(seals)]] == [s.token for s in seals]
    assert "".join([block.get("thinking", "") for block in blocks]) == reasoning
