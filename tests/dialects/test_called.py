from typing import Any

import orjson
import pytest

from gateway.dialects import anthropic_messages, openai_chat, openai_responses
from gateway.domain.errors import NotSayable, UnknownField

FIELDS = [
    (anthropic_messages, "response_format", "output_config.format"),
    (anthropic_messages, "stop", "stop_sequences"),
    (anthropic_messages, "seed", "seed"),
    (openai_responses, "response_format", "text.format"),
    (openai_responses, "max_completion_tokens", "max_output_tokens"),
    (openai_responses, "top_p", "top_p"),
    (openai_chat, "response_format", "response_format"),
]


@pytest.mark.rows
@pytest.mark.parametrize(("dialect", "field", "own"), FIELDS)
def test_what_could_not_be_said_goes_by_the_clients_own_name(dialect: Any, field: str, own: str) -> None:
    error = NotSayable(f"{field} cannot be said; leave it out", param=field)
    told = orjson.loads(dialect.error_body(error, 400))["error"]
    assert told["param"] == own
    assert told["message"] == (error.message if own == field else f"{own}: {error.message}")


@pytest.mark.parametrize("dialect", [anthropic_messages, openai_responses])
def test_a_field_that_the_client_wrote_keeps_its_name(dialect: Any) -> None:
    error = UnknownField("unknown field response_format", param="response_format")
    told = orjson.loads(dialect.error_body(error, 400))["error"]
    assert (told["param"], told["message"]) == ("response_format", error.message)
