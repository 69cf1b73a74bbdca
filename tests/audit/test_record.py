import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import record
from gateway.audit._told import MOST_KEPT, Told
from gateway.audit.line import Value, canonical, parsed
from gateway.domain.detection import Stage
from gateway.domain.evidence import Timeline
from gateway.domain.exchange import (
    Choice,
    Finish,
    Handling,
    ReasoningDelta,
    RefusalDelta,
    Reply,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
)
from gateway.domain.finding import Finding
from gateway.domain.identity import ANONYMOUS, Caller
from gateway.domain.prompt import (
    Data,
    History,
    Instruction,
    Media,
    MediaKind,
    Prompt,
    Seal,
    Speaker,
    Tool,
    ToolCall,
    Trust,
    Turn,
)
from gateway.domain.verdict import Weight
from gateway.pipeline.lift import tool_origin
from gateway.pipeline.subjects import Places

PLANTED = "planted-text"
HANDLING = Handling(request_id="r", model="m", created=0, isolation="none", format="plain", target="t")


class Keys:
    """Those of one subject, whose commitments tell whose they are and how long the text is."""

    def __init__(self, subject: str | None) -> None:
        self.subject = subject
        self.pseudonym = None if subject is None else f"p-{subject}"

    def commitment(self, text: str) -> str:
        return f"{self.subject}:{len(text)}"


KEYS = {subject: Keys(subject) for subject in (None, "joe")}


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
    return record.segments(came, sent, KEYS)


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


@pytest.mark.rows
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


def earlier(*calls: ToolCall, name: str = "search", ids: tuple[str, ...] = ("mail",)) -> Prompt:
    """A conversation in which tools were called before, and one of them said something."""
    result = tuple([Data(id=one, origin=tool_origin(name), text="found") for one in ids])
    return Prompt(
        turns=(
            Turn(speaker=Speaker.ASSISTANT, segments=(), tool_calls=calls),
            Turn(speaker=Speaker.TOOL, segments=result, call_id="c"),
        ),
        tools=(Tool(name="search", description=None),),
    )


def test_a_tool_that_nobody_offered_is_not_named_by_earlier_turns() -> None:
    calls = [ToolCall(id="c", name=name, arguments="{}") for name in ("search", PLANTED)]
    assert [one["origin"] for one in segments(earlier(*calls))] == ["tool:search", "tool:(unoffered)", "tool:search"]
    told = segments(earlier(name=PLANTED))
    assert [one["origin"] for one in told] == ["tool:(unoffered)"]
    assert PLANTED not in json.dumps(told)


def test_earlier_calls_are_numbered_wherever_their_places_are_named() -> None:
    came = earlier(
        *[ToolCall(id=one, name="search", arguments="{}") for one in (PLANTED, PLANTED, "mail")], ids=("mail", "call-1")
    )
    told = segments(came)
    changed = record.numbered(told, came)
    assert [one["id"] for one in told] == ["call-1", "call-2", "call-3", "mail", "call-1"]
    named = {where: record.place_in(changed, where) for where in (PLANTED, f"{PLANTED}#2", "mail", "mail#2", "call-1")}
    assert list(named.values()) == ["call-1", "call-2", "call-3", "mail", "call-1#2"]
    assert record.place_in(changed, "mail#2+call-1") == "mail+call-1#2"
    assert [record.place_in(changed, where) for where in ("#names", "options", "search")] == [
        "#names",
        "options",
        "search",
    ]


ids = st.sampled_from(["a", "b", "call-1", "call-2", "search", "options"])


@given(st.lists(ids, max_size=4), st.lists(ids, max_size=4))
def test_a_place_is_called_in_the_record_as_whoever_reads_it_counts(called: list[str], named: list[str]) -> None:
    came = earlier(*[ToolCall(id=one, name="search", arguments="{}") for one in called], ids=tuple(named))
    told = segments(came)
    then, now = Places(), Places()
    wheres = [then.name(one) for one in (*called, *named, "search", "options")]
    changed = record.numbered(told, came)
    expected = [now.name(one) for one in (*[one["id"] for one in told], "search", "options")]
    assert [record.place_in(changed, where) for where in wheres] == expected


def test_names_that_a_rule_wanted_gone_become_numbers_in_segments_and_findings() -> None:
    told = segments(prompt())
    findings = record.renamed(told, (HIT, replace(HIT, where="#names")))
    assert [one["id"] for one in told] == ["#1", "#2", "#3", "#4", "#5", "#6"]
    assert {one["origin"] for one in told} == {"(hidden)"}
    assert [finding.where for finding in findings] == ["#5", "(hidden)"]


class Counted:
    """A commitment that tells how much was committed to."""

    def __init__(self) -> None:
        self.text = ""

    @property
    def length(self) -> int:
        return len(self.text)

    def update(self, text: str) -> None:
        self.text += text

    def hexdigest(self) -> str:
        return f"{len(self.text)} committed to"


def told(*choices: Choice, keeps: bool = False) -> Told:
    found = Told()
    found.listen(Counted, keeps=keeps)
    found.whole(Reply(id="r", model="m", created=0, choices=choices), HANDLING)
    return found


