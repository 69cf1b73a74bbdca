import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Never

import pytest

from gateway.activation.assemble import assemble
from gateway.activation.engine import engine
from gateway.activation.sources import PolicyFile
from gateway.audit._writer import Command
from gateway.audit.content import Reference, blob_at, opened
from gateway.audit.journal import Journal, Plan
from gateway.audit.note import SigningKey
from gateway.audit.places import Places
from gateway.audit.subjects import Keys, MasterKey, SubjectKeys
from gateway.audit.trail import Evidence, Recording, RequestTrail
from gateway.domain.detection import Detection, Scanned, Stage, Subject
from gateway.domain.errors import AuditUnavailable, LimitReached
from gateway.domain.evidence import Attempt, Ended
from gateway.domain.exchange import Choice, Embeddings, Finish, Handling, Judged, Reply, TextDelta, Usage, UsageReport
from gateway.domain.finding import Finding
from gateway.domain.identity import Caller
from gateway.domain.isolation import Isolation
from gateway.domain.operation import Operation
from gateway.domain.ports import Call
from gateway.domain.prompt import Data, Instruction, Prompt, Speaker, ToolCall, Trust, Turn
from gateway.domain.quota import Measure
from gateway.domain.request import ClientRequest, Options
from gateway.domain.target import Endpoint, Layout, Target
from gateway.domain.verdict import Action, Allow, Block, Edit, Findings, Hit, Weight
from gateway.pipeline.run import LARGE
from gateway.pipeline.trail import Judgement
from policies.engine.ruleset import Asker

# The deadline of a journal for which nobody waits for long.
HASTY_S = 1.0
CALLER = Caller(key="app", tenant="t")
PARENT = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
POLICY = b"apiVersion: splitgate/v1\nkind: Policy\nmetadata: {name: p}\nspec: {mode: enforce}\n"


def _nobody() -> Never:
    raise NotImplementedError


POLICIES = assemble(
    [PolicyFile(file="p.yaml", raw=POLICY, fallback=True)], engine({}, _nobody)
).in_force.ruleset.applicable(  # pyright: ignore[reportArgumentType]
    Asker(tenant="t", key="app", model="m", route="split")
)


def prompt(text: str = "planted-mail", subject: str | None = None, id_: str = "mail") -> Prompt:
    instruction = Instruction(id="s1", origin="operator", text="Do.", trust=Trust.OPERATOR)
    data = Data(id=id_, origin="email", text=text, subject=subject)
    return Prompt(
        turns=(Turn(speaker=Speaker.SYSTEM, segments=(instruction,)), Turn(speaker=Speaker.INPUT, segments=(data,)))
    )


def judgement(came: Prompt, found: Findings | None = None, *, blocks: bool = False) -> Judgement:
    verdict = (Block if blocks else Allow)(found=found or Findings())
    return Judgement(came=came, policies=POLICIES, scanned=(), verdict=verdict, tainted=True, bypass=None)


def call(target: str = "m/1") -> Call:
    layout = Layout(format="plain", endpoint=Endpoint.CHAT, body={}, isolation=Isolation.WRAPPED)
    reached = Target(id=target, provider="p", base_url="http://x", model="up", format="plain", family="all")
    return Call(id="r", target=reached, layout=layout, options=Options())


def handling(findings: tuple[Finding, ...] = (), decision: str = "allow") -> Handling:
    return Handling(
        request_id="r", model="m", created=0, isolation="wrapped", format="plain", target="m/1", decision=decision,
        findings=findings,
    )  # fmt: skip


def reply(text: str = "planted-answer") -> Reply:
    choices = (Choice(index=0, text=text, finish_reason="stop"),)
    return Reply(id="u", model="m", created=0, choices=choices, usage=Usage(input_tokens=3, output_tokens=4))


ASKED = ClientRequest(dialect="split", model="m", messages=(), subject="joe@example.com")


