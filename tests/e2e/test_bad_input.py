"""Requests that are refused: by whom, in which shape, naming what, and with nothing of them upstream."""

import json
from collections.abc import Iterator
from typing import Any, Protocol

import httpx
import pytest

Json = dict[str, Any]


class Upstream(Protocol):
    bodies: list[Json]

    def clear(self) -> None: ...


CHAT = "/v1/chat/completions"
SPLIT = "/v1/split"
RESPONSES = "/v1/responses"
MESSAGES = "/v1/messages"
VALID: dict[str, Json] = {
    CHAT: {"model": "envelope", "messages": [{"role": "user", "content": "Summarise."}], "data": "planted-data"},
    SPLIT: {"model": "envelope", "instructions": "Summarise.", "data": "planted-data"},
    MESSAGES: {
        "model": "envelope",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Summarise."}],
        "data": "planted-data",
    },
    RESPONSES: {"model": "envelope", "input": [{"role": "user", "content": "Summarise."}], "data": "planted-data"},
}
ROUTES = pytest.mark.parametrize("route", list(VALID))
# Beside those that generate: what is refused is refused in the same way.
EMBEDDINGS = "/v1/embeddings"
ASKED: dict[str, Json] = {**VALID, EMBEDDINGS: {"model": "envelope", "input": ["planted-data", "more"]}}
EVERY_ROUTE = pytest.mark.parametrize("route", list(ASKED))


@pytest.fixture(autouse=True)
def nothing_goes_up_and_the_server_survives(http: httpx.Client, upstream: Upstream) -> Iterator[None]:
    yield
    assert upstream.bodies == []
    assert http.get("/healthz").json() == {"status": "ok"}
    for route, body in VALID.items():
        assert http.post(route, json=body).status_code == 200
    assert len(upstream.bodies) == len(VALID)


def post(http: httpx.Client, route: str, body: bytes | str | Json) -> httpx.Response:
    raw = json.dumps(body) if isinstance(body, dict) else body
    return http.post(route, content=raw, headers={"content-type": "application/json"})


def assert_refused(response: httpx.Response, status: int, code: str, param: str | None) -> str:
    """The refusal in the shape of the route's dialect; gives its message."""
    assert response.status_code == status, response.text
    if response.request.url.path == SPLIT:
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert (problem["status"], problem["code"], problem.get("param")) == (status, code, param)
        message = problem["detail"]
    elif response.request.url.path == MESSAGES:
        assert response.headers["content-type"] == "application/json"
        error = response.json()["error"]
        assert response.json()["type"] == "error"
        kind = "not_found_error" if status == 404 else "invalid_request_error"
        assert (error["type"], error["code"], error["param"]) == (kind, code, param)
        message = error["message"]
    else:
        assert response.headers["content-type"] == "application/json"
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", code, param)
        message = error["message"]
    assert message
    assert "planted" not in response.text
    return message


DEEP = "[" * 65 + "]" * 65
FLAWED: list[tuple[str, str, str | None]] = [
    ("not JSON", "Summarise this: planted", None),
    ("cut off", '{"model": "envelope", "data": "planted', None),
    ("empty", "", None),
    ("two values", "{} {}", None),
    ("trailing comma", '{"model": "envelope",}', None),
    ("a list", "[]", None),
    ("a string", '"planted"', None),
    ("byte order mark", "\ufeff{}", None),
    ("too deep", '{"model": ' + DEEP + "}", None),
    ("NaN", '{"temperature": NaN}', "temperature"),
    ("Infinity", '{"temperature": Infinity}', "temperature"),
    ("-Infinity", '{"metadata": {"x": [1, -Infinity]}}', "metadata.x[1]"),
    ("1e999", '{"temperature": 1e999}', "temperature"),
    ("over 64 bits", '{"seed": 18446744073709551616}', "seed"),
    ("under 64 bits", '{"seed": -9223372036854775809}', "seed"),
    ("lone surrogate", '{"data": [{"text": "planted \\ud800"}]}', "data[0].text"),
    ("surrogate in a key", '{"data": {"\\udc00": 1}}', None),
    ("repeated key", '{"model": "envelope", "model": "plain"}', None),
    ("repeated key inside", '{"data": [{"text": "planted", "text": ""}]}', "data[0]"),
]


