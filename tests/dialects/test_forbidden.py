import pytest

from gateway.dialects._forbidden import is_forbidden_field, refuse_fields, unknown
from gateway.domain.errors import ForbiddenField, UnknownField
from gateway.domain.jsonvalue import JsonValue


@pytest.mark.rows
@pytest.mark.parametrize(
    "name",
    [
        *("api_base", "base_url", "api_key", "api_version", "custom_llm_provider", "prompt_embeds", "headers"),
        *("extra_headers", "extra_body", "proxies", "organization", "fallbacks", "model_list", "kv_transfer_params"),
        *("chat_template", "chat_template_kwargs", "documents", "continue_final_message", "add_generation_prompt"),
        *("add_special_tokens", "echo", "lora", "lora_request", "adapter_id", "adapter", "tokenizer", "prompt"),
        *("truncate_prompt_tokens", "logits_processors", "aws_secret_access_key", "vertex_credentials"),
        *("azure_ad_token", "litellm_params", "AWS-Region-Name", "Base-URL", "apiKey", "BASEURL", "api_\u212aey"),
    ],
)
def test_no_client_may_send_these(name: str) -> None:
    assert is_forbidden_field(name)


@pytest.mark.rows
@pytest.mark.parametrize(
    "name", ["top_k", "min_p", "guided_json", "repetition_penalty", "awsome", "echoes", "loran", ""]
)
def test_a_target_may_be_configured_to_take_these(name: str) -> None:
    assert not is_forbidden_field(name)


HIDDEN: list[tuple[JsonValue, str]] = [
    ({"a": [{"Documents": 1}]}, "x.a[0].Documents"),
    ({"properties": {"echo": True}}, "x.properties.echo"),
    ({"properties": {"a": {"aws_region": {}}}}, "x.properties.a.aws_region"),
    ({"$defs": {"chat_template": {}}}, "x.$defs.chat_template"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("value", "param"), HIDDEN)
def test_what_is_passed_on_unread_holds_no_request_field_at_any_depth(value: JsonValue, param: str) -> None:
    with pytest.raises(ForbiddenField) as caught:
        refuse_fields(value, "x")
    assert caught.value.param == param


def test_a_schemas_own_names_pass() -> None:
    refuse_fields({"properties": {"echo": {"type": "boolean"}, "properties": {"properties": {"host": {}}}}}, "x")
    refuse_fields(["documents", {"documented": 1}], "x")


def test_an_unknown_key_is_refused_for_the_graver_reason() -> None:
    assert isinstance(unknown("api_base", "a[0]"), ForbiddenField)
    assert isinstance(unknown("api_bass", "a[0]"), UnknownField)
    assert unknown("api_bass", "a[0]").param == "a[0].api_bass"


def test_a_key_that_may_be_prompt_text_is_not_shown() -> None:
    error = unknown("my secret plan", "")
    assert error.param == "?"
    assert "secret" not in error.message