@dataclass
class Counting:
    """An observer."""

    begun: int = 0
    over: list[Ended] = field(default_factory=list[Ended])

    def began(self, dialect: str) -> None:
        assert dialect == "split"
        self.begun += 1

    def ended(self, ended: Ended) -> None:
        self.over.append(ended)


@dataclass
class House:
    """A journal, and the trails that lead to it."""

    places: Places
    journal: Journal
    keys: SubjectKeys
    evidence: Evidence
    seen: Counting

    def begin(
        self,
        request: ClientRequest | None = ASKED,
        caller: Caller | None = CALLER,
        operation: Operation = Operation.CHAT,
        *,
        size: int = 0,
    ) -> RequestTrail:
        trail = self.evidence.begin("split", PARENT, operation)
        if caller is not None:
            trail.caller = caller
        if request is not None:
            trail.asked(request, size)
        return trail

    def records(self) -> list[dict[str, Any]]:
        """What is written by now, less what the process itself says."""
        found = [json.loads(line) for line in self.places.epochs()[0].journal.read_bytes().splitlines()]
        return [one for one in found if one["phase"] not in {"config", "heartbeat"}]


@pytest.fixture
async def house(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[House]:
    """With the parameter ``content``, texts are kept; with ``hasty``, nobody waits for long."""
    deadline_s = HASTY_S if getattr(request, "param", None) == "hasty" else 5
    key = SigningKey.draw("test.example/audit")
    plan = Plan(folder=tmp_path / "audit", name=key.name, keys=[key], process="test", build="1", deadline_s=deadline_s)
    keys = SubjectKeys(tmp_path / "subjects.sqlite3", MasterKey(b"k" * 32))
    seen = Counting()
    async with Journal(plan) as journal:
        recording = Recording(journal=journal, keys=keys, content=getattr(request, "param", None) == "content")
        evidence = Evidence(recording=recording, observers=(seen,), models=("m",))
        yield House(places=Places(plan.folder), journal=journal, keys=keys, evidence=evidence, seen=seen)
    keys.close()


async def test_an_answered_request_leaves_an_intent_and_an_outcome(house: House) -> None:
    trail, came = house.begin(), prompt()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options(values={"temperature": 1}))
    assert [one["phase"] for one in house.records()] == ["intent"]
    trail.told.whole(reply(), handling())
    await trail.end(200)
    intent, outcome = house.records()
    pseudonym = house.keys.pseudonym("t", "joe@example.com")
    for one, way in ((intent, "in"), (outcome, "out")):
        assert one["actor"] == {"key": "app", "tenant": "t", "method": "api_key"}
        assert (one["request"], one["decision_id"]) == (trail.request_id, f"{trail.request_id}/{way}")
        assert (one["trace"], one["subject"], one["model"]) == (PARENT[3:35].decode(), pseudonym, "m")
        assert one["policies"] == list(POLICIES.described)
        assert (one["decision"], one["shadow"], one["tainted"]) == ("allow", "allow", 1)
    assert (intent["target"], intent["upstream"], intent["attempt"]) == ("m/1", "up", 1)
    assert [segment["id"] for segment in intent["segments"]] == ["s1", "mail"]
    assert (outcome["intent"], outcome["status"], outcome["finish"]) == (intent["event"], 200, ["stop"])
    assert outcome["usage"] == {"input": 3, "output": 4}
    kept = await house.keys.fetch("t", "joe@example.com")
    assert outcome["output"][0]["commitment"] == kept.commitment("planted-answer")
    assert "planted" not in json.dumps(house.records())
    (ended,) = house.seen.over
    assert (ended.status, ended.model, ended.attempts, ended.decision, ended.error) == (200, "m", 1, "allow", None)


async def test_a_large_request_is_told_as_a_small_one_is(house: House) -> None:
    came = prompt()
    for size in (LARGE, LARGE + 1):
        trail = house.begin(size=size)
        trail.judged(judgement(came))
        await trail.intend(call(), handling(), came, Options())
    small, large = house.records()
    assert small["segments"] == large["segments"]


