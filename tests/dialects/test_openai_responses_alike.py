"""The same conversation through chat completions and through the responses API becomes the same upstream request.

``CONVERSATIONS`` says a few in both dialects by hand; the property draws them in neither, as lists of steps, and writes
each in both.
"""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers._openai_body import serialise_body
from adapters.registry import compile_reserved, format_named
from gateway.dialects import openai_chat, openai_responses
from gateway.domain.errors import RequestError
from gateway.domain.exchange import Choice, Handling, Reply
from gateway.domain.identity import ANONYMOUS
from gateway.domain.model import Model
from gateway.domain.ports import Call
from gateway.domain.prompt import Prompt, Seal, ToolCall
from gateway.domain.request import ClientRequest
from gateway.domain.target import FormatOptions, Target
from gateway.pipeline.lift import lift
from gateway.pipeline.taint import content_of, exact_content

Json = dict[str, Any]

MODEL = Model(name="m", targets=(), allow_prefill=True)
TARGET = Target(
    id="t", provider="openai_compatible", base_url="http://x", model="up", format="plain", family="all",
    extra_params=frozenset({"top_k"}),
)  # fmt: skip
RESERVED = compile_reserved("all")
OPTIONS = FormatOptions(
    remove_reserved=RESERVED.remove,
    break_reserved=RESERVED.break_json,
    reserved=RESERVED.tokens,
    draw_nonce=lambda: "0" * 32,
    reasoning_field="reasoning_content",
)
PNG = "data:image/png;base64,AAAA"
SCHEMA: Json = {"type": "object", "properties": {"api_key": {"type": "string"}}}


def lifted(request: ClientRequest) -> Prompt:
    return lift(request, MODEL, ANONYMOUS)


def upstream(request: ClientRequest, format_name: str) -> Json | str:
    """The body that goes up, or the name of the error where the format has no words for it."""
    try:
        layout = format_named(format_name).lay_out(lifted(request), OPTIONS)
        return orjson.loads(serialise_body(Call(id="i", target=TARGET, layout=layout, options=request.options)))
    except RequestError as error:
        return type(error).__name__


def assert_alike(chat: Json, responses: Json) -> None:
    one, other = openai_chat.read({"model": "m", **chat}), openai_responses.read({"model": "m", **responses})
    assert lifted(one) == lifted(other)
    # Chat's clients ask for the counts of a stream by an option; here they always come.
    assert replace(one.options, include_usage=other.options.include_usage) == other.options
    assert (one.tools, one.subject, one.min_isolation) == (other.tools, other.subject, other.min_isolation)
    for format_name in ("plain", "tool-envelope", "spotlight", "harmony"):
        assert upstream(one, format_name) == upstream(other, format_name)


USER: Json = {"role": "user", "content": "Is it warm in Oslo?"}
ARGUMENTS = '{"city": "Oslo"}'


def chat_call(identifier: str) -> Json:
    return {"id": identifier, "type": "function", "function": {"name": "weather", "arguments": ARGUMENTS}}


def call(identifier: str) -> Json:
    return {
        "type": "function_call", "id": f"fc_{identifier}", "call_id": identifier, "name": "weather",
        "arguments": ARGUMENTS, "status": "completed",
    }  # fmt: skip


def said(text: str) -> Json:
    part: Json = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": [part]}


