"""Is what was judged recalled as it was: every text, call and tool, under its name, with its facts?"""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Protocol

import pytest

from gateway.activation.sources import PolicyFile
from gateway.audit.recall import DIFFERED, IS_NAME, NO_NAME, NOT_OFFERED, NUMBERED, OTHER_GROUNDS
from gateway.audit.replay import TOOK_LONG, Outcome
from gateway.domain.exchange import Choice
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.prompt import MediaKind, Tool, ToolCall
from gateway.domain.request import ClientRequest, DataPart, MediaPart, Message, Options, RefusalPart, Role, TextPart


class Recorded(Protocol):
    @property
    def records(self) -> list[Any]: ...
    def of(self, phase: str) -> list[dict[str, Any]]: ...
    def altered(self, one: dict[str, Any], other: dict[str, Any]) -> "Recorded": ...
    def replayed(self, *policies: PolicyFile) -> list[Outcome]: ...


Record = Callable[..., Awaitable[Recorded]]
Write = Callable[..., PolicyFile]

KEY = "AKIAQX7ZK2M4N6P3R5T7"
# What is true of some text of the request below, though no detector sees anything in it.
CONDITIONS: Sequence[tuple[str, str]] = (
    ("instructions", "segment.id == 'mine-of-the-client'"),
    ("instructions", "segment.id.contains('+')"),
    ("instructions", "segment.origin == 'operator' && segment.trust == 'operator'"),
    ("instructions", "segment.kind == 'text' && !segment.opaque"),
    ("data", "segment.id == 'same#2'"),
    ("data", "segment.id.contains('+') && segment.origin == 'mail'"),
    ("data", "segment.kind == 'names' && segment.origin == 'request'"),
    ("data", "segment.kind == 'history' && segment.id == 'reasoning'"),
    ("data", "segment.kind == 'history' && segment.origin == 'history'"),
    ("data", "segment.kind == 'arguments' && segment.origin == 'tool:search' && segment.id == 'call_1'"),
    ("data", "segment.kind == 'image' && segment.opaque && segment.origin == 'camera'"),
    ("data", "segment.origin == 'tool:search'"),
    ("data", "segment.trust == 'untrusted' && request.stream"),
    ("data", "request.tools == 2 && request.segments == 12"),
    ("data", "request.chars == {chars}"),
    ("data", "request.tenant == 't' && request.key == 'app' && request.model == 'm' && request.route == 'split'"),
    ("data", "tainted"),
    ("tools", "tool.name == 'search' && tool.effect == 'read' && tool.declared"),
    ("tools", "tool.name == 'shell' && tool.effect == 'egress' && !tool.declared"),
    ("tools", "tool.name == 'options'"),
    ("output", "output.channel == 'text' && request.stream && tainted"),
    ("output", "output.channel == 'reasoning'"),
    ("output", "output.channel == 'refusal'"),
    (
        "tool_call",
        "tool.name == 'search' && tool.offered && tool.valid && tool.derived && 'query' in tool.derived_args",
    ),
    ("tool_call", "!tool.offered && !tool.declared && tool.effect == 'egress'"),
    ("tool_call", "!tool.valid"),
)
# Such as no text of the request has: what is recalled must not make them true either.
NEVER: Sequence[tuple[str, str]] = (
    ("data", "segment.id == 'same#3'"),
    ("data", "request.stream == false"),
    ("tools", "tool.name == 'other'"),
    ("output", "output.channel == 'other'"),
    ("tool_call", "tool.name == 'options'"),
)
# What the made-up name of a tool would have to be known for, and the arguments; and the ids of earlier calls.
HANG = {"tool_call": ("valid", "derived", "tool.name == 'options'"), "data": ("segment.id",)}


def rules(conditions: Sequence[tuple[str, str]], chars: int) -> list[str]:
    return [
        f'id: r{number}, stage: {stage}, mode: shadow, action: block, when: "{when.replace("{chars}", str(chars))}"'
        for number, (stage, when) in enumerate(conditions)
    ]


SEARCH = Tool(name="search", description="Looks it up.", parameters={"properties": {"query": {"type": "string"}}})