async def test_a_count_leaves_its_number_and_says_that_it_is_one(house: House) -> None:
    trail, came = house.begin(operation=Operation.COUNT), prompt()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options())
    trail.told.count(31, handling(decision="redact"))
    await trail.end(200)
    intent, outcome = house.records()
    assert (intent["operation"], outcome["operation"]) == ("count_tokens", "count_tokens")
    assert (outcome["counted"], outcome["decision"], outcome["intent"]) == (31, "redact", intent["event"])
    assert {"output", "usage", "finish", "vectors"}.isdisjoint(outcome)
    (ended,) = house.seen.over
    assert (ended.operation, ended.decision, ended.usage) == (Operation.COUNT, "redact", None)


async def test_vectors_are_told_by_their_number_and_length_and_never_by_what_they_hold(house: House) -> None:
    trail, came = house.begin(operation=Operation.EMBED), prompt()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options())
    usage = Usage(input_tokens=3, output_tokens=0)
    trail.told.embeddings(Embeddings(vectors=((0.123456, 1.0, 2.0),) * 2, usage=usage), handling())
    await trail.end(200)
    intent, outcome = house.records()
    kept = await house.keys.fetch("t", "joe@example.com")
    assert [one["commitment"] for one in intent["segments"]] == list(map(kept.commitment, ("Do.", "planted-mail")))
    assert outcome["operation"] == "embeddings"
    assert outcome["vectors"] == {"count": 2, "dimensions": 3}
    assert outcome["usage"] == {"input": 3, "output": 0}
    assert "123456" not in json.dumps(outcome)
    assert (house.seen.over[0].operation, house.seen.over[0].usage) == (Operation.EMBED, usage)


async def test_an_answer_says_nothing_of_an_operation(house: House) -> None:
    trail, came = house.begin(), prompt()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options())
    await trail.end(200)
    assert not [one for one in house.records() if "operation" in one]


async def test_each_attempt_has_its_intent(house: House) -> None:
    trail, came = house.begin(), prompt()
    trail.judged(judgement(came))
    await trail.intend(call("m/1"), handling(), came, Options())
    await trail.intend(call("m/2"), replace(handling(), target="m/2"), came, Options())
    await trail.end(502, "upstream_failed")
    first, second, outcome = house.records()
    assert [(one["target"], one["attempt"]) for one in (first, second)] == [("m/1", 1), ("m/2", 2)]
    assert (outcome["intent"], outcome["error"]) == (second["event"], "upstream_failed")
    assert "output" not in outcome


async def test_the_outcome_says_how_each_attempt_ended(house: House) -> None:
    trail, came = house.begin(), prompt()
    trail.judged(judgement(came))
    await trail.intend(call("m/1"), handling(), came, Options())
    assert "retried" not in trail.notes
    trail.tried(Attempt(target=call("m/1").target, error="upstream_failed", began=0, took=5_000_999))
    await trail.intend(call("m/2"), replace(handling(), target="m/2"), came, Options())
    trail.tried(Attempt(target=call("m/2").target, error=None, began=0, took=7_000_000, waited=250_000_000))
    assert "retried" in trail.notes
    await trail.end(200)
    assert house.records()[-1]["attempts"] == [
        {"target": "m/1", "took": 5000, "error": "upstream_failed"},
        {"target": "m/2", "took": 7000, "waited": 250_000},
    ]
    assert [attempt.error for attempt in house.seen.over[0].tried] == ["upstream_failed", None]


async def test_an_attempt_that_nobody_waited_for_is_recorded_too(house: House) -> None:
    trail, came = house.begin(), prompt()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options())
    trail.tried(Attempt(target=call().target, error="abandoned", began=0, took=1000))
    trail.abandon()
    await house.journal.close()
    (outcome,) = [record for record in house.records() if record["phase"] == "outcome"]
    assert outcome["attempts"] == [{"target": "m/1", "took": 1, "error": "abandoned"}]


