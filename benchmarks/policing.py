"""What do policies and detectors cost by themselves?

All in this process, by texts of the benchmark's own. What is compared takes turns, so that a slow moment of the machine
hits both; what grows is told for each character, so that it shows whether it grows faster than the text.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.canned import at_once
from benchmarks.contenders import BASELINE, CONTENDERS, OFF, Contender, Site
from benchmarks.figures import percentile
from benchmarks.inside import Inside, inside, policies_of, scope_of, through
from benchmarks.payloads import Writing, text_of
from benchmarks.scenarios import SCENARIOS
from benchmarks.stages import Way
from gateway.configuration.values import PolicySettings
from gateway.detectors.build import build, vocabulary
from gateway.detectors.scanner import Detectors
from gateway.domain.detection import Detection, Fact, FactType, Scanned, Stage, Subject
from gateway.domain.ports import Scanner
from gateway.pipeline.scan import look
from policies.engine.evaluate import evaluate
from policies.engine.load import load_policy
from policies.engine.model import DetectorSettings
from policies.engine.ruleset import Asker

SIZES: Final = (2_048, 20_480, 204_800, 1_048_576)
# Microseconds that ``baseline`` may add to a request of 2 KB.
AIM_US: Final = 60.0

_LOW: Final = 0.02
_CANARY: Final = "sg-bench0123456789"
_SCHEMA: Final = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How long each figure may take, in seconds, and how many calls it rests on at least and at most."""

    seconds: float = 1.0
    least: int = 3
    most: int = 5_000


QUICK: Final = Effort(seconds=0.02)


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """Microseconds of a call: one of the lowest, and the median."""

    low: float
    median: float

    def less(self, other: "Times") -> "Times":
        """What this takes longer than ``other``."""
        return Times(low=self.low - other.low, median=self.median - other.median)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one text of ``chars`` characters costs; ``outcome`` is ``quiet``, ``found``, or why it could not be read."""

    chars: int
    micros: float
    outcome: str

    @property
    def nanos_per_char(self) -> float:
        """The same for each character."""
        return self.micros * 1000 / self.chars


def times(steps: Mapping[str, Callable[[], object]], effort: Effort) -> dict[str, Times]:
    """What each of ``steps`` takes; they take turns."""
    samples: dict[str, list[int]] = {name: [] for name in steps}
    end = time.monotonic() + effort.seconds * len(steps)
    for number in range(effort.most):
        if number >= effort.least and time.monotonic() > end:
            break
        for name, step in steps.items():
            start = time.perf_counter_ns()
            step()
            samples[name].append(time.perf_counter_ns() - start)
    ordered = {name: sorted(durations) for name, durations in samples.items()}
    return {
        name: Times(low=percentile(durations, _LOW) / 1000, median=percentile(durations, 0.5) / 1000)
        for name, durations in ordered.items()
    }


def price(site: Site, key: str, effort: Effort) -> dict[str, Times]:
    """What ``baseline`` costs a request of 2 KB: its detectors and rules alone, and all that a request takes more."""
    alone = _judging(site, key)
    steps: dict[str, Callable[[], object]] = {}
    for dialect in ("split", "chat"):
        for server in (BASELINE, OFF):
            contender = next(one for one in CONTENDERS if one.server == BASELINE and one.dialect == dialect)
            steps[f"{dialect} {server}"] = _request(site, contender, server, key)
    found = times({"alone": alone, **steps}, effort)
    return {
        "scan and decide: instructions, data, answer": found["alone"],
        **{
            f"a whole request with it less one with policies off, {dialect}": found[f"{dialect} {BASELINE}"].less(
                found[f"{dialect} {OFF}"]
            )
            for dialect in ("split", "chat")
        },
    }


def _request(site: Site, contender: Contender, server: str, key: str) -> Callable[[], object]:
    """A whole request but for server and network."""
    scenario = SCENARIOS[0]
    asked = Contender(name=contender.name, server=server, path=contender.path, dialect=contender.dialect)
    gateway = inside(site, asked, scenario)
    scope = scope_of(asked, key, scenario.body_bytes)
    return lambda: at_once(through(gateway, scope))


def _judging(site: Site, key: str) -> Callable[[], object]:
    """The request's own texts, then its answer, each scanned and decided on."""
    contender = next(one for one in CONTENDERS if one.server == BASELINE and one.dialect == "split")
    gateway: Inside = inside(site, contender, SCENARIOS[0])
    way = Way.of(gateway, scope_of(contender, key, len(gateway.body)))
    prompt = way.lift()
    facts, subjects = way.subjects(prompt)
    reply = way.send(way.call(way.apply(prompt, way.decide(way.scan(subjects)))))
    answer = Subject(stage=Stage.OUTPUT, where="output", text=reply.choices[0].text or "", facts=facts)

    def judge() -> None:
        way.decide(way.scan(subjects))
        way.decide(way.scan((answer,)))

    return judge


