"""What would have become of recorded requests under other policies?

Only from the facts that were recorded: what a policy asks beyond them cannot be told, and is told as that. A request is
taken as it came and its answer as it came back, whatever the model would have made of a prompt redacted otherwise.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, Literal, TypeAlias

from gateway.audit.line import Fields
from gateway.audit.looked import Looked, Stood, Then
from gateway.audit.recall import (
    IS_NAME,
    Came,
    Doubts,
    Recall,
    came_of,
    hidden_names,
    named_tools,
    recorded_demotions,
    tool_facts,
    tool_name,
)
from gateway.audit.recall_answer import LATE, AnswerRecall, Ground, Said
from gateway.audit.search import objects_of, tenant_of, text_of, time_of
from gateway.audit.tried import Standing, Tried
from gateway.domain.card import strictest
from gateway.domain.detection import Detection, Mark, Scanned, Stage, Subject
from gateway.domain.isolation import LABELS, isolation_from_label
from gateway.domain.value import value
from gateway.domain.verdict import Action, Block, Decision, Hit, RequireApproval, Verdict, Weight, decision_of
from gateway.pipeline.again import Look, judge_choice, judge_request, together
from policies.engine.applicable import Applicable
from policies.engine.compare import Change, RuleName
from policies.engine.doubt import unknown
from policies.engine.model import Policy

Way: TypeAlias = Literal["in", "out"]

NOT_SEEN: Final = "the answer was cut off before all of it was judged"
TOOK_LONG: Final = "the answer was refused because it was held for too long"
NOT_DRAWN: Final = "no record says which requests a roll-out to this share draws"
NOT_MEASURED: Final = "the policies ask for what no record tells: what the card of the request's target shows"
NOT_ISOLATED: Final = "the policies ask for more isolation than the request got"
_MICROSECONDS: Final = 1_000_000
_EDITS: Final = frozenset({Action.REDACT.value, Action.PSEUDONYMISE.value})
_BAR: Final = {"separation": "min_separation", "attack_success": "max_attack_success"}
_DECISIONS: Final[Mapping[str, Decision]] = {
    "allow": "allow",
    "redact": "redact",
    "require_approval": "require_approval",
    "block": "block",
}


@value
class Doubt:
    """Why it cannot be told whether a rule would hit: which fact is not known, and the reason."""

    rule: str
    fact: str
    why: str


@value
class Outcome:
    """What is told of a request on its way in or out.

    ``told`` is false where it cannot be told what would become of it. Then ``change`` holds what is sure.
    """

    request: str
    way: Way
    time: int
    tenant: str
    model: str
    change: Change
    doubts: tuple[Doubt, ...]
    told: bool

    @property
    def changed(self) -> bool:
        """Whether something would surely change."""
        return self.told and bool(self.change.before != self.change.after or self.change.appeared or self.change.gone)


@value
class _Asked:
    """A request of which the answer is still to come."""

    came: Came
    fields: Fields
    demoted: frozenset[str]
    demoted_then: frozenset[str]
    refused: bool


@value
class _Bounds:
    """What is sure to be decided, and what is the most that may be."""

    sure: Verdict
    most: Verdict


class Replay:
    """Tries policies on records, which come in the order of time. ``looked`` knows the policies of then."""

    def __init__(self, tried: Tried, looked: Looked) -> None:
        self._tried = tried
        self._looked = looked
        self._waiting: dict[str, _Asked] = {}
        # Answers that would not have been asked for, and those of requests whose record is not among these.
        self.unasked = 0
        self.unmatched = 0

    def outcomes(self, records: Iterable[Fields]) -> Iterator[Outcome]:
        """What is told of each request, once on its way in, and once on its way out where the answer was judged."""
        for fields in records:
            request = text_of(fields, "request")
            way = text_of(fields, "decision_id").rpartition("/")[2]
            if way == "in" and "segments" in fields and request not in self._waiting:
                yield self._in(request, fields)
            elif way == "out" and text_of(fields, "phase") == "outcome":
                asked = self._waiting.pop(request, None)
                if asked is None:
                    self.unmatched += "decision" in fields
                elif _holds_an_answer(fields) and text_of(asked.fields, "phase") == "intent":
                    if asked.refused:
                        self.unasked += 1
                    else:
                        yield self._out(request, fields, asked)

    def _in(self, request: str, fields: Fields) -> Outcome:
        then = self._looked.then(fields)
        standing = self._tried.standing(fields, then)
        doubts = Doubts()
        came = came_of(fields)
        recall = self._tried.recall(fields, then, standing.most, doubts, canary=came.canary)
        demoted_then = recorded_demotions(fields, came)
        scanned = [recall.look(*_place(recall, came, one)) for one in (*came.subjects, *_tools(recall, came))]

        def look_as_data(subject: Subject) -> Scanned:
            return recall.look_as_data(subject, came, demoted_then)

        def judge(policies: Applicable, *, marked: bool) -> tuple[Verdict, frozenset[str]]:
            seen = [_marked(one, policies) for one in scanned] if marked else scanned
            return judge_request(policies, seen, came.seams, look_as_data, time_of(fields) / _MICROSECONDS)

        sure, demoted = judge(standing.least, marked=False)
        bounds = _Bounds(sure=sure, most=sure)
        if doubts or standing.undecided:
            sure, demoted = judge(self._tried.bound(standing.least, otherwise=False), marked=False)
            most, _ = judge(self._tried.bound(standing.most, otherwise=True), marked=True)
            bounds = _Bounds(sure=sure, most=most)
        self._waiting[request] = _Asked(
            came=came,
            fields=fields,
            demoted=demoted,
            demoted_then=demoted_then,
            refused=isinstance(bounds.sure, Block | RequireApproval),
        )
        more = [*_undrawn(standing), *_unisolated(standing, fields), *_unmeasured(standing, fields, then)]
        return _outcome("in", fields, bounds, _why(bounds, standing, doubts), more)

    def _out(self, request: str, fields: Fields, asked: _Asked) -> Outcome:
        del request
        then = self._looked.then(fields)
        standing = self._tried.standing(asked.fields, then)
        doubts = Doubts()
        recall = self._tried.recall(fields, then, standing.most, doubts, canary=asked.came.canary)
        base = bool(asked.came.common["tainted"])
        ground = Ground(
            tainted_then=base or bool(asked.demoted_then),
            tainted=base or bool(asked.demoted),
            same=asked.demoted == asked.demoted_then,
            offered=asked.came.tools,
        )
        common = {**asked.came.common, "tainted": ground.tainted}
        choices = AnswerRecall(recall=recall, fields=fields, common=common, ground=ground).choices()
        now = time_of(fields) / _MICROSECONDS
        judged = [self._judge(said, standing, doubts, now, same=recall.same) for said in choices.values()]
        bounds = _Bounds(sure=together([one.sure for one, _ in judged]), most=together([one.most for one, _ in judged]))
        more = [*_undrawn(standing), *dict.fromkeys([doubt for _, mine in judged for doubt in mine])]
        return _outcome("out", fields, bounds, _why(bounds, standing, doubts), more)

    def _judge(
        self, said: Said, standing: Standing, doubts: Doubts, now: float, *, same: bool
    ) -> tuple[_Bounds, list[Doubt]]:
        """One choice; beside the verdicts, why its decision cannot be told whatever rules say."""
        late = [(LATE, Stage.OUTPUT, said.looks[0].scanned.subject.where)] if said.late and same else []
        refusals = [*said.refusals, *late]
        sure = judge_choice(standing.least, said.looks, refusals, now)
        bounds = _Bounds(sure=sure, most=sure)
        if doubts or standing.undecided or said.unsure:
            least = self._tried.bound(standing.least, otherwise=False)
            most = self._tried.bound(standing.most, otherwise=True)
            looks = [Look(scanned=_marked(one.scanned, most), again=one.again) for one in said.looks]
            bounds = _Bounds(
                sure=judge_choice(least, said.looks, refusals, now),
                most=judge_choice(most, looks, [*refusals, *said.unsure], now),
            )
        if isinstance(bounds.sure, Block):
            return bounds, []
        mine = [Doubt(rule=LATE, fact="time", why=TOOK_LONG)] if said.late and not same else []
        return bounds, [*mine, Doubt(rule="", fact="answer", why=NOT_SEEN)] if said.cut else mine


def _holds_an_answer(outcome: Fields) -> bool:
    """Whether there was any text to judge: a number of tokens and vectors are none."""
    return "error" not in outcome and "operation" not in outcome


def _place(recall: Recall, came: Came, one: Subject) -> tuple[Subject, Fields]:
    """A text, and what detectors saw in it, by the record."""
    hidden = hidden_names(one)
    return (recall.doubted(one, hidden) if hidden else one), came.det.get((one.stage.value, one.where), {})


def _tools(recall: Recall, came: Came) -> list[Subject]:
    """The tools that were offered, and the texts among the options, where any rule looks at them."""
    if not recall.policies.guards(Stage.TOOLS):
        return []
    others = named_tools(recall.policies, recall.then, ())
    subjects: list[Subject] = []
    for where, told in came.tool_places:
        facts, _, why = tool_facts(tool_name(told), recall.policies, others)
        subject = Subject(stage=Stage.TOOLS, where=where, text="", facts={**came.common, **facts})
        subjects.append(recall.doubted(subject, dict.fromkeys(why, IS_NAME)) if why else subject)
    return subjects


def _marked(one: Scanned, policies: Applicable) -> Scanned:
    """The same where detectors of which nothing is known have marked whatever rules could want."""
    blank = [key for key, seen in one.detections.items() if _is_blank(key, seen)]
    if not blank:
        return one
    rules = [ready.rule for part in policies.parts[one.subject.stage] for ready in part.rules]
    kinds = dict.fromkeys(["", *[kind for rule in rules for kind in rule.only]])
    marks = tuple([Mark(kind=kind, start=0, end=1) for kind in kinds])
    more = {key: Detection(facts=one.detections[key].facts, marks=marks) for key in blank}
    return Scanned(subject=one.subject, detections={**one.detections, **more})


def _is_blank(key: str, seen: Detection) -> bool:
    return unknown(f"det.{key.partition('@')[0]}") in seen.facts


def _undrawn(standing: Standing) -> list[Doubt]:
    return [Doubt(rule=name, fact="roll-out", why=NOT_DRAWN) for name in standing.undecided]


def _unisolated(standing: Standing, fields: Fields) -> list[Doubt]:
    """Whether the request would have to go elsewhere, or nowhere."""
    floor, got = standing.most.min_isolation, text_of(fields, "isolation")
    if floor is None or got not in LABELS or isolation_from_label(got) >= floor:
        return []
    return [Doubt(rule="min_isolation", fact="isolation", why=NOT_ISOLATED)]


def _unmeasured(standing: Standing, fields: Fields, then: Then) -> list[Doubt]:
    """Whether policies ask more of a card than those that let the request through."""
    if text_of(fields, "isolation") not in LABELS:
        return []
    asking = [applied.policy for applied in standing.most.policies if applied.weight is Weight.ACTS]
    bar = strictest([policy.bar for policy in asking if not _stood(then.policies.get(policy.name), policy)])
    asked = (("separation", bar.min_separation), ("attack_success", bar.max_attack_success))
    return [Doubt(rule=_BAR[name], fact=name, why=NOT_MEASURED) for name, share in asked if share is not None]


def _stood(then: Stood | None, policy: Policy) -> bool:
    """Whether the very policy acted then."""
    return then is not None and then.digest == policy.digest and then.mode == "enforce"


def _before(fields: Fields) -> tuple[Decision, frozenset[RuleName]]:
    """What was decided on a request, and by which rules."""
    return _word(text_of(fields, "decision")), _rules(fields)


def _before_out(fields: Fields) -> tuple[Decision, frozenset[RuleName]]:
    """What was decided on the answer alone: the record tells the stricter of both ways."""
    decision = _word(text_of(fields, "decision"))
    if decision not in {"block", "require_approval"}:
        edited = [
            one
            for one in objects_of(fields, "findings")
            if text_of(one, "weight") == Weight.ACTS.value and text_of(one, "action") in _EDITS and "spans" in one
        ]
        decision = "redact" if edited else "allow"
    return decision, _rules(fields)


def _word(told: str) -> Decision:
    return _DECISIONS.get(told, "allow")


def _rules(fields: Fields) -> frozenset[RuleName]:
    findings = objects_of(fields, "findings")
    return frozenset(
        [RuleName(policy=text_of(one, "policy"), rule=text_of(one, "rule")) for one in findings if "policy" in one]
    )


def _why(bounds: _Bounds, standing: Standing, doubts: Doubts) -> dict[RuleName, list[Doubt]]:
    """The rules that may hit and are not sure to, and which facts would tell."""
    if bounds.most is bounds.sure:
        return {}
    sure = {_key(hit) for hit in bounds.sure.found.hits}
    parts = [part for of_stage in standing.most.parts.values() for part in of_stage]
    refs = {(ready.policy.name, ready.rule.id): ready.rule.when.refs for part in parts for ready in part.rules}
    why: dict[RuleName, list[Doubt]] = {}
    for hit in bounds.most.found.hits:
        if _key(hit) not in sure:
            name = RuleName(policy=hit.policy, rule=hit.rule)
            known = doubts.about(hit.stage, hit.where, refs.get((hit.policy, hit.rule), ()))
            why.setdefault(name, []).extend([Doubt(rule=str(name), fact=fact, why=reason) for fact, reason in known])
    return why


def _key(hit: Hit) -> tuple[str, str, Stage, str]:
    return (hit.policy, hit.rule, hit.stage, hit.where)


def _outcome(
    way: Way,
    fields: Fields,
    bounds: _Bounds,
    why: Mapping[RuleName, Sequence[Doubt]],
    more: Sequence[Doubt],
) -> Outcome:
    """Put together what is sure and what is not; ``more`` are doubts that no rule's condition decides."""
    decision, were = _before(fields) if way == "in" else _before_out(fields)
    sure, most = _on(way, bounds.sure), _on(way, bounds.most)
    are = frozenset([RuleName(policy=hit.policy, rule=hit.rule) for hit in bounds.sure.found.hits])
    unsure = why.keys() - are
    change = Change(
        index=0,
        before=decision,
        after=sure,
        appeared=tuple(sorted(are - were, key=str)),
        gone=tuple(sorted(were - are - unsure, key=str)),
    )
    differs = sure != decision or bool(change.appeared or change.gone)
    forced = [doubt for doubt in more if doubt.fact != "roll-out"]
    told = sure == most and not (forced and sure != "block") and (differs or not unsure)
    return Outcome(
        request=text_of(fields, "request"),
        way=way,
        time=time_of(fields),
        tenant=tenant_of(fields),
        model=text_of(fields, "model"),
        change=change,
        doubts=tuple(dict.fromkeys([*[doubt for mine in why.values() for doubt in mine], *(() if told else more)])),
        told=told,
    )


def _on(way: Way, verdict: Verdict) -> Decision:
    """What waits for an approver is an answer, never a request."""
    decision = decision_of(verdict)
    return "block" if way == "in" and decision == "require_approval" else decision