async def test_a_single_attempt_that_was_answered_at_once_needs_no_more_words(house: House) -> None:
    trail, came = house.begin(), prompt()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options())
    trail.tried(Attempt(target=call().target, error=None, began=0, took=1000))
    await trail.end(200)
    assert "attempts" not in house.records()[-1]


async def test_a_stream_is_told_by_what_the_client_got(house: House) -> None:
    trail, came = house.begin(replace(ASKED, options=Options(stream=True))), prompt()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options())
    trail.told.handling = handling()
    found = Finding(rule="out", where="output", count=1, policy="p", action="redact", stage=Stage.OUTPUT)
    trail.told.events((TextDelta(choice=0, text="planted"),))
    trail.told.events((TextDelta(choice=0, text="-answer"), Finish(choice=0, reason="stop")))
    trail.told.events(
        (UsageReport(usage=Usage(input_tokens=1, output_tokens=2)), Judged(decision="redact", findings=(found,)))
    )
    await trail.end(200)
    outcome = house.records()[-1]
    kept = await house.keys.fetch("t", "joe@example.com")
    assert outcome["output"][0]["commitment"] == kept.commitment("planted-answer")
    assert outcome["stream"] == {"scanned": 0, "released": 5, "truncated": 0}
    assert (outcome["decision"], [one["rule"] for one in outcome["findings"]]) == ("redact", ["out"])
    assert house.seen.over[0].decision == "redact"
    assert [one.rule for one in house.seen.over[0].findings] == ["out"]


async def test_findings_of_the_request_stand_in_the_intent_and_those_of_the_answer_in_the_outcome(house: House) -> None:
    trail, came = house.begin(), prompt()
    before = Finding(rule="in", where="mail", count=1, policy="p", action="redact", stage=Stage.DATA)
    after = replace(before, rule="out", where="output", stage=Stage.OUTPUT)
    trail.judged(judgement(came))
    await trail.intend(call(), handling((before,), "redact"), came, Options())
    trail.told.whole(reply(), handling((before, after), "redact"))
    await trail.end(200)
    assert [[f["rule"] for f in one["findings"]] for one in house.records()] == [["in"], ["out"]]
    assert [one.rule for one in house.seen.over[0].handling.findings] == ["in", "out"]  # pyright: ignore[reportOptionalMemberAccess]


async def test_what_policy_refuses_leaves_its_decision_and_an_outcome(house: House) -> None:
    trail, came = house.begin(), prompt()
    hit = Hit(
        policy="p", rule="no", stage=Stage.DATA, where="mail", action=Action.BLOCK, weight=Weight.ACTS, points=0,
        message="planted",
    )  # fmt: skip
    trail.judged(judgement(came, Findings(hits=(hit,)), blocks=True))
    await trail.end(400, "splitgate_blocked")
    decision, outcome = house.records()
    assert (decision["phase"], decision["decision"], decision["actions"]) == ("decision", "block", ["block"])
    assert [one["id"] for one in decision["segments"]] == ["s1", "mail"]
    assert (outcome["phase"], outcome["error"], outcome["status"]) == ("outcome", "splitgate_blocked", 400)
    assert "planted" not in json.dumps(house.records())


async def test_who_is_nobodys_caller_leaves_no_record_and_is_counted(house: House) -> None:
    trail = house.begin(None, None)
    await trail.end(401, "invalid_api_key")
    assert house.records() == []
    assert house.journal.refused == {"invalid_api_key": 1}
    assert (house.seen.begun, len(house.seen.over)) == (1, 1)


async def test_a_callers_malformed_request_leaves_an_outcome(house: House) -> None:
    trail = house.begin(None)
    await trail.end(400, "malformed_body")
    (outcome,) = house.records()
    assert (outcome["error"], outcome["actor"]["key"]) == ("malformed_body", "app")
    assert "model" not in outcome


