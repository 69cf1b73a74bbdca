"""A limit's refusal in each dialect: in the words that applications of its vendor branch on."""

from typing import Any

import orjson
import pytest

from gateway.dialects import anthropic_messages, openai_chat, openai_embeddings, openai_responses, split
from gateway.domain.errors import BudgetSpent, InvalidField, LimitReached
from gateway.domain.quota import Measure


def refused(measure: Measure) -> LimitReached:
    kind = BudgetSpent if measure is Measure.MONEY else LimitReached
    return kind("the limit is reached", rule="app-rpm", measure=measure, window="minute", retry_after_s=7)


@pytest.mark.rows
@pytest.mark.parametrize("dialect", [openai_chat, openai_responses, openai_embeddings])
@pytest.mark.parametrize(
    ("measure", "kind", "code"),
    [
        (Measure.REQUESTS, "requests", "rate_limit_exceeded"),
        (Measure.CONCURRENT, "requests", "rate_limit_exceeded"),
        (Measure.TOKENS, "tokens", "rate_limit_exceeded"),
        (Measure.MONEY, "insufficient_quota", "insufficient_quota"),
    ],
)
def test_openais_dialects_have_openais_words(dialect: Any, measure: Measure, kind: str, code: str) -> None:
    told = orjson.loads(dialect.error_body(refused(measure), 429))["error"]
    assert told == {"message": "the limit is reached", "type": kind, "param": None, "code": code}


@pytest.mark.parametrize(("measure", "code"), [(Measure.TOKENS, "rate_limited"), (Measure.MONEY, "budget_spent")])
def test_anthropics_dialect_has_anthropics(measure: Measure, code: str) -> None:
    told = orjson.loads(anthropic_messages.error_body(refused(measure), 429))
    assert (told["type"], told["error"]["type"], told["error"]["code"]) == ("error", "rate_limit_error", code)


def test_natively_the_limit_is_named() -> None:
    told = orjson.loads(split.error_body(refused(Measure.TOKENS), 429))
    assert (told["code"], told["status"]) == ("rate_limited", 429)
    assert told["limit"] == {"rule": "app-rpm", "measure": "tokens", "window": "minute"}
    assert "limit" not in orjson.loads(split.error_body(InvalidField("m", param="p"), 400))