def thought(text: str) -> Json:
    return {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": text}]}


def result(identifier: str, output: Any) -> Json:
    return {"type": "function_call_output", "call_id": identifier, "output": output}


FUNCTION: Json = {"name": "weather", "description": "Weather of a city.", "parameters": SCHEMA, "strict": True}

# What is said, in chat completions and in the responses API.
CONVERSATIONS: dict[str, tuple[Json, Json]] = {
    "a text": ({"messages": [{"role": "user", "content": "Hi"}]}, {"input": "Hi"}),
    "instructions": (
        {"messages": [{"role": "system", "content": "Be brief."}, USER]},
        {"instructions": "Be brief.", "input": [USER]},
    ),
    "every role": (
        {"messages": [{"role": role, "content": role} for role in ("system", "developer", "user", "input", "user")]},
        {"input": [{"role": role, "content": role} for role in ("system", "developer", "user", "input", "user")]},
    ),
    "parts": (
        {
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "a", "id": "i", "origin": "form", "trust": "untrusted"},
                        {"type": "data", "text": "b", "origin": "email"},
                        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
                        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                        {"type": "file", "file": {"file_data": "AAAA", "filename": "a.pdf"}},
                    ],
                }
            ]
        },
        {
            "input": [
                {
                    "role": "user",
                    "content": [
                        {"type": "input_text", "text": "a", "id": "i", "origin": "form", "trust": "untrusted"},
                        {"type": "data", "text": "b", "origin": "email"},
                        {"type": "input_image", "image_url": PNG, "detail": "low"},
                        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
                        {"type": "input_file", "file_data": "AAAA", "filename": "a.pdf"},
                    ],
                }
            ]
        },
    ),
    "data beside": (
        {"messages": [USER], "data": [{"id": "mail", "text": "x"}], "min_isolation": "channel", "subject": "s"},
        {"input": [USER], "data": [{"id": "mail", "text": "x"}], "min_isolation": "channel", "subject": "s"},
    ),
    "an answer": (
        {"messages": [USER, {"role": "assistant", "content": "Yes."}, USER]},
        {"input": [USER, said("Yes."), USER]},
    ),
    "an answer by hand": (
        {"messages": [USER, {"role": "assistant", "content": "Yes."}, USER]},
        {"input": [USER, {"role": "assistant", "content": "Yes."}, USER]},
    ),
    "a refusal": (
        {"messages": [USER, {"role": "assistant", "content": None, "refusal": "No."}, USER]},
        {"input": [USER, {**said(""), "content": [{"type": "refusal", "refusal": "No."}]}, USER]},
    ),
    "two answers in a row": (
        {"messages": [USER, {"role": "assistant", "content": "A."}, {"role": "assistant", "content": "B."}, USER]},
        {"input": [USER, said("A."), said("B."), USER]},
    ),
    "parallel calls": (
        {
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": "Let me see.",
                    "reasoning_content": "Hm.",
                    "tool_calls": [chat_call("c1"), chat_call("c2")],
                },
                {"role": "tool", "tool_call_id": "c1", "content": "3"},
                {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "4"}]},
            ],
            "tools": [{"type": "function", "function": FUNCTION}],
        },
        {
            "input": [
                USER,
                thought("Hm."),
                said("Let me see."),
                call("c1"),
                call("c2"),
                result("c1", "3"),
                result("c2", [{"type": "input_text", "text": "4"}]),
            ],
            "tools": [{"type": "function", **FUNCTION}],
        },
    ),
    "calls one after the other": (
        {
            "messages": [
                USER,
                {"role": "assistant", "content": None, "tool_calls": [chat_call("c1")]},
                {"role": "tool", "tool_call_id": "c1", "content": "3"},
                {"role": "assistant", "content": None, "tool_calls": [chat_call("c2")]},
                {"role": "tool", "tool_call_id": "c2", "content": "4", "name": "weather"},
            ]
        },
        {"input": [USER, call("c1"), result("c1", "3"), call("c2"), {**result("c2", "4"), "name": "weather"}]},
    ),
    "options": (
        {
            "messages": [USER],
            "tools": [{"type": "function", "function": FUNCTION}],
            "tool_choice": {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "weather"}}]},
            },
            "response_format": {"type": "json_schema", "json_schema": {"name": "o", "schema": SCHEMA, "strict": True}},
            "verbosity": "low",
            "reasoning_effort": "high",
            "max_completion_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "logprobs": True,
            "top_logprobs": 2,
            "parallel_tool_calls": False,
            "metadata": {"user_id": "u"},
            "user": "u",
            "safety_identifier": "i",
            "prompt_cache_key": "k",
            "prompt_cache_options": {"ttl": "30m"},
            "prompt_cache_retention": "24h",
            "service_tier": "flex",
            "top_k": 3,
        },
        {
            "input": [USER],
            "tools": [{"type": "function", **FUNCTION}],
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "weather"}],
            },
            "text": {
                "format": {"type": "json_schema", "name": "o", "schema": SCHEMA, "strict": True},
                "verbosity": "low",
            },
            "reasoning": {"effort": "high", "summary": "auto"},
            "max_output_tokens": 9,
            "temperature": 0.5,
            "top_p": 0.9,
            "include": ["message.output_text.logprobs", "reasoning.encrypted_content"],
            "top_logprobs": 2,
            "parallel_tool_calls": False,
            "metadata": {"user_id": "u"},
            "user": "u",
            "safety_identifier": "i",
            "prompt_cache_key": "k",
            "prompt_cache_options": {"ttl": "30m"},
            "prompt_cache_retention": "24h",
            "service_tier": "flex",
            "store": False,
            "truncation": "disabled",
            "top_k": 3,
        },
    ),
    "a stream": (
        {"messages": [USER], "stream": True, "stream_options": {"include_obfuscation": False}},
        {"input": [USER], "stream": True, "stream_options": {"include_obfuscation": False}},
    ),
    "a function by name": (
        {
            "messages": [USER],
            "tools": [{"type": "function", "function": FUNCTION}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
        },
        {
            "input": [USER],
            "tools": [{"type": "function", **FUNCTION}],
            "tool_choice": {"type": "function", "name": "weather"},
        },
    ),
    "marks and reserved tokens": (
        {"messages": [{"role": "user", "content": "Sum up <documents>a<|im_end|></documents>"}]},
        {"input": "Sum up <documents>a<|im_end|></documents>"},
    ),
}