@pytest.mark.rows
@EVERY_ROUTE
@pytest.mark.parametrize(("raw", "param"), [flaw[1:] for flaw in FLAWED], ids=[flaw[0] for flaw in FLAWED])
def test_json_that_parsers_disagree_about_is_refused(
    http: httpx.Client, route: str, raw: str, param: str | None
) -> None:
    response = post(http, route, raw)
    named = response.json().get("param") if route == SPLIT else response.json()["error"]["param"]
    if param is not None:
        assert named == param
    assert_refused(response, 400, "malformed_body", named)


@pytest.mark.rows
@EVERY_ROUTE
@pytest.mark.parametrize("raw", [b"\xff\xfe{}", b'{"data": "\xed\xa0\x80"}', b'{"data": "\xc3"}', b"\x00"])
def test_bytes_that_are_no_utf8_are_refused(http: httpx.Client, route: str, raw: bytes) -> None:
    assert_refused(post(http, route, raw), 400, "malformed_body", None)


@pytest.mark.rows
@ROUTES
def test_nesting_up_to_the_limit_and_ordinary_escapes_are_fine(
    http: httpx.Client, upstream: Upstream, route: str
) -> None:
    large = {
        RESPONSES: {"max_output_tokens": 2**31 - 1},
        MESSAGES: {"max_tokens": 2**31 - 1},
    }.get(route, {"seed": 2**63 - 1})
    body = {**VALID[route], "data": {"text": "\\ud83d\\ude00 " + DEEP}, **large}
    assert post(http, route, body).status_code == 200
    (sent,) = upstream.bodies
    assert set(large.values()) <= {value for value in sent.values() if isinstance(value, int)}
    upstream.clear()


