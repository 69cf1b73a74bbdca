import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import record
from gateway.audit.line import Value, canonical, parsed
from gateway.domain.detection import Stage
from gateway.domain.evidence import Timeline
from gateway.domain.exchange import Choice, Usage
from gateway.domain.finding import Finding
from gateway.domain.identity import ANONYMOUS, Caller
from gateway.domain.prompt import (
    Data,
    History,
    Instruction,
    Media,
    MediaKind,
    Prompt,
    Speaker,
    Tool,
    ToolCall,
    Trust,
    Turn,
)
from gateway.domain.verdict import Weight

PLANTED = "planted-text"


def commit(text: str, subject: str | None) -> str:
    return f"{subject}:{len(text)}"


def pseudonym_of(subject: str | None) -> str | None:
    return None if subject is None else f"p-{subject}"


def prompt(*, data: str = PLANTED) -> Prompt:
    call = ToolCall(id="c1", name="search", arguments='{"q": "planted"}')
    return Prompt(
        turns=(
            Turn(
                speaker=Speaker.SYSTEM,
                segments=(Instruction(id="s1", origin="operator", text="Do.", trust=Trust.OPERATOR),),
            ),
            Turn(
                speaker=Speaker.ASSISTANT,
                segments=(History(id="s2", text="planted"),),
                tool_calls=(call,),
                reasoning="planted thought",
            ),
            Turn(
                speaker=Speaker.INPUT,
                segments=(
                    Data(id="mail", origin="email", text=data, subject="joe"),
                    Media(
                        id="s3", origin="image", kind=MediaKind.IMAGE, mime="image/png", content="AAAA", attributes={}
                    ),
                ),
            ),
        ),
        tools=(Tool(name="search", description="planted"),),
    )


def segments(came: Prompt, sent: Prompt | None = None) -> list[dict[str, Any]]:
    return record.segments(came, sent, commit, pseudonym_of)


def test_every_text_of_a_request_is_told_by_its_length_and_commitment_in_order() -> None:
    told = segments(prompt())
    assert [(one["id"], one["channel"], one["trust"], one["origin"], one["length"]) for one in told] == [
        ("s1", "instruction", "operator", "operator", 3),
        ("s2", "history", "untrusted", "history", 7),
        ("reasoning", "history", "untrusted", "history", 15),
        ("c1", "history", "untrusted", "tool:search", 16),
        ("mail", "data", "untrusted", "email", 12),
        ("s3", "media", "untrusted", "image", 4),
    ]
    assert told[4]["commitment"] == "joe:12"
    assert told[4]["subject"] == "p-joe"
    assert "subject" not in told[0]
    assert "planted" not in json.dumps(told)


def test_what_was_sent_in_place_of_a_text_is_committed_to_beside_it() -> None:
    told = segments(prompt(), prompt(data="[gone]"))
    assert told[4]["sent"] == "joe:6"
    assert [one["id"] for one in told if "sent" in one] == ["mail"]
    assert not [one for one in segments(prompt(), prompt()) if "sent" in one]


HIT = Finding(
    rule="r1",
    where="mail",
    count=2,
    policy="p",
    action="redact",
    stage=Stage.DATA,
    level=1,
    points=3,
    threshold=5,
    spans=((0, 4),),
)


def test_findings_tell_rule_level_score_spans_and_what_excepted_them() -> None:
    excepted = replace(HIT, weight=Weight.EXCEPTED, exception="E1", action="block")
    told = record.decided((HIT, excepted), "redact")
    assert told["findings"] == [
        {"rule": "r1", "where": "mail", "count": 2, "weight": "acts", "policy": "p", "level": 1, "score": 3,
         "stage": "data", "action": "redact", "spans": ((0, 4),)},
        {"rule": "r1", "where": "mail", "count": 2, "weight": "excepted", "policy": "p", "level": 1, "score": 3,
         "stage": "data", "action": "block", "spans": ((0, 4),), "exception": "E1"},
    ]  # fmt: skip
    assert (told["decision"], told["shadow"], told["actions"]) == ("redact", "redact", ["redact"])


