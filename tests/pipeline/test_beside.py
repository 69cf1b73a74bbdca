from collections.abc import Callable

import pytest

from gateway.domain.exchange import Choice, Reply, Started, Usage, UsageReport
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.verdict import Action, Weight
from gateway.pipeline.guard import Guard, Watch
from policies.engine.model import Rule

NOW = 1_000.0
CLEAN: JsonObject = {"system_fingerprint": "fp_1", "moderation": {"results": [{"flagged": False, "score": 0.5}]}}
DIRTY: JsonObject = {**CLEAN, "moderation": {"results": ["it said sk-5ecret"]}}
COUNTS: JsonObject = {"total_tokens": 3, "prompt_tokens_details": {"cached_tokens": 1}}
SPOKEN: JsonObject = {**COUNTS, "note": "sk-5ecret", "a name of many words": 1, "prompt_tokens_details": {
    "cached_tokens": 1, "more": ["sk-5ecret"]}}  # fmt: skip
CHOICE = Choice(index=0, text="fine", finish_reason="stop")


def fields(guard: Guard, extra: JsonObject) -> list[JsonObject]:
    """What goes on beside a stream's beginning, its end, and a whole answer."""
    started = guard.feed(Started(id="r", model="m", created=1, extra=extra), NOW)
    reported = guard.feed(UsageReport(usage=None, extra=extra), NOW)
    whole = guard.whole(Reply(id="r", model="m", created=1, choices=(CHOICE,), extra=extra), NOW)
    return [*[event.extra for event in (*started, *reported) if isinstance(event, Started | UsageReport)], whole.extra]


@pytest.mark.rows
@pytest.mark.parametrize("action", [Action.REDACT, Action.BLOCK, Action.REQUIRE_APPROVAL])
def test_fields_in_which_a_rule_finds_something_are_dropped(
    watch: Callable[..., Watch], rule: Callable[..., Rule], action: Action
) -> None:
    assert fields(Guard(None, watch(rule(action=action))), DIRTY) == [{}] * 3
    assert fields(Guard(None, watch(rule(action=action))), CLEAN) == [CLEAN] * 3


def test_rules_that_only_watch_drop_nothing(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> None:
    assert fields(Guard(None, watch(rule(), weight=Weight.SHADOW)), DIRTY) == [DIRTY] * 3
    assert (
        fields(Guard(None, watch(rule(mode="shadow"), rule(action=Action.BLOCK, when="false"))), DIRTY) == [DIRTY] * 3
    )
    assert fields(Guard(None), DIRTY) == [DIRTY] * 3


def test_of_fields_that_a_classifier_would_have_to_read_words_alone_go_on(
    watch: Callable[..., Watch], rule: Callable[..., Rule]
) -> None:
    guard = Guard(None, watch(rule(when="det.slow.found")))
    assert guard.feed(Started(id="r", model="m", created=1, extra={**CLEAN, "note": "two words"}), NOW) == (
        Started(id="r", model="m", created=1, extra={"system_fingerprint": "fp_1"}),
    )


def test_fields_that_nobody_can_read_are_dropped(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> None:
    deep: JsonObject = {}
    for _ in range(300):
        deep = {"a": deep}
    assert fields(Guard(None, watch(rule())), deep) == [{}] * 3


def test_of_counts_numbers_alone_go_on(watch: Callable[..., Watch], rule: Callable[..., Rule]) -> None:
    def counted(guard: Guard, details: JsonObject) -> JsonObject:
        usage = Usage(input_tokens=1, output_tokens=2, details=details)
        (report,) = guard.feed(UsageReport(usage=usage), NOW)
        whole = guard.whole(Reply(id="r", model="m", created=1, choices=(CHOICE,), usage=usage), NOW)
        assert isinstance(report, UsageReport)
        assert report.usage == whole.usage
        assert report.usage is not None
        return report.usage.details

    assert counted(Guard(None, watch(rule())), SPOKEN) == COUNTS
    assert counted(Guard(None, watch(rule())), COUNTS) == COUNTS
    assert counted(Guard(None, watch(rule(), weight=Weight.SHADOW)), SPOKEN) == SPOKEN
    nested: JsonObject = {"n": 1}
    for _ in range(20):
        nested = {"a": nested}
    assert "n" not in str(counted(Guard(None, watch(rule())), nested))