def rich(options: dict[str, JsonValue] | None = None) -> ClientRequest:
    """A request with everything that a text can be."""
    return ClientRequest(
        dialect="split",
        model="m",
        messages=(
            Message(
                role=Role.SYSTEM,
                parts=(
                    TextPart(text="Do", path="a", id="mine-of-the-client"),
                    TextPart(text=" this.", path="b"),
                    TextPart(text="x" * 3000, path="c"),
                    TextPart(text="and that", path="d"),
                ),
                path="m0",
            ),
            Message(
                role=Role.ASSISTANT,
                parts=(TextPart(text="I did.", path="e"), RefusalPart(text="No.", path="f")),
                path="m1",
                reasoning="Let me think.",
                tool_calls=(ToolCall(id="call_1", name="search", arguments='{"query": "a"}'),),
            ),
            Message(role=Role.TOOL, parts=(TextPart(text="found", path="g"),), path="m2", call_id="call_1"),
            Message(
                role=Role.INPUT,
                parts=(
                    DataPart(text="one", path="h", id="same", origin="mail"),
                    DataPart(text="two", path="i", id="same", origin="mail"),
                    MediaPart(
                        kind=MediaKind.IMAGE, mime="image/png", content="AAAA", path="j", attributes={}, origin="camera"
                    ),
                    DataPart(text="three", path="k", origin="mail"),
                    DataPart(text="four", path="l", origin="mail"),
                ),
                path="m3",
            ),
        ),
        tools=(SEARCH, Tool(name="shell", description="Runs it.", parameters={})),
        options=Options(stream=True, values=options or {"metadata": {"note": "text"}}),
    )


ANSWER = (
    Choice(index=0, text="said", reasoning="thought", finish_reason="stop"),
    Choice(index=1, text=None, refusal="never", finish_reason="stop"),
    Choice(
        index=2, text=None, finish_reason="tool_calls",
        tool_calls=(
            ToolCall(id="1", name="search", arguments='{"query": "stems from data"}'),
            ToolCall(id="2", name="invented", arguments="{}"),
            ToolCall(id="3", name="search", arguments='{"query": 1, "query": 2}'),
        ),
    ),
)  # fmt: skip
CHARS = 2 + 6 + 3000 + 8 + 6 + 3 + 5 + 3 + 3 + 4 + 5 + 4
DECLARES = "mode: enforce\n  tools: {search: {effect: read}}"


@pytest.fixture
def everything(ask_with: Callable[..., Any]) -> Any:
    return replace(ask_with(), request=rich(), choices=ANSWER)


async def test_every_text_is_recalled_with_its_facts(record: Record, policy_file: Write, everything: Any) -> None:
    policy = policy_file(*rules((*CONDITIONS, *NEVER), CHARS), spec=DECLARES, fallback=True)
    recorded = await record([policy], [everything])
    hit = {finding["rule"] for one in recorded.records for finding in one.get("findings", ())}
    assert hit == {f"r{number}" for number in range(len(CONDITIONS))}
    outcomes = recorded.replayed(policy)
    assert [one.way for one in outcomes] == ["in", "out"]
    assert [one for one in outcomes if one.changed or not one.told] == []


async def test_rules_that_nobody_had_then_hit_what_they_would_have_hit(
    record: Record, policy_file: Write, everything: Any
) -> None:
    """Under the other policy no rule looks at anything, so that only what no detector has to see is known."""
    recorded = await record([policy_file(name="none", fallback=True)], [everything])
    known = [one for one in (*CONDITIONS, *NEVER[:-1]) if not any(word in one[1] for word in HANG.get(one[0], ()))]
    outcomes = recorded.replayed(policy_file(*rules(known, CHARS), spec=DECLARES, fallback=True))
    appeared = {name.rule for one in outcomes for name in one.change.appeared}
    doubted = {doubt.rule for one in outcomes for doubt in one.doubts}
    assert appeared == {f"r{number}" for number in range(len(known) - len(NEVER[1:-1]))}
    assert doubted == set()
    assert all(one.told for one in outcomes)


@pytest.mark.parametrize(
    ("when", "doubts"),
    [
        ("segment.kind == 'arguments' && segment.id == 'call_1'", {("segment.id", NUMBERED)}),
        ("segment.kind == 'arguments' && segment.origin == 'tool:search'", {("segment.origin", NOT_OFFERED)}),
        ("segment.kind == 'text' && segment.origin == 'tool:search'", {("segment.origin", NOT_OFFERED)}),
        ("segment.kind == 'arguments' && segment.origin == 'mail' && request.stream == false", set[tuple[str, str]]()),
    ],
)
async def test_what_earlier_turns_named_is_not_known_where_nobody_offered_it(
    record: Record, policy_file: Write, everything: Any, when: str, doubts: set[tuple[str, str]]
) -> None:
    unoffered = replace(everything, request=replace(everything.request, tools=()), choices=ANSWER[:1])
    recorded = await record([policy_file(name="none", fallback=True)], [unoffered])
    asked, _ = recorded.replayed(policy_file(*rules([("data", when)], 0), fallback=True))
    assert {(doubt.fact, doubt.why) for doubt in asked.doubts} == doubts
    assert asked.told is not bool(doubts)