async def test_a_model_that_nobody_configured_is_not_called_by_its_name(house: House) -> None:
    trail = house.begin(replace(ASKED, model="planted-model"))
    await trail.end(404, "model_not_found")
    assert house.records()[0]["model"] == "(unknown)"
    assert not house.seen.over[0].configured


async def test_who_goes_away_leaves_an_outcome_that_nobody_waits_for(house: House) -> None:
    trail, came = house.begin(replace(ASKED, options=Options(stream=True))), prompt()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options())
    trail.told.handling = handling()
    trail.told.events((TextDelta(choice=0, text="planted"),))
    trail.abandon()
    await house.journal.write("heartbeat", {})
    outcome = house.records()[-1]
    assert (outcome["error"], outcome["status"], outcome["output"][0]["length"]) == ("client_gone", 499, 7)


async def test_a_request_ends_once(house: House) -> None:
    trail = house.begin()
    await trail.end(400, "invalid_field")
    await trail.end(200)
    trail.abandon()
    assert len(house.records()) == 1
    assert (house.seen.begun, len(house.seen.over)) == (1, 1)


async def test_without_a_journal_nothing_is_recorded_and_replies_say_so() -> None:
    seen = Counting()
    trail = Evidence(recording=None, observers=(seen,)).begin("split", None)
    trail.caller = CALLER
    trail.judged(judgement(prompt()))
    await trail.intend(call(), handling(), prompt(), Options())
    await trail.end(200)
    assert trail.notes == ("unaudited",)
    assert len(seen.over) == 1


async def test_where_nothing_can_be_recorded_the_call_is_not_made(house: House) -> None:
    trail, came = house.begin(), prompt()
    trail.judged(judgement(came))
    await house.journal.close()
    with pytest.raises(AuditUnavailable) as refused:
        await trail.intend(call(), handling(), came, Options())
    assert not refused.value.sent
    # The refusal itself is told by the first error: nobody waits for a second one.
    await trail.end(503, AuditUnavailable.code)
    assert house.seen.over[0].error == "audit_unavailable"


async def test_an_outcome_that_cannot_be_recorded_says_that_the_call_was_made(house: House) -> None:
    trail, came = house.begin(), prompt()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options())
    await house.journal.close()
    trail.told.whole(reply(), handling())
    with pytest.raises(AuditUnavailable) as refused:
        await trail.end(200)
    assert refused.value.sent
    assert (house.seen.over[0].status, house.seen.over[0].error) == (503, "audit_unavailable")


async def test_an_answer_that_no_line_can_hold_leaves_an_outcome_all_the_same(house: House) -> None:
    trail, came = house.begin(), prompt()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options())
    trail.told.whole(replace(reply(), usage=Usage(input_tokens=2**53, output_tokens=0)), handling())
    with pytest.raises(AuditUnavailable) as refused:
        await trail.end(200)
    assert refused.value.sent
    intent, outcome = house.records()
    assert (outcome["error"], outcome["intent"], "usage" in outcome) == ("audit_unavailable", intent["event"], False)


async def test_who_goes_away_from_an_answer_that_no_line_can_hold_leaves_an_outcome(house: House) -> None:
    trail, came = house.begin(), prompt()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options())
    trail.told.events((UsageReport(usage=Usage(input_tokens=2**63, output_tokens=0)),))
    trail.abandon()
    await house.journal.write("heartbeat", {})
    assert [one.get("error") for one in house.records()] == [None, "client_gone"]


async def test_subjects_that_cannot_be_kept_are_a_refusal(house: House, tmp_path: Path) -> None:
    (tmp_path / "subjects.sqlite3").mkdir()
    trail, came = house.begin(), prompt()
    trail.judged(judgement(came))
    with pytest.raises(AuditUnavailable, match="keys of data subjects"):
        await trail.intend(call(), handling(), came, Options())


