"""What follows, before any text is seen, from the policies that stand for a request?

Everything that the asker and the policies alone decide is worked out here once and looked up afterwards. What only
watches may cost computing, since its detectors run, but it changes neither what is released of an answer nor when.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import Final, TypeAlias

from gateway.domain.card import Bar, strictest
from gateway.domain.detection import INPUT_STAGES, Facts, Stage
from gateway.domain.exchange import AppliedRevision
from gateway.domain.isolation import Isolation
from gateway.domain.value import value
from gateway.domain.verdict import Action, Weight
from policies.engine.model import UNKNOWN_TOOL, ExceptionRule, Policy, Rule, Streaming, ToolRule

_Exceptions: TypeAlias = Mapping[str, tuple[ExceptionRule, ...]]

_ANSWER: Final = frozenset({Stage.OUTPUT, Stage.TOOL_CALL})
_EDITS: Final = frozenset({Action.REDACT, Action.PSEUDONYMISE})
_MODES: Final[Mapping[Weight, str]] = {
    Weight.ACTS: "enforce",
    Weight.SHADOW: "shadow",
    Weight.BYPASSED: "bypassed",
}
# What a tool's entry decides; who declares tools matters only to rules that read these.
_DECLARED_FACTS: Final = frozenset({"tool.effect", "tool.declared", "tool.derived", "tool.derived_args"})


@value
class ReadyRule:
    """A rule that is evaluated, with all that no text changes.

    ``keys`` are the instances that its condition reads, ``points`` what a hit scores (0 unless its action is to score)
    and ``threshold`` the score from which its stage blocks, ``weight`` what becomes of a hit while none of
    ``exceptions`` is live.
    """

    policy: Policy
    rule: Rule
    keys: frozenset[str]
    points: int
    threshold: int
    weight: Weight
    exceptions: tuple[ExceptionRule, ...]
    # The condition's own method: found once here, not for every text.
    holds: Callable[[Facts], bool]

    @property
    def acts(self) -> bool:
        """Whether a hit counts, exceptions aside."""
        return self.weight is Weight.ACTS


@value
class Part:
    """One policy's rules at one stage; ``keys`` are the instances that they read, by the detector's name."""

    policy: Policy
    rules: tuple[ReadyRule, ...]
    keys: Mapping[str, str]


@value
class AppliedPolicy:
    """A policy that stands for a request: ``weight`` is ``ACTS``, ``SHADOW`` or ``BYPASSED``.

    ``instances`` are instance keys by the detector's name. ``parts`` has the stages at which any rule is evaluated.
    """

    policy: Policy
    weight: Weight
    instances: Mapping[str, str]
    parts: Mapping[Stage, Part]

    @property
    def rules(self) -> tuple[ReadyRule, ...]:
        """The rules that are evaluated, at any stage."""
        return tuple(ready for part in self.parts.values() for ready in part.rules)


@dataclass(frozen=True, kw_only=True)  # without slots, so that `acting` and `watching` are worked out once
class Applicable:
    """The policies that stand for a request, and what follows from them.

    ``min_isolation`` is the highest floor among policies that act, ``bar`` all that these ask of a target's card.
    ``approves``: a call may be held for approval. ``restore_anywhere``: every rule that pseudonymises permits
    placeholders to be mapped back wherever they stand. ``awake`` are the rules at a stage that can hold even while
    every detector is quiet.
    """

    policies: tuple[AppliedPolicy, ...]
    names: tuple[str, ...]
    revision: str
    min_isolation: Isolation | None
    bar: Bar
    streaming: Streaming
    approves: bool
    restore_anywhere: bool
    parts: Mapping[Stage, tuple[Part, ...]]
    awake: Mapping[Stage, tuple[ReadyRule, ...]]
    wanted_keys: Mapping[Stage, frozenset[str]]
    edited: frozenset[Stage]
    detectors: frozenset[str]
    facts: frozenset[str]
    declaring: tuple[Policy, ...]

    @cached_property
    def acting(self) -> "Applicable":
        """The same with none but the rules that count. What is declared of tools stays."""
        return _view(self, acts=True)

    @cached_property
    def watching(self) -> "Applicable":
        """The same with none but the rules that only watch: nothing is edited, held or put before an approver."""
        return replace(_view(self, acts=False), edited=frozenset[Stage](), approves=False)

    @cached_property
    def judges(self) -> bool:
        """Whether any rule looks at the answer."""
        return any(self.parts[stage] for stage in _ANSWER)

    @cached_property
    def wanted_of_input(self) -> frozenset[str]:
        """The instance keys of the detectors that any rule on what is sent reads."""
        return frozenset[str]().union(*[self.wanted_keys[stage] for stage in INPUT_STAGES])

    @cached_property
    def acted_at(self) -> frozenset[Stage]:
        """The stages at which any rule counts, and does not only watch."""
        return frozenset(
            stage for stage, parts in self.parts.items() if any(one.acts for part in parts for one in part.rules)
        )

    @cached_property
    def rewrites_calls(self) -> bool:
        """Whether calls go on, or before an approver, as they were understood: never as the model wrote them."""
        return Stage.TOOL_CALL in self.acted_at or any(
            ready.acts and ready.rule.action is Action.REQUIRE_APPROVAL
            for part in self.parts[Stage.OUTPUT]
            for ready in part.rules
        )

    @cached_property
    def applied(self) -> AppliedRevision:
        """What replies and records say of which policies stood."""
        return AppliedRevision(names=self.names, revision=self.revision)

    @cached_property
    def described(self) -> tuple[Mapping[str, str], ...]:
        """Name, digest and mode of each policy, as records tell them."""
        return tuple(
            {"name": one.policy.name, "digest": f"sha256:{one.policy.digest}", "mode": _MODES[one.weight]}
            for one in self.policies
        )

    def wanted(self, stage: Stage) -> frozenset[str]:
        """The instance keys of the detectors that rules at ``stage`` read."""
        return self.wanted_keys[stage]

    def guards(self, stage: Stage) -> bool:
        """Whether any rule is evaluated at ``stage``."""
        return bool(self.parts[stage])

    def edits(self, stage: Stage) -> bool:
        """Whether any rule may change text at ``stage``: one that acts, not one that watches."""
        return stage in self.edited

    def uses(self, detector: str) -> bool:
        """Whether any rule that acts reads ``detector`` (its name in conditions: ``canary``)."""
        return detector in self.detectors

    def reads(self, facts: frozenset[str]) -> bool:
        """Whether any rule's condition reads one of ``facts``, by dotted name."""
        return not self.facts.isdisjoint(facts)

    def declares(self, name: str) -> bool:
        """Whether a policy says what the tool ``name`` may do."""
        return any(name in policy.tools for policy in self.declaring)

    def tool(self, name: str) -> ToolRule:
        """What the tool ``name`` may do: the strictest of what policies declare, ``UNKNOWN_TOOL`` where none does."""
        declared = [policy.tools[name] for policy in self.declaring if name in policy.tools]
        return reduce(_stricter, declared) if declared else UNKNOWN_TOOL