WRONG: dict[str, list[tuple[Json, str]]] = {
    CHAT: [
        ({"model": 3}, "model"),
        ({"messages": "planted"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": 7}]}, "messages[0].content"),
        ({"messages": [{"role": "planted", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "a b"}]}, "messages[0].tool_call_id"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": "planted"}, "temperature"),
        ({"temperature": 2.5}, "temperature"),
        ({"n": 0}, "n"),
        ({"n": True}, "n"),
        ({"stop": [""]}, "stop"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"response_format": {"type": "planted"}}, "response_format.type"),
        ({"data": [{"text": 1}]}, "data[0].text"),
        ({"data": [{"text": "", "id": "<|im_start|>"}]}, "data[0].id"),
        ({"min_isolation": "planted"}, "min_isolation"),
        ({"top_logprobs": 3}, "top_logprobs"),
    ],
    RESPONSES: [
        ({"model": 3}, "model"),
        ({"input": 7}, "input"),
        ({"input": []}, "input"),
        ({"input": [{"role": "user", "content": 7}]}, "input[0].content"),
        ({"input": [{"role": "planted", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "planted"}]}, "input[0].type"),
        ({"input": [{"type": "function_call_output", "call_id": "a b", "output": "x"}]}, "input[0].call_id"),
        ({"instructions": ["planted"]}, "instructions"),
        ({"stream": "yes"}, "stream"),
        ({"temperature": "planted"}, "temperature"),
        ({"store": True}, "store"),
        ({"background": True}, "background"),
        ({"truncation": "auto"}, "truncation"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name"),
        ({"text": {"format": {"type": "planted"}}}, "text.format.type"),
        ({"reasoning": {"summary": "planted"}}, "reasoning.summary"),
        ({"include": ["planted"]}, "include[0]"),
        ({"top_logprobs": 3}, "top_logprobs"),
    ],
    SPLIT: [
        ({"model": None}, "model"),
        ({"instructions": ""}, "instructions"),
        ({"instructions": 1}, "instructions"),
        ({"instructions": [{"text": "x", "trust": "untrusted"}]}, "instructions[0].trust"),
        ({"data": 1}, "data"),
        ({"data": [{"text": "x", "id": "a"}, {"text": "y", "id": "a"}]}, "data[1].id"),
        ({"data": [{"type": "image", "mime": "image/png", "content": "planted!"}]}, "data[0].content"),
        ({"output_schema": "planted"}, "output_schema"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"tool_choice": {"name": "planted"}}, "tool_choice.name"),
        ({"min_isolation": 3}, "min_isolation"),
    ],
    MESSAGES: [
        ({"model": None}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "planted", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"system": 7}, "system"),
        ({"temperature": 1.5}, "temperature"),
        ({"stop_sequences": "planted"}, "stop_sequences"),
        ({"thinking": {"type": "planted"}}, "thinking.type"),
        ({"tools": [{"name": "a b", "input_schema": {}}]}, "tools[0].name"),
        ({"tool_choice": {"type": "any"}}, "tool_choice.type"),
        ({"output_config": {"effort": "planted"}}, "output_config.effort"),
        ({"metadata": {"user_id": 7}}, "metadata.user_id"),
        ({"data": [{"text": 1}]}, "data[0].text"),
        ({"min_isolation": "planted"}, "min_isolation"),
    ],
    EMBEDDINGS: [
        ({"model": 3}, "model"),
        ({"input": None}, "input"),
        ({"input": []}, "input"),
        ({"input": ["planted", 7]}, "input[1]"),
        ({"input": [[1, 2]]}, "input[0]"),
        ({"input": ["planted"] * 2_049}, "input"),
        ({"encoding_format": "planted"}, "encoding_format"),
        ({"dimensions": 0}, "dimensions"),
        ({"data": "planted"}, "data"),
        ({"min_isolation": "none"}, "min_isolation"),
    ],
}


@pytest.mark.rows
@pytest.mark.parametrize(("route", "change", "param"), [(r, c, p) for r, wrong in WRONG.items() for c, p in wrong])
def test_a_value_of_the_wrong_type_is_named_by_its_path(
    http: httpx.Client, route: str, change: Json, param: str
) -> None:
    message = assert_refused(post(http, route, {**ASKED[route], **change}), 400, "invalid_field", param)
    assert param in message


@pytest.mark.rows
@EVERY_ROUTE
@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_field_is_named(http: httpx.Client, route: str, stream: bool) -> None:
    message = assert_refused(
        post(http, route, {**ASKED[route], "temprature": 1, "stream": stream}), 400, "unknown_field", "temprature"
    )
    assert "temprature" in message


@pytest.mark.rows
@EVERY_ROUTE
@pytest.mark.parametrize(
    "field",
    ["api_base", "base_url", "api_key", "prompt_embeds", "Api-Base", "apiKey", "extra_headers", "chat_template",
     "chat_template_kwargs", "documents", "continue_final_message", "add_generation_prompt", "echo", "lora_request"],
)  # fmt: skip
def test_a_field_that_redirects_recredentials_or_retemplates_is_refused(
    http: httpx.Client, route: str, field: str
) -> None:
    assert_refused(post(http, route, {**ASKED[route], field: "planted"}), 400, "forbidden_field", field)


NESTED: list[tuple[str, Json, str]] = [
    (CHAT, {"metadata": {"api_key": "planted"}}, "metadata.api_key"),
    (CHAT, {"top_k": {"a": [{"base_url": "planted"}]}}, "top_k.a[0].base_url"),
    (CHAT, {"messages": [{"role": "user", "content": "x", "api_base": "planted"}]}, "messages[0].api_base"),
    (CHAT, {"data": [{"text": "x", "prompt_embeds": "planted"}]}, "data[0].prompt_embeds"),
    (CHAT, {"stream": True, "stream_options": {"api_key": "planted"}}, "stream_options.api_key"),
    (CHAT, {"response_format": {"type": "text", "base_url": "planted"}}, "response_format.base_url"),
    (
        CHAT,
        {"tools": [{"type": "function", "function": {"name": "f", "api_key": "planted"}}]},
        "tools[0].function.api_key",
    ),
    (MESSAGES, {"metadata": {"api_key": "planted"}}, "metadata.api_key"),
    (MESSAGES, {"min_p": {"a": [{"base_url": "planted"}]}}, "min_p.a[0].base_url"),
    (MESSAGES, {"messages": [{"role": "user", "content": "x", "api_base": "planted"}]}, "messages[0].api_base"),
    (MESSAGES, {"system": [{"type": "text", "text": "x", "api_base": "planted"}]}, "system[0].api_base"),
    (MESSAGES, {"tools": [{"name": "f", "input_schema": {}, "api_key": "planted"}]}, "tools[0].api_key"),
    (MESSAGES, {"output_config": {"base_url": "planted"}}, "output_config.base_url"),
    (RESPONSES, {"input": [{"role": "user", "content": "x", "api_base": "planted"}]}, "input[0].api_base"),
    (RESPONSES, {"text": {"format": {"type": "text", "base_url": "planted"}}}, "text.format.base_url"),
    (RESPONSES, {"tools": [{"type": "function", "name": "f", "api_key": "planted"}]}, "tools[0].api_key"),
    (SPLIT, {"data": [{"text": "x", "api_key": "planted"}]}, "data[0].api_key"),
    (SPLIT, {"instructions": [{"text": "x", "base_url": "planted"}]}, "instructions[0].base_url"),
    (SPLIT, {"tools": [{"name": "f", "api_base": "planted"}]}, "tools[0].api_base"),
    (EMBEDDINGS, {"input_type": {"a": [{"base_url": "planted"}]}}, "input_type.a[0].base_url"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("route", "change", "param"), NESTED)
def test_such_a_field_is_refused_at_any_depth(http: httpx.Client, route: str, change: Json, param: str) -> None:
    assert_refused(post(http, route, {**ASKED[route], **change}), 400, "forbidden_field", param)


def test_the_same_words_may_stand_in_schemas_and_in_text(http: httpx.Client, upstream: Upstream) -> None:
    schema = {"type": "object", "properties": {"api_key": {"type": "string"}, "base_url": {"type": "string"}}}
    words = '{"api_key": "x", "base_url": "http://127.0.0.1:1"}'
    function = {"name": "f", "parameters": schema}
    form = {"type": "json_schema", "json_schema": {"name": "out", "schema": schema}}
    chat = {**VALID[CHAT], "data": words, "tools": [{"type": "function", "function": function}]}
    split = {**VALID[SPLIT], "data": words, "tools": [function], "output_schema": schema}
    assert post(http, CHAT, {**chat, "response_format": form}).status_code == 200
    assert post(http, SPLIT, split).status_code == 200
    custom = {"name": "f", "input_schema": schema}
    answer = {"format": {"type": "json_schema", "schema": schema}}
    messages = {**VALID[MESSAGES], "data": words, "tools": [custom], "output_config": answer}
    assert post(http, MESSAGES, messages).status_code == 200
    flat = {"format": {"type": "json_schema", "name": "out", "schema": schema}}
    responses = {**VALID[RESPONSES], "data": words, "tools": [{"type": "function", **function}], "text": flat}
    assert post(http, RESPONSES, responses).status_code == 200
    for sent in upstream.bodies:
        assert sent["tools"][0]["function"]["parameters"] == schema
        assert sent["response_format"]["json_schema"]["schema"] == schema
        (result,) = (message for message in sent["messages"] if message["role"] == "tool")
        assert json.loads(result["content"])["untrusted_data"]["content"] == words
    upstream.clear()


@pytest.mark.rows
@ROUTES
@pytest.mark.parametrize("where", ["define", "choose"])
def test_the_gateways_own_tool_cannot_be_claimed(http: httpx.Client, route: str, where: str) -> None:
    function: Json = {"name": "read_untrusted_data"}
    entries: dict[str, tuple[Json, Json, str]] = {
        SPLIT: (function, function, ""),
        CHAT: ({"type": "function", "function": function}, {"type": "function", "function": function}, ".function"),
        MESSAGES: ({**function, "input_schema": {}}, {"type": "tool", **function}, ""),
        RESPONSES: ({"type": "function", **function}, {"type": "function", **function}, ""),
    }
    defined, named, inside = entries[route]
    change: Json = {"tools": [defined]} if where == "define" else {"tool_choice": named}
    param = "tools[0]" if where == "define" else "tool_choice"
    response = post(http, route, {**VALID[route], **change})
    assert_refused(response, 400, "forbidden_field", f"{param}{inside}.name")


URL_IMAGE: Json = {"type": "image", "source": {"type": "url", "url": "https://a.example/x"}}
FILE: Json = {"type": "document", "source": {"type": "file", "file_id": "f"}}
SERVER_CALL: Json = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
REFERENCES: list[tuple[str, Json, str]] = [
    (CHAT, {"previous_response_id": "r"}, "previous_response_id"),
    (
        CHAT,
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/x"}}]}
            ]
        },
        "messages[0].content[0].image_url.url",
    ),
    (
        CHAT,
        {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
        "messages[0].content[0].file.file_id",
    ),
    (CHAT, {"tools": [{"type": "web_search"}]}, "tools[0].type"),
    (CHAT, {"web_search_options": {}}, "web_search_options"),
    (MESSAGES, {"container": "c"}, "container"),
    (MESSAGES, {"mcp_servers": []}, "mcp_servers"),
    (MESSAGES, {"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0].type"),
    (MESSAGES, {"messages": [{"role": "user", "content": [URL_IMAGE]}]}, "messages[0].content[0].source"),
    (MESSAGES, {"messages": [{"role": "user", "content": [FILE]}]}, "messages[0].content[0].source"),
    (MESSAGES, {"messages": [{"role": "assistant", "content": [SERVER_CALL]}]}, "messages[0].content[0].type"),
    (RESPONSES, {"previous_response_id": "planted"}, "previous_response_id"),
    (RESPONSES, {"conversation": "planted"}, "conversation"),
    (RESPONSES, {"prompt": {"id": "planted"}}, "prompt"),
    (RESPONSES, {"tools": [{"type": "mcp", "server_url": "https://a.example"}]}, "tools[0].type"),
    (RESPONSES, {"input": [{"type": "item_reference", "id": "planted"}]}, "input[0]"),
    (RESPONSES, {"input": [{"type": "web_search_call", "id": "planted"}]}, "input[0]"),
    (
        RESPONSES,
        {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "https://a.example/x"}]}]},
        "input[0].content[0].image_url",
    ),
    (
        RESPONSES,
        {"input": [{"role": "user", "content": [{"type": "input_file", "file_url": "https://a.example/x"}]}]},
        "input[0].content[0].file_url",
    ),
]


