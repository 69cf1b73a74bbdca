from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Final, Literal, Never

import pytest

from gateway.activation.assemble import Engine, assemble
from gateway.activation.engine import engine
from gateway.activation.sources import PolicyFile
from gateway.domain.approval import HeldReply
from gateway.domain.detection import Detection, Detections, Fact, Facts, FactType, Mark, Stage, Subject
from gateway.domain.errors import AuditUnavailable, NotSayable
from gateway.domain.evidence import Attempt, Timeline
from gateway.domain.exchange import Handling
from gateway.domain.isolation import Isolation
from gateway.domain.ports import Call, Scanner
from gateway.domain.prompt import Data, Instruction, Prompt, Speaker, Trust, Turn
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Layout, Target
from gateway.domain.verdict import Action, Weight
from gateway.pipeline.guard import Watch
from gateway.pipeline.in_force import InForce
from gateway.pipeline.seen import Seen
from gateway.pipeline.trail import Judgement
from policies.engine.applicable import applicable_of, apply_policy
from policies.engine.condition import Condition, compile_condition
from policies.engine.model import ExceptionRule, Mode, Policy, Rule, Streaming, ToolRule
from policies.engine.vocabulary import BASE


@pytest.fixture
def a_target() -> Callable[..., Target]:
    def make(
        name: str = "t",
        *,
        fmt: str = "spotlight",
        ceiling: Isolation = Isolation.NATIVE,
        extra_params: frozenset[str] = frozenset(),
        needs_probe: bool = False,
        unproven: Isolation = Isolation.WRAPPED,
    ) -> Target:
        return Target(
            id=name,
            provider="openai_compatible",
            base_url="http://127.0.0.1:1/v1",
            model="m",
            format=fmt,
            family="all",
            ceiling=ceiling,
            extra_params=extra_params,
            needs_probe=needs_probe,
            unproven=unproven,
        )

    return make


@pytest.fixture
def split_prompt() -> Prompt:
    return Prompt(
        turns=(
            Turn(
                speaker=Speaker.USER,
                segments=(Instruction(id="s1", origin="user", text="Summarise.", trust=Trust.USER),),
            ),
            Turn(speaker=Speaker.INPUT, segments=(Data(id="s2", origin="email", text="Dear all"),)),
        )
    )


@pytest.fixture
def lay_out() -> Callable[[Target, Prompt, Options], tuple[Layout, Options]]:
    """A layout that reaches what the target's format is named: the label of a level, or spotlight for wrapped."""

    def make(target: Target, prompt: Prompt, options: Options) -> tuple[Layout, Options]:
        levels = {level.label: level for level in Isolation}
        reached = levels.get(target.format, Isolation.WRAPPED) if prompt.data else None
        layout = Layout(format=target.format, endpoint=Endpoint.CHAT, body={"messages": []}, isolation=reached)
        return layout, options

    return make


def _cannot(target: Target) -> Never:
    raise NotSayable(f"target {target.id} cannot")


@pytest.fixture
def cannot() -> Callable[[Target], Never]:
    """Says of each target that it cannot do what is asked of it."""
    return _cannot


class Approvals:
    """Keeps what is held in a list."""

    def __init__(self) -> None:
        self.held: list[HeldReply] = []

    async def hold(self, held: HeldReply) -> None:
        self.held.append(held)


@pytest.fixture
def approvals() -> Approvals:
    return Approvals()


def _no_client() -> None:
    raise NotImplementedError


@pytest.fixture(scope="session")
def an_engine() -> Engine:
    """The engine of a running gateway; no external classifier can be reached."""
    return engine({}, _no_client)  # pyright: ignore[reportArgumentType]


@pytest.fixture(scope="session")
def policies_of(an_engine: Engine) -> Callable[..., InForce]:
    """One policy in force, of these YAML lists of rules and further keys of ``spec``."""

    def make(rules: Sequence[str] = (), spec: str = "mode: enforce") -> InForce:
        listed = "".join(f"    - {{severity: critical, message: no., {rule}}}\n" for rule in rules)
        head = f"apiVersion: splitgate/v1\nkind: Policy\nmetadata: {{name: test}}\nspec:\n  {spec}\n"
        text = head + (f"  rules:\n{listed}" if rules else "")
        return assemble([PolicyFile(file="test.yaml", raw=text.encode(), fallback=True)], an_engine).in_force

    return make


SECRET: Final = "sk-5ecret"
_FACTS: Final = {
    "det.secrets.found": FactType.BOOL,
    "det.secrets.count": FactType.INT,
    "det.secrets.kinds": FactType.STRINGS,
    "det.slow.found": FactType.BOOL,
}
_VOCABULARY: Final = {
    **BASE,
    **{name: Fact(name=name, type=kind, doc="A test's.", longest=16) for name, kind in _FACTS.items()},
}
_OFFERED: Final[Facts] = {"tool.offered": True, "tool.valid": True}