def apply_policy(
    policy: Policy, weight: Weight, instances: Mapping[str, str], exceptions: Iterable[ExceptionRule] = ()
) -> AppliedPolicy:
    """Make ``policy`` ready with ``weight``, and with the exceptions that match an asker, expired or not.

    Raises:
        ValueError: ``instances`` lacks a detector that a rule reads.
    """
    by_rule: dict[str, tuple[ExceptionRule, ...]] = {}
    for exception in exceptions:
        for rule_id in exception.rules:
            by_rule[rule_id] = (*by_rule.get(rule_id, ()), exception)
    ready = [_ready(policy, rule, weight, instances, by_rule) for rule in policy.rules if evaluated(policy, rule)]
    parts = {stage: _part(policy, [one for one in ready if one.rule.stage is stage], instances) for stage in Stage}
    return AppliedPolicy(
        policy=policy,
        weight=weight,
        instances=instances,
        parts={stage: part for stage, part in parts.items() if part.rules},
    )


def applicable_of(policies: tuple[AppliedPolicy, ...], revision: str) -> Applicable:
    """Work out what follows from ``policies`` together."""
    acting = [applied.policy for applied in policies if applied.weight is Weight.ACTS]
    ready = [one for applied in policies for one in applied.rules]
    parts = {stage: tuple(one.parts[stage] for one in policies if stage in one.parts) for stage in Stage}
    pseudonymising = [one for one in ready if one.acts and one.rule.action is Action.PSEUDONYMISE]
    return Applicable(
        policies=policies,
        names=tuple(applied.policy.name for applied in policies),
        revision=revision,
        min_isolation=max((floor for one in acting if (floor := one.min_isolation) is not None), default=None),
        bar=strictest(policy.bar for policy in acting),
        streaming=_streaming(policies),
        approves=any(one.acts and one.rule.action is Action.REQUIRE_APPROVAL for one in ready),
        restore_anywhere=bool(pseudonymising) and all(one.rule.restore_anywhere for one in pseudonymising),
        parts=parts,
        awake={stage: _awake(of_stage) for stage, of_stage in parts.items()},
        wanted_keys={stage: _wanted(of_stage) for stage, of_stage in parts.items()},
        edited=frozenset(one.rule.stage for one in ready if one.acts and one.rule.action in _EDITS),
        detectors=frozenset(name for one in ready if one.acts for name in one.rule.when.detectors),
        facts=frozenset(name for one in ready for name in one.rule.when.refs),
        declaring=_declaring(policies, ready),
    )


