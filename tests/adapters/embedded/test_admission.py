import json

import pytest

from adapters._refusal import Refused
from adapters.embedded.admission import MOST_BYTES, MOST_MARKS, MOST_MESSAGES, NEED_NO_SLOT, PATHS, admit
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


@pytest.mark.rows
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


@pytest.mark.rows
@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_listed_field_outside_of_its_range_is_refused_by_name(name: str, value: object) -> None:
    assert refused(chat(**{name: value})) == ("invalid_field", name)


@pytest.mark.rows
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


@pytest.mark.rows
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
    assert PATHS == (CHAT, "/v1/completions", "/v1/embeddings", "/apply-template", "/tokenize")
    assert set(PATHS) > NEED_NO_SLOT


EMBEDDINGS = "/v1/embeddings"
TEMPLATE = "/apply-template"
TOKENS = "/tokenize"


@pytest.mark.rows
@pytest.mark.parametrize(
    "body",
    [
        b'{"input":"x"}',
        b'{"input":["x","y"]}',
        b'{"input":"x","encoding_format":"base64"}',
        b'{"model":"smollm2-135m-instruct","input":"x"}',
    ],
)
def test_texts_to_embed_reach_the_engine_unchanged(body: bytes) -> None:
    assert admit(EMBEDDINGS, body, slots=1) == body


@pytest.mark.rows
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input", ""), ("input", []), ("input", [""]), ("input", [1]), ("input", [[1]]), ("input", 1), ("input", {}),
        ("input", ["x"] * 2049), ("encoding_format", "float16"), ("encoding_format", ["float"]), ("model", 1),
    ],
)  # fmt: skip
def test_what_is_no_text_to_embed_is_refused_by_name(name: str, value: object) -> None:
    assert refused(json.dumps({"input": "x", name: value}).encode(), EMBEDDINGS) == ("invalid_field", name)


def test_dimensions_which_the_engine_would_not_keep_to_are_refused() -> None:
    assert refused(b'{"input":"x","dimensions":8}', EMBEDDINGS) == ("unsupported_field", "dimensions")


LAID_OUT = {"messages", "tools", "tool_choice", "parallel_tool_calls", "response_format", "chat_template_kwargs"}


@pytest.mark.rows
@pytest.mark.parametrize(("name", "value"), [pair for pair in GOOD if pair[0] in LAID_OUT])
def test_what_a_template_reads_is_laid_out_to_be_counted(name: str, value: object) -> None:
    assert json.loads(admit(TEMPLATE, chat(**{name: value}), slots=2))[name] == value


@pytest.mark.rows
@pytest.mark.parametrize(("name", "value"), [pair for pair in WRONG if pair[0] in LAID_OUT])
def test_it_is_as_strict_there_as_it_is_for_an_answer(name: str, value: object) -> None:
    assert refused(chat(**{name: value}), TEMPLATE) == ("invalid_field", name)


@pytest.mark.rows
@pytest.mark.parametrize("name", ["max_tokens", "temperature", "stream", "grammar", "chat_template", "documents"])
def test_what_no_template_reads_is_refused_there(name: str) -> None:
    assert refused(chat(**{name: 1}), TEMPLATE) == ("unsupported_field", name)


def test_schemas_are_checked_before_a_template_reads_them() -> None:
    bad = {"type": "string", "pattern": "^((((a{0,999}){0,999}){0,999}){0,999})$"}
    tools = [{"type": "function", "function": {"name": "f", "parameters": bad}}]
    assert refused(chat(tools=tools), TEMPLATE) == ("schema_unsupported", "tools")


def test_a_text_is_taken_apart_and_nothing_else_is_said_of_it() -> None:
    body = b'{"content":"x","add_special":true,"parse_special":true}'
    assert admit(TOKENS, body, slots=1) == body
    assert refused(b'{"content":["x"]}', TOKENS) == ("invalid_field", "content")
    pieces = b'{"content":"x","with_pieces":true}'
    assert admit(TOKENS, pieces, slots=1) == pieces


@pytest.mark.rows
@pytest.mark.parametrize(
    ("path", "name"), [(CHAT, "messages"), (EMBEDDINGS, "input"), (TOKENS, "messages"), (TEMPLATE, "messages")]
)
def test_more_special_tokens_than_any_context_holds_are_refused_before_they_are_looked_for(
    path: str, name: str
) -> None:
    def holding(count: int) -> bytes:
        text = "<|" * count
        held: dict[str, object] = {EMBEDDINGS: {"input": text}, TOKENS: {"content": text}}
        # Escaped they are the same to the engine.
        return json.dumps(held.get(path, {"messages": [{"content": text}]})).replace("<", "\\u003c").encode()

    assert refused(holding(MOST_MARKS + 1), path) == ("context_length_exceeded", name)
    assert admit(path, holding(MOST_MARKS), slots=1).count(b"<|") == MOST_MARKS


@pytest.mark.parametrize(("path", "name"), [(CHAT, "messages"), (EMBEDDINGS, "input")])
def test_what_is_too_long_is_called_by_the_field_that_makes_it_so(path: str, name: str) -> None:
    assert refused(b" " * (MOST_BYTES + 1), path) == ("context_length_exceeded", name)


SPLIT = "smollm2-135m-split"


@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
@pytest.mark.parametrize("model", [None, "smollm2-135m-instruct", SPLIT])
def test_the_adapter_goes_to_what_the_split_model_is_asked_and_to_nothing_else(path: str, model: str | None) -> None:
    admitted = json.loads(admit(path, json.dumps({"model": model}).encode(), slots=1, split=True))
    assert admitted["lora"] == [{"id": 0, "scale": 1.0 if model == SPLIT else 0.0}]


@pytest.mark.parametrize("path", [CHAT, "/v1/completions"])
def test_without_an_adapter_nothing_is_said_of_one(path: str) -> None:
    assert admit(path, b'{"model":"smollm2-135m-instruct"}', slots=1) == b'{"model":"smollm2-135m-instruct"}'


@pytest.mark.parametrize("path", ["/apply-template", TOKENS])
def test_the_split_models_prompts_are_laid_out_without_the_adapter(path: str) -> None:
    raw = b'{"model":"smollm2-135m-split"}'
    assert admit(path, raw, slots=1, split=True) == raw


@pytest.mark.parametrize("model", ["gpt-4", "smollm2-135m", "SmolLM2-135M-Split"])
def test_a_model_of_another_name_is_not_there(model: str) -> None:
    with pytest.raises(Refused) as caught:
        admit(CHAT, json.dumps({"model": model}).encode(), slots=1, split=True)
    assert (caught.value.status, caught.value.code, caught.value.param) == (404, "model_not_found", "model")


def test_the_split_model_is_not_there_without_its_adapter_and_never_makes_vectors() -> None:
    raw = b'{"model":"smollm2-135m-split"}'
    assert refused(raw) == ("model_not_found", "model")
    with pytest.raises(Refused) as caught:
        admit(EMBEDDINGS, raw, slots=1, split=True)
    assert (caught.value.status, caught.value.code) == (400, "model_without_embeddings")


@pytest.mark.parametrize("path", [CHAT, "/v1/completions", EMBEDDINGS, "/apply-template", TOKENS])
def test_no_request_brings_an_adapter_of_its_own(path: str) -> None:
    assert refused(b'{"lora":[{"id":0,"scale":1}]}', path) == ("unsupported_field", "lora")