@dataclass
class LiteralScanner:
    """``secrets`` marks literals wherever they stand; ``slow`` has to be asked and finds a word."""

    literals: Mapping[str, str] = field(default_factory=lambda: {SECRET: "key"})
    slow_word: str = "slowly"
    failed: str | None = None
    seen: list[Subject] = field(default_factory=list[Subject])

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        if "secrets" not in wanted:
            return {}
        self.seen.append(subject)
        marks = tuple(self._marks(subject.text))
        facts: Facts = {
            "det.secrets.found": True,
            "det.secrets.count": len(marks),
            "det.secrets.kinds": tuple(sorted({mark.kind for mark in marks})),
        }
        return {"secrets": Detection(facts=facts, marks=marks, failed=self.failed)} if marks or self.failed else {}

    def _marks(self, text: str) -> Iterator[Mark]:
        for word, kind in self.literals.items():
            at = text.find(word)
            while at >= 0:
                yield Mark(kind=kind, start=at, end=at + len(word))
                at = text.find(word, at + 1)

    def asks(self, wanted: frozenset[str]) -> bool:
        return "slow" in wanted

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        assert "slow" in wanted
        return self.answers(subjects)

    def answers(self, subjects: Sequence[Subject]) -> list[Detections]:
        found = Detection(facts={"det.slow.found": True})
        return [{"slow": found} if self.slow_word in subject.text else {} for subject in subjects]


@cache
def _condition(when: str, stage: Stage) -> Condition:
    return compile_condition(when, _VOCABULARY, stage, {})


@pytest.fixture(scope="session")
def scanner_of() -> Callable[..., LiteralScanner]:
    return LiteralScanner


@pytest.fixture(scope="session")
def rule() -> Callable[..., Rule]:
    """A rule of the guard's tests."""

    def make(
        stage: Stage = Stage.OUTPUT,
        action: Action = Action.REDACT,
        when: str = "det.secrets.found",
        name: str = "R1",
        mode: Mode = "enforce",
    ) -> Rule:
        condition = _condition(when, stage)
        return Rule(id=name, stage=stage, severity="critical", when=condition, action=action, message="m", mode=mode)

    return make


@pytest.fixture(scope="session")
def policy() -> Callable[..., Policy]:
    def make(
        *rules: Rule,
        name: str = "p",
        mode: Literal["hold", "window"] = "hold",
        window: int = 16,
        max_hold_ms: int = 2_000,
        tools: Mapping[str, ToolRule] | None = None,
        threshold: int = 5,
    ) -> Policy:
        return Policy(
            name=name,
            owner="o",
            file="p.yaml",
            digest="0" * 64,
            mode="enforce",
            severities={"critical": 5, "error": 4, "warning": 3, "notice": 2},
            thresholds=dict.fromkeys(Stage, threshold),
            streaming=Streaming(mode=mode, window_chars=window, max_hold_ms=max_hold_ms),
            tools=tools or {},
            rules=rules,
        )

    return make


@pytest.fixture(scope="session")
def watch(policy: Callable[..., Policy]) -> Callable[..., Watch]:
    """One policy of these rules with ``weight``, and beside it ``others``, which only watch."""

    def make(
        *rules: Rule,
        scanner: Scanner | None = None,
        weight: Weight = Weight.ACTS,
        facts: Facts = _OFFERED,
        others: Sequence[Policy] = (),
        excepted_until: float = 0.0,
        **given: object,
    ) -> Watch:
        until = ExceptionRule(
            id="E1", rules=tuple([one.id for one in rules]), reason="r", approver="a", expires=excepted_until
        )
        keys = {"secrets": "secrets", "slow": "slow"}
        applied = (
            apply_policy(policy(*rules, **given), weight, keys, (until,)),
            *[apply_policy(other, Weight.SHADOW, keys) for other in others],
        )
        return Watch(
            applicable=applicable_of(applied, "sha256:0"),
            scanner=scanner or LiteralScanner(),
            facts={"tainted": True},
            call_facts=lambda _: facts,
            canary="canary",
            schema={"type": "object"},
        )

    return make


class Trail:
    """Keeps what the pipeline tells of a request; ``refuses`` has it say that nothing can be recorded."""

    def __init__(self) -> None:
        self.timeline = Timeline()
        self.notes: tuple[str, ...] = ()
        self.traceparent: str | None = None
        self.seen = Seen()
        self.judgements: list[Judgement] = []
        self.attempts: list[Attempt] = []
        self.intents: list[tuple[Call, Handling, Prompt, Options]] = []
        self.refuses = False

    def judged(self, judgement: Judgement) -> None:
        self.judgements.append(judgement)

    def tried(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)

    async def intend(self, call: Call, handling: Handling, sent: Prompt, options: Options) -> None:
        if self.refuses:
            raise AuditUnavailable("no")
        self.intents.append((call, handling, sent, options))


@pytest.fixture
def trail() -> Trail:
    return Trail()