def evaluated(policy: Policy, rule: Rule) -> bool:
    """Whether the rule is looked at where its policy stands."""
    return rule.mode != "off" and rule.level <= policy.levels.detection


def _ready(
    policy: Policy, rule: Rule, weight: Weight, instances: Mapping[str, str], exceptions: _Exceptions
) -> ReadyRule:
    unknown = sorted(rule.when.detectors - instances.keys())
    if unknown:
        raise ValueError(f"policy {policy.name}: no instance of the detector {unknown[0]}, which rule {rule.id} reads")
    scores = rule.action is Action.SCORE
    if scores and rule.stage not in policy.thresholds:
        raise ValueError(f"policy {policy.name}: rule {rule.id} scores, and {rule.stage} has no threshold")
    return ReadyRule(
        policy=policy,
        rule=rule,
        keys=frozenset(instances[name] for name in rule.when.detectors),
        points=policy.severities[rule.severity] if scores else 0,
        threshold=policy.thresholds[rule.stage] if scores else 0,
        weight=_rule_weight(policy, rule, weight),
        exceptions=exceptions.get(rule.id, ()),
        holds=rule.when.holds,
    )


def _rule_weight(policy: Policy, rule: Rule, weight: Weight) -> Weight:
    """A rule is weaker than its policy, never stronger; what only its own setting holds back says so."""
    if rule.level > policy.levels.blocking:
        return Weight.LEVEL
    return Weight.SHADOW if rule.mode == "shadow" else weight


def _part(policy: Policy, rules: Iterable[ReadyRule], instances: Mapping[str, str]) -> Part:
    kept = tuple(rules)
    names = sorted({name for one in kept for name in one.rule.when.detectors})
    return Part(policy=policy, rules=kept, keys={name: instances[name] for name in names})


def _awake(parts: Iterable[Part]) -> tuple[ReadyRule, ...]:
    return tuple(one for part in parts for one in part.rules if not one.rule.when.dormant)


def _wanted(parts: Iterable[Part]) -> frozenset[str]:
    return frozenset(key for part in parts for key in part.keys.values())


def _streaming(policies: Iterable[AppliedPolicy]) -> Streaming:
    """The most careful of the policies with rules on the answer that act."""
    acting = [(one.policy.streaming, {ready.rule.stage for ready in one.rules if ready.acts}) for one in policies]
    reading = [streaming for streaming, stages in acting if Stage.OUTPUT in stages]
    holding = [streaming for streaming, stages in acting if not stages.isdisjoint(_ANSWER)]
    if not holding:
        return Streaming()
    held = not reading or any(streaming.mode == "hold" for streaming in reading)
    return Streaming(
        mode="hold" if held else "window",
        window_chars=max(streaming.window_chars for streaming in reading or holding),
        max_hold_ms=min(streaming.max_hold_ms for streaming in holding),
    )


def _view(of: Applicable, *, acts: bool) -> Applicable:
    parts = {stage: tuple(_parts_of(of_stage, acts=acts)) for stage, of_stage in of.parts.items()}
    return replace(
        of,
        parts=parts,
        awake={stage: _awake(of_stage) for stage, of_stage in parts.items()},
        wanted_keys={stage: _wanted(of_stage) for stage, of_stage in parts.items()},
    )


def _parts_of(parts: Iterable[Part], *, acts: bool) -> Iterator[Part]:
    for part in parts:
        rules = [one for one in part.rules if one.acts is acts]
        if rules:
            yield _part(part.policy, rules, part.keys)


def _declaring(policies: Iterable[AppliedPolicy], ready: Iterable[ReadyRule]) -> tuple[Policy, ...]:
    """Whose word on tools counts: only policies that act, unless nothing that acts depends on it.

    A policy that watches would otherwise loosen one that acts, by declaring a tool that is unknown without it.
    """
    depends = any(
        one.acts and (one.rule.action is Action.PSEUDONYMISE or not _DECLARED_FACTS.isdisjoint(one.rule.when.refs))
        for one in ready
    )
    return tuple(one.policy for one in policies if not depends or one.weight is Weight.ACTS)


def _stricter(one: ToolRule, other: ToolRule) -> ToolRule:
    """What both allow: None stands for every argument among ``sink_args``, for no value among ``allowed``."""
    every = one.sink_args is None or other.sink_args is None
    none = one.allowed is None or other.allowed is None
    return ToolRule(
        effect=max(one.effect, other.effect),
        sink_args=None if every else tuple(dict.fromkeys((*(one.sink_args or ()), *(other.sink_args or ())))),
        allowed=None if none else (one.allowed or frozenset()) & (other.allowed or frozenset()),
    )