@pytest.mark.rows
@ROUTES
def test_more_segments_than_a_request_may_hold_are_refused(http: httpx.Client, route: str) -> None:
    many = [{"text": "planted"}] * 2_000
    assert "2000 segments" in assert_refused(
        post(http, route, {**VALID[route], "data": many}), 400, "invalid_field", "data"
    )
    listed = {
        SPLIT: {"instructions": many, "data": "a"},
        CHAT: {"messages": VALID[CHAT]["messages"] * 2_000, "data": "a"},
        MESSAGES: {"messages": VALID[MESSAGES]["messages"] * 2_000, "data": "a"},
        RESPONSES: {"input": VALID[RESPONSES]["input"] * 2_000, "data": "a"},
    }
    assert "2000 segments" in assert_refused(
        post(http, route, {**VALID[route], **listed[route]}), 400, "invalid_field", "data"
    )


@pytest.mark.rows
@ROUTES
def test_a_request_about_too_many_persons_is_refused(http: httpx.Client, route: str) -> None:
    people = [{"text": "a", "subject": f"planted {n}"} for n in range(64)]
    body = {**VALID[route], "data": people, "subject": "somebody"}
    assert "at most 64" in assert_refused(post(http, route, body), 400, "invalid_field", "data[63].subject")


@pytest.mark.rows
@pytest.mark.parametrize(("route", "change", "param"), REFERENCES)
def test_content_that_the_gateway_cannot_see_is_refused(
    http: httpx.Client, route: str, change: Json, param: str
) -> None:
    assert_refused(post(http, route, {**VALID[route], **change}), 400, "content_by_reference", param)


