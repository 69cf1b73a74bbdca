"""Policies as values, without files: detectors ``a``, ``b`` and ``c`` are known, and severities score 5, 4, 3 and 2."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final

import pytest

from gateway.domain.detection import (
    Detection,
    Detections,
    Fact,
    Facts,
    FactType,
    Mark,
    Scanned,
    Stage,
    Subject,
    Vocabulary,
)
from gateway.domain.verdict import Action
from policies.engine.applicable import Applicable
from policies.engine.condition import Condition, compile_condition
from policies.engine.model import Levels, Match, Mode, Policy, Rollout, Rule, Severity
from policies.engine.ruleset import Asker, Ruleset
from policies.engine.vocabulary import BASE

DETECTORS: Final = ("a", "b", "c")
VOCABULARY: Final[Vocabulary] = {
    **BASE,
    **{
        fact.name: fact
        for name in DETECTORS
        for fact in (
            Fact(name=f"det.{name}.found", type=FactType.BOOL, doc="."),
            Fact(name=f"det.{name}.count", type=FactType.INT, doc="."),
        )
    },
}


@cache
def compiled(source: str, stage: Stage) -> Condition:
    return compile_condition(source, VOCABULARY, stage, {})


@pytest.fixture(scope="session")
def rule_of() -> Callable[..., Rule]:
    def make(
        name: str = "r",
        when: str = "det.a.found",
        *,
        stage: Stage = Stage.DATA,
        action: Action = Action.BLOCK,
        severity: Severity = "critical",
        level: int = 1,
        mode: Mode = "enforce",
        only: tuple[str, ...] = (),
        restore_anywhere: bool = False,
    ) -> Rule:
        return Rule(
            id=name,
            stage=stage,
            severity=severity,
            when=compiled(when, stage),
            action=action,
            message=f"{name} hit.",
            level=level,
            mode=mode,
            only=only,
            restore_anywhere=restore_anywhere,
        )

    return make


@pytest.fixture(scope="session")
def policy_of() -> Callable[..., Policy]:
    """A policy of these rules that enforces; a test changes the rest with ``dataclasses.replace``."""

    def make(
        *rules: Rule,
        name: str = "p",
        mode: Mode = "enforce",
        blocking: int = 1,
        detection: int = 1,
        match: Match | None = None,
        rollout: Rollout | None = None,
    ) -> Policy:
        return Policy(
            name=name,
            owner="security@example.com",
            file=f"{name}.yaml",
            digest=f"{name}-digest",
            mode=mode,
            match=match or Match(),
            rollout=rollout or Rollout(),
            levels=Levels(blocking=blocking, detection=detection),
            severities={"critical": 5, "error": 4, "warning": 3, "notice": 2},
            thresholds=dict.fromkeys(Stage, 5),
            rules=rules,
        )

    return make


@pytest.fixture(scope="session")
def asker_of() -> Callable[..., Asker]:
    def make(
        *, tenant: str = "acme", key: str = "k1", model: str = "support", route: str = "split", digest: bytes = b""
    ) -> Asker:
        return Asker(tenant=tenant, key=key, model=model, route=route, digest=digest)

    return make


@pytest.fixture(scope="session")
def ruleset_of(policy_of: Callable[..., Policy]) -> Callable[..., Ruleset]:
    """A ruleset in which every detector's instance has the detector's name."""

    def make(*policies: Policy, fallback: Policy | None = None) -> Ruleset:
        last = fallback or policy_of(name="fallback")
        instances = {policy.name: {name: name for name in DETECTORS} for policy in (*policies, last)}
        return Ruleset(policies, instances, last)

    return make


@pytest.fixture(scope="session")
def standing(ruleset_of: Callable[..., Ruleset], asker_of: Callable[..., Asker]) -> Callable[..., Applicable]:
    """What stands for one and the same asker under these policies."""

    def make(*policies: Policy, bypass: str | None = None) -> Applicable:
        return ruleset_of(*policies).applicable(asker_of(), bypass=bypass)

    return make


@pytest.fixture(scope="session")
def scanned_of() -> Callable[..., Scanned]:
    """A text in which each of ``found`` saw characters 0 to 4 as a kind of its own name in capitals."""

    def make(
        *found: str,
        where: str = "mail",
        stage: Stage = Stage.DATA,
        facts: Facts | None = None,
        marks: Mapping[str, Sequence[tuple[str, int, int]]] | None = None,
        failed: Mapping[str, str] | None = None,
    ) -> Scanned:
        spans = {name: [(name.upper(), 0, 4)] for name in found} | dict(marks or {})
        seen: Detections = {
            name: Detection(
                facts={f"det.{name}.found": True, f"det.{name}.count": len(spans[name])} if name in spans else {},
                marks=tuple(Mark(kind=kind, start=start, end=end) for kind, start, end in spans.get(name, ())),
                failed=(failed or {}).get(name),
            )
            for name in {**spans, **(failed or {})}
        }
        subject = Subject(stage=stage, where=where, text="Dear all, here it is.", facts=facts or {})
        return Scanned(subject=subject, detections=seen)

    return make