@pytest.mark.parametrize("house", ["content"], indirect=True)
async def test_texts_are_kept_as_they_were_sent_under_the_key_of_whom_they_are_about(house: House) -> None:
    trail, came, sent = house.begin(), prompt(subject="ann"), prompt("planted [gone]", subject="ann")
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), sent, Options())
    trail.told.whole(reply(), handling())
    await trail.end(200)
    intent, outcome = house.records()
    assert intent["segments"][1]["subject"] == house.keys.pseudonym("t", "ann")
    entries = [(intent, "ann", intent["segments"][1]), (outcome, "joe@example.com", outcome["output"][0])]
    texts: list[str] = []
    for one, subject, entry in entries:
        reference = Reference.parse(entry["blob"])
        assert reference is not None
        blob = blob_at(house.places.epochs()[0].blobs, reference)
        texts.append(opened(await house.keys.fetch("t", subject), one["event"], blob).decode())
    assert texts == ["planted [gone]", "planted-answer"]
    assert b"planted" not in house.places.epochs()[0].blobs.read_bytes()


@pytest.mark.parametrize("house", ["content"], indirect=True)
async def test_what_a_rule_wanted_gone_is_not_kept_of_a_refused_request(house: House) -> None:
    trail, came = house.begin(), prompt("call 555-planted now")
    edit = Edit(stage=Stage.DATA, where="mail", start=5, end=16, kind="PHONE", action=Action.REDACT)
    trail.judged(judgement(came, Findings(edits=(edit,)), blocks=True))
    await trail.end(400, "splitgate_blocked")
    decision = house.records()[0]
    reference = Reference.parse(decision["segments"][1]["blob"])
    assert reference is not None
    blob = blob_at(house.places.epochs()[0].blobs, reference)
    assert opened(await house.keys.fetch("t", "joe@example.com"), decision["event"], blob) == b"call [PHONE] now"


async def test_names_that_a_rule_wanted_gone_stand_in_no_record(house: House) -> None:
    trail, came = house.begin(), prompt(id_="planted-name")
    edit = Edit(stage=Stage.DATA, where="#names", start=0, end=12, kind="X", action=Action.REDACT)
    hit = Hit(
        policy="p", rule="no", stage=Stage.DATA, where="planted-name", action=Action.REDACT, weight=Weight.ACTS,
        points=0, message="m",
    )  # fmt: skip
    trail.judged(judgement(came, Findings(hits=(hit,), edits=(edit,)), blocks=True))
    await trail.end(400, "splitgate_blocked")
    decision = house.records()[0]
    assert [one["id"] for one in decision["segments"]] == ["#1", "#2"]
    assert decision["findings"][0]["where"] == "#2"
    assert "planted" not in json.dumps(house.records())


async def test_nothing_that_a_model_or_an_upstream_named_stands_in_a_record(house: House) -> None:
    planted = ToolCall(id="planted-id", name="planted_tool", arguments="{}")
    said = Data(id="s2", origin="tool:planted_tool", text="found")
    came = Prompt(
        turns=(
            *prompt(id_="mail").turns,
            Turn(speaker=Speaker.ASSISTANT, segments=(), tool_calls=(planted,)),
            Turn(speaker=Speaker.TOOL, segments=(said,), call_id="planted-id"),
        )
    )
    hit = Finding(rule="r", where="planted-id", count=1, policy="p", action="redact", stage=Stage.DATA)
    subject = Subject(stage=Stage.DATA, where="planted-id", text="", facts={})
    scanned = Scanned(subject=subject, detections={"pii": Detection(facts={"det.pii.count": 1})})
    trail = house.begin()
    trail.judged(replace(judgement(came), scanned=(scanned,)))
    await trail.intend(call(), handling((hit,), "redact"), came, Options())
    ended = replace(reply(), choices=(Choice(index=0, text="x", finish_reason="planted-word"),))
    trail.told.whole(ended, handling((hit,), "redact"))
    await trail.end(200)
    intent, outcome = house.records()
    assert [one["id"] for one in intent["segments"]] == ["s1", "mail", "call-1", "s2"]
    assert [one["origin"] for one in intent["segments"][2:]] == ["tool:(unoffered)"] * 2
    assert (intent["findings"][0]["where"], intent["facts"]["data"][0]["where"]) == ("call-1", "call-1")
    assert (outcome["finish"], house.seen.over[0].finish) == (["(other)"], ("(other)",))
    assert "planted" not in json.dumps([intent, outcome])