def costs(writing: Writing, effort: Effort, sizes: Sequence[int] = SIZES) -> dict[str, Sequence[Cost]]:
    """For ``baseline`` as a whole, and for every detector by itself: what texts of each of ``sizes`` cost."""
    scanner, instances = every_detector()
    rows = {"baseline, data": [_baseline_cost(text_of(writing, size), effort) for size in sizes]}
    rows["folding alone"] = [_cost(scanner, frozenset(), _subject("", writing, size), effort) for size in sizes]
    for name, instance in instances.items():
        wanted = frozenset({instance})
        rows[name] = [_cost(scanner, wanted, _subject(name, writing, size), effort) for size in sizes]
    return dict(rows)


def every_detector() -> tuple[Detectors, Mapping[str, str]]:
    """All detectors that need no service, with their settings' defaults, and their instance keys by name."""
    facts: dict[str, Fact] = {}
    for fact in vocabulary(DetectorSettings()).values():
        facts.setdefault(fact.name.split(".")[1], fact)
    rules = [
        {
            "id": name,
            "stage": "output",
            "severity": "notice",
            "when": _condition(fact),
            "action": "block",
            "message": "Measured.",
        }
        for name, fact in sorted(facts.items())
    ]
    spec = {"mode": "enforce", "streaming": {"mode": "hold"}, "rules": rules}
    metadata = {"name": "every-detector", "owner": "benchmarks"}
    document = {"apiVersion": "splitgate/v1", "kind": "Policy", "metadata": metadata, "spec": spec}
    policy = load_policy("every-detector.json", json.dumps(document).encode(), vocabulary, {})
    scanner, instances = build([policy], None)
    return scanner, instances[policy.name]


def _condition(fact: Fact) -> str:
    return fact.name if fact.type is FactType.BOOL else f"{fact.name} > 0"


def _subject(name: str, writing: Writing, size: int) -> Subject:
    """A text that the detector does not dismiss at a glance."""
    text = text_of(writing, size)
    if name == "schema":
        text = json.dumps({"text": text}, ensure_ascii=False)
    return Subject(stage=Stage.OUTPUT, where="output", text=text, facts={}, canary=_CANARY, schema=_SCHEMA)


def _cost(scanner: Scanner, wanted: frozenset[str], subject: Subject, effort: Effort) -> Cost:
    seen = scanner.scan(subject, wanted)
    taken = times({"": lambda: scanner.scan(subject, wanted)}, effort)[""]
    return Cost(chars=len(subject.text), micros=taken.low, outcome=_outcome(tuple(seen.values())))


def _baseline_cost(text: str, effort: Effort) -> Cost:
    in_force = policies_of(PolicySettings(packs=("baseline",), paths=(), watch=False))
    policies = in_force.ruleset.applicable(Asker(tenant="bench", key="bench", model="whole", route="split"))
    subjects = (Subject(stage=Stage.DATA, where="data", text=text, facts={"request.chars": len(text)}),)

    def judge() -> tuple[Scanned, ...]:
        scanned = look(subjects, policies, in_force.scanner)
        evaluate(policies, scanned, 0.0)
        return scanned

    seen = tuple(judge()[0].detections.values())
    return Cost(chars=len(text), micros=times({"": judge}, effort)[""].low, outcome=_outcome(seen))


def _outcome(seen: Sequence[Detection]) -> str:
    failed = next((one.failed for one in seen if one.failed is not None), None)
    return failed or ("found" if seen else "quiet")