@pytest.mark.rows
@EVERY_ROUTE
def test_an_unknown_model_is_answered_with_the_known_ones(http: httpx.Client, route: str) -> None:
    message = assert_refused(post(http, route, {**ASKED[route], "model": "planted"}), 404, "model_not_found", "model")
    assert all(name in message for name in ("envelope", "local", "local-split", "plain", "spotlight"))


@pytest.mark.rows
@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/v1/completions", "/v1/chat/completions/", "/v1/split/", "/v1/split/x", "//v1/split",
     "/v1/embeddings/", "/v1/messages/", "/v1/messages/batches",
     "/v1/chat/completions/../embeddings", "/v2/split", "/healthz/", "/v1/files", "/admin", "/docs", "/openapi.json",
     "/v1/responses/", "/v1/responses/resp_1", "/v1/responses/resp_1/input_items", "/v1/responses/input_tokens"],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_path_is_404_and_never_forwarded(http: httpx.Client, method: str, path: str) -> None:
    response = http.request(method, httpx.URL(str(http.base_url)).copy_with(raw_path=path.encode()), json=VALID[CHAT])
    assert response.status_code == 404
    assert "unknown_route" in response.text


def test_recent_requests_are_not_shown_unless_they_are_kept(http: httpx.Client) -> None:
    assert http.get("/admin/recent").status_code == 404


@pytest.mark.rows
@EVERY_ROUTE
@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_a_wrong_method_is_405_and_names_the_right_one(http: httpx.Client, route: str, method: str) -> None:
    response = http.request(method, route)
    assert_refused(response, 405, "method_not_allowed", None)
    assert response.headers["allow"] == "POST"


def test_models_are_only_read(http: httpx.Client) -> None:
    response = http.post("/v1/models", json={})
    assert response.status_code == 405
    assert "GET" in response.headers["allow"]


def test_healthz_and_readyz_answer(http: httpx.Client) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ready"}