async def test_without_texts_among_the_options_there_is_no_such_place(
    record: Record, policy_file: Write, ask_with: Callable[..., Any]
) -> None:
    policy = policy_file(*rules([("tools", "tool.name == 'options'")], 0), fallback=True)
    recorded = await record([policy], [replace(ask_with(), request=rich({"temperature": 1}))])
    assert [one.changed for one in recorded.replayed(policy)] == [False, False]
    assert "options" not in recorded.of("intent")[0]["facts"]["request"]


async def test_where_policy_wants_names_gone_they_are_not_known(
    record: Record, policy_file: Write, ask_with: Callable[..., Any]
) -> None:
    hides = "id: keys, stage: data, when: det.secrets.found, action: redact"
    lists = "id: seam, stage: data, mode: shadow, when: segment.id.contains('+'), action: block"
    policy = policy_file(hides, fallback=True)
    request = rich()
    named = replace(request.messages[-1].parts[0], id=f"key-{KEY}")
    last = replace(request.messages[-1], parts=(named, *request.messages[-1].parts[1:]))
    leaking = replace(ask_with(), request=replace(request, messages=(*request.messages[:-1], last)))
    recorded = await record([policy], [leaking])
    (refused,) = recorded.of("decision")
    assert KEY not in json.dumps(recorded.records)
    assert {one["id"][0] for one in refused["segments"]} == {"#"}
    assert [one.changed or not one.told for one in recorded.replayed(policy)] == [False]
    (one,) = recorded.replayed(policy_file(hides, lists, fallback=True))
    assert {(doubt.fact, doubt.why) for doubt in one.doubts} == {("segment.id", IS_NAME)}


async def test_a_finding_in_a_place_is_recalled_there_though_names_are_gone(
    record: Record, policy_file: Write, ask_with: Callable[..., Any]
) -> None:
    split = KEY[:9], KEY[9:]
    rule = "id: keys, stage: data, when: det.secrets.found && segment.kind == 'text', action: block"
    names = "id: names, stage: data, when: det.secrets.found, action: redact"
    parts = [DataPart(text=text, path="x", id=f"id-{number}-{KEY}", origin="mail") for number, text in enumerate(split)]
    ask = ask_with()
    message = Message(role=Role.INPUT, parts=tuple(parts), path="m")
    ask = replace(ask, request=replace(ask.request, messages=(ask.request.messages[0], message)))
    both = policy_file(rule, names, fallback=True)
    recorded = await record([both], [ask])
    wheres = {entry["where"] for entry in recorded.of("decision")[0]["facts"]["data"]}
    assert "#2+#3" in wheres
    assert [one.changed or not one.told for one in recorded.replayed(both)] == [False]


async def test_a_tool_whose_name_is_no_name_is_not_told(
    record: Record, policy_file: Write, ask_with: Callable[..., Any]
) -> None:
    policy = policy_file("id: a, stage: tools, when: \"tool.name == 'x'\", action: block", fallback=True)
    tool = Tool(name="planted words and more", parameters={})
    recorded = await record([policy], [ask_with(tools=[tool], calls=[("planted words and more", "{}")])])
    intent = recorded.of("intent")[0]
    assert intent["facts"]["request"]["tools"] == ["(hidden)"]
    assert [one.changed or not one.told for one in recorded.replayed(policy)] == [False, False]
    other = policy_file("id: b, stage: tools, when: \"tool.name == 'x'\", action: block", fallback=True)
    (one, _) = recorded.replayed(other)
    assert {doubt.fact for doubt in one.doubts} == {"tool.name"}
    assert not one.told


async def test_a_name_that_only_a_policy_declares_may_be_told(
    record: Record, policy_file: Write, ask_with: Callable[..., Any]
) -> None:
    rule = "id: a, stage: tool_call, when: tool.declared, action: {}"
    spec = "mode: enforce\n  tools: {send: {effect: egress}}"
    before = policy_file(rule.format("block") + ", mode: shadow", spec=spec, fallback=True)
    recorded = await record([before], [ask_with(answer="", calls=[("send", "{}"), ("other", "{}")])])
    names = [one.get("name") for one in recorded.of("outcome")[0]["facts"]["tool_call"]]
    assert names == ["send", None]
    (_, one) = recorded.replayed(policy_file(rule.format("block"), spec=spec, fallback=True))
    assert (one.change.after, one.told) == ("block", True)
    (_, one) = recorded.replayed(policy_file(rule.format("block"), spec=spec.replace("send", "third"), fallback=True))
    assert {doubt.why for doubt in one.doubts} == {NO_NAME}