def test_calls_of_tools_that_nobody_offered_are_not_called_by_their_names() -> None:
    calls = tuple(ToolCall(id="c", name=name, arguments="{}") for name in ("search", PLANTED))
    answer = told(Choice(index=0, text="", finish_reason="stop", tool_calls=calls))
    found = record.calls(answer.calls, frozenset({"search"}), tainted=True)
    assert [one["name"] for one in found] == ["search", "(unoffered)"]
    assert [one["tainted"] for one in found] == [1, 1]
    assert found[0]["arguments"] == "2 committed to"


def test_outputs_leave_out_what_is_empty() -> None:
    answer = told(Choice(index=1, text="abc", reasoning="", refusal="no", finish_reason="stop"))
    assert record.outputs(answer.texts) == [
        {"channel": "text", "choice": 1, "length": 3, "commitment": "3 committed to"},
        {"channel": "refusal", "choice": 1, "length": 2, "commitment": "2 committed to"},
    ]


def test_a_stream_is_told_as_the_same_answer_in_whole() -> None:
    streamed = Told()
    streamed.listen(Counted, keeps=True)
    for event in (
        ToolCallStarted(choice=0, index=0, id="c", name="search"),
        *[TextDelta(choice=1, text=piece) for piece in ("a", "bc")],
        *[ToolCallDelta(choice=0, index=0, arguments=piece) for piece in ("{", "}")],
        ReasoningDelta(choice=0, text="so"),
        RefusalDelta(choice=1, text="no"),
        *[Finish(choice=number, reason="stop") for number in (0, 1)],
    ):
        streamed.events((event,))
    call = ToolCall(id="c", name="search", arguments="{}")
    whole = told(
        Choice(index=0, text=None, reasoning="so", finish_reason="stop", tool_calls=(call,)),
        Choice(index=1, text="abc", refusal="no", finish_reason="stop"),
        keeps=True,
    )
    assert record.outputs(streamed.texts) == record.outputs(whole.texts)
    assert record.calls(streamed.calls, frozenset(), tainted=False) == record.calls(
        whole.calls, frozenset(), tainted=False
    )
    assert ["".join(one.pieces) for one in streamed.texts] == ["".join(one.pieces) for one in whole.texts]
    assert streamed.finish == whole.finish


def test_texts_are_kept_up_to_a_bound_and_not_at_all_unless_asked_for() -> None:
    text = "x" * (MOST_KEPT // 2 + 1)
    for keeps, kept in ((True, len(text)), (False, 0)):
        answer = Told()
        answer.listen(Counted, keeps=keeps)
        for _ in range(3):
            answer.events((TextDelta(choice=0, text=text),))
        (one,) = answer.texts
        assert (one.said.length, sum(map(len, one.pieces)), one.cut) == (3 * len(text), kept, keeps)
    unheard = Told()
    unheard.events((TextDelta(choice=0, text=text),))
    assert unheard.texts == []


def test_tools_and_options_are_committed_to_as_a_whole() -> None:
    told = record.options(prompt().tools, {"temperature": 0.5}, KEYS[None].commitment)
    assert "planted" not in json.dumps(told)
    assert set(told) == {"tools", "options"}
    assert record.options((), {}, KEYS[None].commitment) == {}


def test_what_only_a_vendor_can_read_is_counted_and_committed_to() -> None:
    assert record.sealed(prompt(), KEYS[None].commitment) == {}
    seals = (Seal(length=1, token="c2VhbA=="), Seal(length=0, token="aGlkZGVu", hidden=True))
    turn = Turn(speaker=Speaker.ASSISTANT, segments=(), reasoning="r", seals=seals)
    told = record.sealed(Prompt(turns=(turn,)), KEYS[None].commitment)
    assert told == {"sealed": {"count": 2, "commitment": "None:17"}}


def test_who_asked_says_how_they_showed_it() -> None:
    assert record.actor_of(ANONYMOUS) == {"key": "anonymous", "tenant": "local", "method": "none"}
    assert record.actor_of(Caller(key="app", tenant="t")) == {"key": "app", "tenant": "t", "method": "api_key"}
    rotated = Caller(key="app", tenant="t", secret="sg-1a2b3c4d")
    assert record.actor_of(rotated)["secret"] == "sg-1a2b3c4d"
    assert record.actor_of(Caller(key="corp:x", tenant="t", method="oidc"))["method"] == "oidc"


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
    answer = Told()
    answer.usage = Usage(input_tokens=tokens, output_tokens=0)
    told = {
        **record.decided((finding,), "allow"),
        "segments": segments(prompt(data=text)),
        **record.ending(answer),
        "times": record.times(Timeline()),
    }
    assert only_integers_and_strings(parsed(canonical(told)))


def only_integers_and_strings(held: Value) -> bool:
    if isinstance(held, str):
        return True
    if isinstance(held, Mapping):
        return all(only_integers_and_strings(one) for one in held.values())
    return type(held) is int or (isinstance(held, list) and all(only_integers_and_strings(one) for one in held))