@pytest.mark.rows
@pytest.mark.parametrize("name", sorted(CONVERSATIONS))
def test_the_same_conversation_is_the_same_request(name: str) -> None:
    assert_alike(*CONVERSATIONS[name])


def test_one_that_differs_is_told_apart() -> None:
    with pytest.raises(AssertionError):
        assert_alike(CONVERSATIONS["a text"][0], {"input": "Ho"})


TEXTS = st.text(max_size=12) | st.sampled_from(["<documents>x</documents>", "<|im_start|>system", "[INST]", '"}'])
# One step of a conversation, in no dialect: who speaks, and what.
Step = tuple[str, Any]
SPOKEN = st.tuples(st.sampled_from(["system", "developer", "user", "input"]), TEXTS | st.lists(TEXTS, min_size=1))
ANSWER = st.fixed_dictionaries(
    {
        "text": st.none() | TEXTS,
        "refusal": st.none() | TEXTS,
        "reasoning": st.none() | TEXTS.filter(bool),
        "calls": st.lists(st.dictionaries(TEXTS, TEXTS, max_size=2), max_size=3),
    }
).filter(lambda answer: answer["text"] is not None or answer["refusal"] is not None or answer["calls"])


def sayable(steps: list[Step]) -> bool:
    """Whether each answer is one of its own as items: only a message behind a message begins another."""
    answers = [(one[1], other[1]) for one, other in pairwise(steps) if one[0] == other[0] == "assistant"]
    return not any(not one["calls"] and other["text"] is other["refusal"] is None for one, other in answers)


STEPS: st.SearchStrategy[list[Step]] = st.lists(SPOKEN | st.tuples(st.just("assistant"), ANSWER), max_size=5).filter(
    sayable
)


def in_chat(steps: list[Step]) -> Json:
    messages: list[Json] = []
    for number, (role, what) in enumerate(steps):
        if role != "assistant":
            texts: Any = what if isinstance(what, str) else [{"type": "text", "text": text} for text in what]
            messages.append({"role": role, "content": texts})
            continue
        calls = [
            {"id": f"c{number}-{at}", "type": "function", "function": {"name": "f", "arguments": json.dumps(arguments)}}
            for at, arguments in enumerate(what["calls"])
        ]
        messages.append(
            {
                "role": "assistant",
                "content": what["text"],
                "refusal": what["refusal"],
                "reasoning_content": what["reasoning"],
                "tool_calls": calls,
            }
        )
        messages += [{"role": "tool", "tool_call_id": call["id"], "content": "r"} for call in calls]
    return {"messages": [*messages, USER]}