@pytest.mark.parametrize(
    ("action", "weight", "shadow"),
    [
        ("block", Weight.SHADOW, "block"),
        ("block", Weight.BYPASSED, "block"),
        ("require_approval", Weight.LEVEL, "require_approval"),
        ("block", Weight.EXCEPTED, "allow"),
        ("score", Weight.SHADOW, "allow"),
    ],
)
def test_the_shadow_decision_is_what_watching_rules_would_have_made(action: str, weight: Weight, shadow: str) -> None:
    told = record.decided((replace(HIT, action=action, weight=weight),), "allow")
    assert (told["decision"], told["shadow"]) == ("allow", shadow)
    assert "actions" not in told


def test_scores_that_only_watch_add_up_to_a_shadow_block() -> None:
    weak = [replace(HIT, rule=f"r{n}", action="score", weight=Weight.SHADOW) for n in range(2)]
    assert record.decided(weak, "allow")["shadow"] == "block"
    assert record.decided(weak[:1] * 2, "allow")["shadow"] == "allow"


def test_removals_of_the_gateways_own_name_no_policy() -> None:
    told = record.found(Finding(rule="reserved-token", where="s1", count=3))
    assert told == {"rule": "reserved-token", "where": "s1", "count": 3, "weight": "acts"}


def test_names_that_a_rule_wanted_gone_become_numbers_in_segments_and_findings() -> None:
    told = segments(prompt())
    findings = record.renamed(told, (HIT, replace(HIT, where="#names")))
    assert [one["id"] for one in told] == ["#1", "#2", "#3", "#4", "#5", "#6"]
    assert {one["origin"] for one in told} == {"(hidden)"}
    assert [finding.where for finding in findings] == ["#5", "(hidden)"]


def test_calls_of_tools_that_nobody_offered_are_not_called_by_their_names() -> None:
    calls = tuple(ToolCall(id="c", name=name, arguments="{}") for name in ("search", PLANTED))
    choices = (Choice(index=0, text="", finish_reason="stop", tool_calls=calls),)
    told = record.calls(choices, frozenset({"search"}), tainted=True, commit=commit)
    assert [one["name"] for one in told] == ["search", "(unoffered)"]
    assert [one["tainted"] for one in told] == [1, 1]
    assert told[0]["arguments"] == "None:2"


def test_outputs_leave_out_what_is_empty() -> None:
    choices = (Choice(index=1, text="abc", reasoning="", refusal="no", finish_reason="stop"),)
    assert [(one["channel"], one["choice"], one["length"]) for one in record.outputs(choices, commit)] == [
        ("text", 1, 3),
        ("refusal", 1, 2),
    ]


def test_tools_and_options_are_committed_to_as_a_whole() -> None:
    told = record.options(prompt().tools, {"temperature": 0.5}, commit)
    assert "planted" not in json.dumps(told)
    assert set(told) == {"tools", "options"}
    assert record.options((), {}, commit) == {}


def test_who_asked_says_how_they_showed_it() -> None:
    assert record.actor_of(ANONYMOUS) == {"key": "anonymous", "tenant": "local", "method": "none"}
    assert record.actor_of(Caller(key="app", tenant="t"))["method"] == "api_key"


def test_times_are_whole_microseconds_and_tell_the_upstream_apart() -> None:
    timeline = Timeline()
    timeline.began, timeline.sent, timeline.first, timeline.last, timeline.ended = 0, 10_999, 30_000, 50_000, 60_000
    told = record.times(timeline)
    assert told == {"total": 60, "gateway": 20, "journal": 0, "upstream": 39, "held": 0, "first": 19}
    timeline.sent = timeline.first = timeline.last = 0
    assert record.times(timeline) == {"total": 60, "gateway": 60, "journal": 0}


texts = st.text(st.characters(codec="utf-8"), max_size=20)


@given(texts, st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3), st.integers(0, 2**53 - 1))
def test_whatever_is_told_is_a_canonical_line_of_integers_and_strings(
    text: str, spans: list[tuple[int, int]], tokens: int
) -> None:
    finding = replace(HIT, rule=text, spans=tuple(spans))
    told = {
        **record.decided((finding,), "allow"),
        "segments": segments(prompt(data=text)),
        "usage": record.used(Usage(input_tokens=tokens, output_tokens=0)),
        "times": record.times(Timeline()),
    }
    assert only_integers_and_strings(parsed(canonical(told)))


def only_integers_and_strings(held: Value) -> bool:
    if isinstance(held, str):
        return True
    if isinstance(held, Mapping):
        return all(only_integers_and_strings(one) for one in held.values())
    return type(held) is int or (isinstance(held, list) and all(only_integers_and_strings(one) for one in held))
