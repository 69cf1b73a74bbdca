import pytest

from adapters.providers._anthropic_thinking import budget_of, check_thinking, refuse_unthought_calls
from gateway.domain.errors import InvalidField, NotSayable
from gateway.domain.jsonvalue import JsonObject, JsonValue

ENABLED: JsonObject = {"thinking": {"type": "enabled", "budget_tokens": 1024}}


@pytest.mark.rows
@pytest.mark.parametrize(
    ("asked", "budget"),
    [
        ({"type": "enabled", "budget_tokens": 1024}, 1024),
        ({"type": "enabled", "budget_tokens": 5000, "display": "summarized"}, 5000),
        ({"type": "adaptive"}, 0),
        ({"type": "adaptive", "display": "omitted"}, 0),
        ({"type": "disabled"}, 0),
        ({"type": "between_tools"}, 0),
    ],
)
def test_what_the_api_knows_passes(asked: JsonObject, budget: int) -> None:
    check_thinking({"thinking": asked})
    assert budget_of({"thinking": asked}) == budget


def test_a_request_without_the_field_passes() -> None:
    check_thinking({"top_k": 1})
    assert budget_of({}) == 0


@pytest.mark.rows
@pytest.mark.parametrize(
    ("asked", "member"),
    [
        ("on", "type"),
        ({}, "type"),
        ({"type": 1}, "type"),
        ({"type": "always"}, "type"),
        ({"type": "enabled"}, "budget_tokens"),
        ({"type": "enabled", "budget_tokens": 1023}, "budget_tokens"),
        ({"type": "enabled", "budget_tokens": 2**31}, "budget_tokens"),
        ({"type": "enabled", "budget_tokens": True}, "budget_tokens"),
        ({"type": "enabled", "budget_tokens": "1024"}, "budget_tokens"),
        ({"type": "adaptive", "budget_tokens": 1024}, "budget_tokens"),
        ({"type": "disabled", "display": "omitted"}, "display"),
        ({"type": "adaptive", "display": "all"}, "display"),
        ({"type": "adaptive", "depth": 1}, "depth"),
    ],
)
def test_what_it_does_not_know_is_refused_by_its_member(asked: JsonValue, member: str) -> None:
    with pytest.raises(InvalidField) as caught:
        check_thinking({"thinking": asked})
    assert caught.value.param == f"thinking.{member}"


def user(*kinds: str) -> JsonObject:
    return {"role": "user", "content": [{"type": kind} for kind in kinds]}


def assistant(*kinds: str) -> JsonObject:
    return {"role": "assistant", "content": [{"type": kind} for kind in kinds]}


@pytest.mark.rows
@pytest.mark.parametrize(
    "messages",
    [
        [user("text")],
        [user("text"), assistant("text"), user("text")],
        [user("text"), assistant("thinking", "tool_use"), user("tool_result")],
        [user("text"), assistant("redacted_thinking", "text", "tool_use"), user("tool_result")],
        [user("text"), assistant("tool_use"), user("tool_result"), assistant("text"), user("text")],
        [{"role": "assistant", "content": "words"}],
        None,
    ],
)
def test_thinking_may_follow_thought_or_words(messages: JsonValue) -> None:
    refuse_unthought_calls(ENABLED, messages)


@pytest.mark.rows
@pytest.mark.parametrize(
    "messages",
    [
        [user("text"), assistant("tool_use"), user("tool_result")],
        [user("text"), assistant("text", "tool_use"), user("tool_result", "text")],
        [assistant("thinking", "text"), user("text"), assistant("tool_use"), user("tool_result")],
    ],
)
def test_thinking_may_not_follow_a_call_without_thought(messages: JsonValue) -> None:
    with pytest.raises(NotSayable) as caught:
        refuse_unthought_calls(ENABLED, messages)
    assert caught.value.param == "thinking"
    refuse_unthought_calls({"thinking": {"type": "adaptive"}}, messages)
    refuse_unthought_calls({}, messages)