def in_responses(steps: list[Step]) -> Json:
    items: list[Json] = []
    for number, (role, what) in enumerate(steps):
        if role != "assistant":
            texts: Any = what if isinstance(what, str) else [{"type": "input_text", "text": text} for text in what]
            items.append({"role": role, "content": texts})
            continue
        if what["reasoning"] is not None:
            items.append(thought(what["reasoning"]))
        parts: list[Json] = []
        if what["text"] is not None:
            parts.append({"type": "output_text", "text": what["text"], "annotations": []})
        if what["refusal"] is not None:
            parts.append({"type": "refusal", "refusal": what["refusal"]})
        if parts:
            items.append({**said(""), "content": parts})
        calls = [{**call(f"c{number}-{at}"), "name": "f", "arguments": json.dumps(arguments)}
                 for at, arguments in enumerate(what["calls"])]  # fmt: skip
        items += calls
        items += [result(one["call_id"], "r") for one in calls]
    return {"input": [*items, USER]}


@given(STEPS)
def test_any_conversation_is_the_same_request(steps: list[Step]) -> None:
    assert_alike(in_chat(steps), in_responses(steps))


HANDLING = Handling(request_id="r", model="m", created=1, isolation="none", format="plain", target="t")
CALLS = st.lists(st.builds(ToolCall, id=st.just("c"), name=st.just("f"), arguments=st.text(max_size=6)), max_size=3)


@given(
    choice=st.builds(
        Choice,
        index=st.just(0),
        text=st.none() | st.text(),
        refusal=st.none() | st.text(),
        reasoning=st.none() | st.text(),
        tool_calls=CALLS.map(tuple),
        finish_reason=st.just("stop"),
    ).filter(lambda choice: bool(choice.text or choice.refusal or choice.tool_calls)),
    lengths=st.lists(st.integers(0, 4), max_size=3),
    dumped=st.booleans(),
)
def test_an_answer_that_is_sent_back_is_known_as_the_gateways_own(
    choice: Choice, lengths: list[int], dumped: bool
) -> None:
    """Who keeps track of untainted answers compares the exact content: nothing of it may be lost on the way."""
    seals = tuple([Seal(length=length, token=f"t{at}", hidden=not length) for at, length in enumerate(lengths)])
    if sum(lengths) > len(choice.reasoning or ""):
        seals = ()
    choice = replace(choice, seals=seals)
    raw = openai_responses.write(Reply(id="", model="", created=0, choices=(choice,)), HANDLING)
    # As the SDK dumps a model: what is not set is null.
    nulls: Json = {"status": None} if dumped else {}
    items: list[Json] = [{**item, **nulls} for item in orjson.loads(raw)["output"]]
    request = openai_responses.read({"model": "m", "input": [*items, USER]})
    turn, _ = lifted(request).turns
    told = exact_content(choice.text, choice.refusal, choice.reasoning, choice.tool_calls, choice.seals)
    assert content_of(turn) == told
    assert turn.seals == choice.seals


def test_sealed_reasoning_goes_back_to_the_vendor_that_sealed_it() -> None:
    seals = (
        Seal(length=3, token="first"),
        Seal(length=0, token="unseen", hidden=True),
        Seal(length=5, token="second"),
    )
    asked = ToolCall(id="c1", name="weather", arguments=ARGUMENTS)
    choice = Choice(
        index=0, text=None, reasoning="Hm.Well.", seals=seals, tool_calls=(asked,), finish_reason="tool_calls"
    )
    raw = openai_responses.write(Reply(id="", model="", created=0, choices=(choice,)), HANDLING)
    items = [USER, *orjson.loads(raw)["output"], result("c1", "3")]
    layout = format_named("anthropic-blocks").lay_out(
        lifted(openai_responses.read({"model": "m", "input": items})), OPTIONS
    )
    told: Json = json.loads(json.dumps(layout.body, default=dict))
    assert told["messages"][1]["content"][:3] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "first"},
        {"type": "redacted_thinking", "data": "unseen"},
        {"type": "thinking", "thinking": "Well.", "signature": "second"},
    ]
    assert layout.notes == ()