async def test_what_stems_from_data_is_not_known_where_other_texts_count_as_data(
    record: Record, policy_file: Write, ask_with: Callable[..., Any]
) -> None:
    derived = "id: a, stage: tool_call, when: tool.derived, action: block"
    lowers = "id: b, stage: instructions, when: segment.trust == 'user', action: set_channel, channel: data"
    tool = Tool(name="send", parameters={"properties": {"to": {}}})
    calls = [("send", '{"to": "bob"}')]
    asked = [
        ask_with("mail", text="Write to bob", role=Role.USER, answer="", calls=calls, tools=[tool]),
        ask_with("", text="Write to bob", role=Role.SYSTEM, answer="", calls=calls, tools=[tool]),
    ]
    recorded = await record([policy_file(derived, fallback=True)], asked)
    outcomes = recorded.replayed(policy_file(derived, lowers, fallback=True))
    told = {(one.way, one.told) for one in outcomes if one.request == outcomes[0].request}
    assert told == {("in", True), ("out", False)}
    assert {doubt.why for one in outcomes for doubt in one.doubts} == {OTHER_GROUNDS}
    assert outcomes[-1].told
    assert not outcomes[-1].changed


async def test_an_answer_that_was_held_too_long_is_told_to_be_unknown(
    record: Record, policy_file: Write, ask_with: Callable[..., Any]
) -> None:
    rule = "id: a, stage: output, when: det.secrets.found, action: block"
    policy = policy_file(rule, fallback=True)
    recorded = await record([policy], [ask_with("")])
    (outcome,) = recorded.of("outcome")
    own = {
        "policy": "splitgate",
        "rule": "max_hold_ms",
        "stage": "output",
        "where": "output",
        "weight": "acts",
        "action": "block",
    }
    late = {**outcome, "findings": [own], "decision": "block", "facts": {"cut": [0]}}
    changed = recorded.altered(outcome, late)
    assert [one.changed or not one.told for one in changed.replayed(policy)] == [False, False]
    (_, one) = changed.replayed(policy_file(rule.replace("block", "redact"), fallback=True))
    assert TOOK_LONG in {doubt.why for doubt in one.doubts}


async def test_detectors_that_differ_only_in_their_credentials_are_not_mixed_up(
    record: Record, policy_file: Write, ask_with: Callable[..., Any]
) -> None:
    rule, spec = (
        "id: a, stage: data, when: det.urls.external, action: {}",
        "detectors: {urls: {allowed_hosts: [a.example]}}",
    )
    watching = policy_file(rule.format("block"), spec=f"mode: shadow\n  {spec}", fallback=True)
    acting = policy_file(rule.format("block"), spec=f"mode: enforce\n  {spec}", fallback=True)
    recorded = await record([watching], [ask_with("See https://b.example/")])
    (intent,) = recorded.of("intent")
    ((key, seen),) = intent["facts"]["data"][0]["det"].items()
    for det, told, why in (
        ({key: seen, f"{key}-2": dict[str, Any]()}, False, {DIFFERED}),
        ({f"{key}-2": seen, key: seen}, True, set[str]()),
        ({f"{key}-2": seen}, True, set[str]()),
    ):
        facts = {"data": [{"where": "s2", "det": det}]}
        one = recorded.altered(intent, {**intent, "facts": facts}).replayed(acting)[0]
        assert ({doubt.why for doubt in one.doubts}, one.told) == (why, told)
        assert one.change.after == ("block" if told else "allow")


HIDES = "id: hide, stage: data, when: det.pii.found, action: pseudonymise"
SHOWS = "id: mail, stage: output, when: det.pii.found, action: {}"


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("more", "after"), [("", "allow"), (" and eve@example.com", "redact")])
async def test_values_that_came_back_are_not_taken_for_leaks(
    more: str, after: str, stream: bool, record: Record, policy_file: Write, ask_with: Callable[..., Any]
) -> None:
    policy = policy_file(HIDES, SHOWS.format("redact"), fallback=True)
    ask = ask_with("From joe@example.com", answer=f"Write to <EMAIL_1>{more}", stream=stream)
    recorded = await record([policy], [ask])
    looks = recorded.of("outcome")[0]["facts"]["output"]
    (again,) = [one["det"]["pii"] for one in looks if "again" in one]
    assert again["kept"] == {"EMAIL_ADDRESS": 1}
    outcomes = recorded.replayed(policy)
    assert [(one.way, one.change.before) for one in outcomes] == [("in", "redact"), ("out", after)]
    assert [one for one in outcomes if one.changed or not one.told] == []
    (_, one) = recorded.replayed(policy_file(HIDES, SHOWS.format("block"), fallback=True))
    assert one.change.after == "block"