@pytest.mark.parametrize("house", ["content"], indirect=True)
async def test_a_call_that_has_a_segments_name_is_not_taken_for_it(house: House) -> None:
    calls = (ToolCall(id="mail", name="f", arguments="{}"),)
    came = Prompt(turns=(*prompt().turns, Turn(speaker=Speaker.ASSISTANT, segments=(), tool_calls=calls)))
    trail = house.begin()
    trail.judged(judgement(came))
    await trail.intend(call(), handling(), came, Options())
    assert ["blob" in one for one in house.records()[0]["segments"]] == [True, True, False]


class Slow(SubjectKeys):
    """Keys that take a while."""

    def __init__(self, path: Path, takes_s: float) -> None:
        super().__init__(path, MasterKey(b"k" * 32))
        self.takes_s = takes_s

    async def fetch(self, tenant: str, subject: str | None) -> Keys:
        await asyncio.sleep(self.takes_s)
        return await super().fetch(tenant, subject)


async def intend(house: House, keys: SubjectKeys) -> None:
    evidence = Evidence(recording=Recording(journal=house.journal, keys=keys), models=("m",))
    trail = replace(house, evidence=evidence).begin()
    trail.judged(judgement(prompt()))
    try:
        await trail.intend(call(), handling(), prompt(), Options())
    finally:
        keys.close()


@pytest.mark.parametrize("house", ["hasty"], indirect=True)
async def test_keys_of_subjects_may_take_most_of_the_deadline(house: House, tmp_path: Path) -> None:
    await intend(house, Slow(tmp_path / "slow.sqlite3", takes_s=HASTY_S * 0.4))
    assert [one["phase"] for one in house.records()] == ["intent"]


@pytest.mark.parametrize("house", ["hasty"], indirect=True)
async def test_keys_of_subjects_that_take_longer_are_a_refusal(house: House, tmp_path: Path) -> None:
    with pytest.raises(AuditUnavailable, match="keys of data subjects were not there in time"):
        await intend(house, Slow(tmp_path / "slow.sqlite3", takes_s=HASTY_S * 60))
    assert house.records() == []


@pytest.mark.parametrize("house", ["hasty"], indirect=True)
async def test_a_record_has_of_the_deadline_what_its_keys_have_left(house: House, tmp_path: Path) -> None:
    go_on, began = threading.Event(), time.monotonic()

    def hold() -> None:
        go_on.wait(60)

    house.journal._put(Command(hold, lambda _: None))  # pyright: ignore[reportPrivateUsage]
    try:
        with pytest.raises(AuditUnavailable, match="not durable in time"):
            await intend(house, Slow(tmp_path / "slow.sqlite3", takes_s=HASTY_S * 0.8))
    finally:
        go_on.set()
    # Together they may take one deadline, one after the other it would be nearly two.
    assert time.monotonic() - began < HASTY_S * 1.6


async def test_what_a_limit_refused_says_which_one(house: House) -> None:
    trail = house.begin()
    error = LimitReached("m", rule="app-rpm", measure=Measure.TOKENS, window="minute", retry_after_s=1)
    trail.limited(error)
    await trail.end(429, error.code)
    (outcome,) = house.records()
    assert (outcome["error"], outcome["limit"]) == ("rate_limited", {"rule": "app-rpm", "measure": "tokens"})
    assert house.seen.over[0].limit == ("app-rpm", "tokens")
