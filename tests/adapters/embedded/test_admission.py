import json

import pytest

from adapters._refusal import Refused
from adapters.embedded.admission import MOST_BYTES, MOST_MESSAGES, PATHS, admit
from gateway.domain.jsonvalue import JsonObject

CHAT = "/v1/chat/completions"
TOOL: JsonObject = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
FORM = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {"type": "string"}}}


def chat(**more: object) -> bytes:
    return json.dumps({"messages": [{"role": "user", "content": "x"}], **more}).encode()


def refused(raw: bytes, path: str = CHAT) -> tuple[str, str | None]:
    with pytest.raises(Refused) as caught:
        admit(path, raw, slots=2)
    return caught.value.code, caught.value.param


GOOD: list[tuple[str, object]] = [
    ("model", "smollm2-135m-instruct"), ("stream", True), ("stream_options", {"include_usage": True}),
    ("max_tokens", 1), ("max_completion_tokens", 2**31 - 1), ("temperature", 2), ("top_p", 0.5), ("n", 2),
    ("stop", "a"), ("stop", ["a"] * 16), ("seed", -1), ("presence_penalty", -2), ("frequency_penalty", 2),
    ("logit_bias", {"7": -100}), ("logprobs", True), ("top_logprobs", 20), ("response_format", FORM),
    ("response_format", {"type": "text"}), ("response_format", {"type": "json_object"}), ("tools", [TOOL]),
    ("tools", [{"type": "function", "function": {"name": "f"}}]),
    ("tool_choice", "required"), ("tool_choice", {"type": "function"}), ("parallel_tool_calls", False),
    ("chat_template_kwargs", {"add_defensive_tokens": True}), ("top_k", 40), ("min_p", 0.1), ("ignore_eos", True),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_a_listed_field_within_its_range_reaches_the_engine_unchanged(name: str, value: object) -> None:
    assert json.loads(admit(CHAT, chat(**{name: value}), slots=2))[name] == value


WRONG: list[tuple[str, object]] = [
    ("model", "a b"), ("model", 1), ("stream", 1), ("stream_options", {"include_usage": 1}),
    ("stream_options", {"other": True}), ("max_tokens", 0), ("max_tokens", -1), ("max_tokens", 2**31),
    ("max_tokens", 2**70), ("max_tokens", True), ("temperature", 2.5), ("temperature", "1"), ("top_p", 1.1), ("n", 0),
    ("stop", ""), ("stop", ["a"] * 17), ("stop", "a" * 1025), ("stop", [1]), ("seed", 2**63), ("presence_penalty", 3),
    ("logit_bias", {str(token): 1 for token in range(301)}), ("logit_bias", {"word": 1}), ("logit_bias", {"7": 101}),
    ("logit_bias", [[7, 1]]), ("logprobs", 1), ("top_logprobs", 21), ("response_format", "json"),
    ("response_format", {"type": "json_object", "schema": {}}), ("response_format", {"type": "json_schema"}),
    ("response_format", {"type": "grammar"}), ("response_format", {"type": "text", "grammar": "x"}),
    ("response_format", {**FORM, "json_schema": {"grammar": "x"}}), ("tools", {}), ("tools", [1]), ("tools", [{}]),
    ("tools", [TOOL] * 1025), ("tool_choice", "other"), ("chat_template_kwargs", {"x": "{%for%}"}), ("top_k", 1001),
    ("messages", "x"), ("messages", ["x"]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_listed_field_outside_of_its_range_is_refused_by_name(name: str, value: object) -> None:
    assert refused(chat(**{name: value})) == ("invalid_field", name)


@pytest.mark.parametrize(
    "name",
    [
        "grammar", "grammar_lazy", "json_schema", "guided_json", "guided_regex", "guided_grammar", "id_slot",
        "cache_prompt", "n_keep", "t_max_predict_ms", "lora", "n_probs", "samplers", "mirostat", "dry_multiplier",
        "dry_sequence_breakers", "repeat_last_n", "n_predict", "n_cmpl", "documents", "continue_final_message",
    ],
)  # fmt: skip
def test_the_engines_own_fields_are_refused_by_name(name: str) -> None:
    assert refused(chat(**{name: 1})) == ("unsupported_field", name)


def test_a_field_name_that_is_no_identifier_is_refused_without_repeating_it() -> None:
    assert refused(chat(**{"my secret": 1})) == ("unsupported_field", None)


def test_what_is_only_for_records_and_what_is_null_is_left_out() -> None:
    body = admit(CHAT, chat(user="u", metadata={"a": "b"}, store=True, seed=None, grammar=None), slots=2)
    assert json.loads(body).keys() == {"messages"}


def test_more_choices_than_slots_are_refused_naming_n() -> None:
    assert refused(chat(n=3)) == ("n_too_large", "n")


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'"x"', b'{"messages": [{"content": "\\ud800"}]}'])
def test_a_body_that_is_no_json_object_is_refused_without_quoting_it(raw: bytes) -> None:
    assert refused(raw) == ("invalid_json", None)


def test_what_cannot_fit_the_context_is_refused_before_it_is_read() -> None:
    many = [{"role": "user", "content": "x"}] * (MOST_MESSAGES + 1)
    assert refused(chat(messages=many)) == ("context_length_exceeded", "messages")
    assert refused(b" " * (MOST_BYTES + 1)) == ("context_length_exceeded", "messages")
    assert json.loads(admit(CHAT, chat(messages=many[1:]), slots=2))["messages"] == many[1:]


@pytest.mark.parametrize("key", ["response_format", "tools"])
def test_schemas_are_checked_wherever_they_stand(key: str) -> None:
    bad = {"type": "string", "pattern": "^((((a{0,999}){0,999}){0,999}){0,999})$"}
    held: dict[str, object] = {
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": bad}},
        "tools": [{"type": "function", "function": {"name": "f", "parameters": bad}}],
    }
    assert refused(chat(**{key: held[key]})) == ("schema_unsupported", key)


def test_a_text_completion_has_one_prompt_and_fewer_fields() -> None:
    body = b'{"prompt":"x","logprobs":5}'
    assert admit("/v1/completions", body, slots=1) == body
    assert refused(b'{"prompt":["a","b"]}', "/v1/completions") == ("invalid_field", "prompt")
    assert refused(b'{"prompt":"x","response_format":{}}', "/v1/completions") == (
        "unsupported_field",
        "response_format",
    )


def test_every_path_has_its_fields() -> None:
    assert PATHS == (CHAT, "/v1/completions", "/v1/embeddings")
    assert admit("/v1/embeddings", b'{"input":["x"]}', slots=1) == b'{"input":["x"]}'
