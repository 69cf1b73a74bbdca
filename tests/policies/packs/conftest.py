"""The packs that ship, loaded as a gateway loads them, and ordinary texts that none of them should refuse."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias

import pytest

from gateway.configuration.packs import PACKS, POLICY
from gateway.detectors.build import build, vocabulary
from gateway.domain.detection import Facts, Scanned, Stage, Subject
from gateway.domain.verdict import Verdict, Weight
from gateway.pipeline.trial import case_runner
from policies.engine.applicable import applicable_of, apply_policy
from policies.engine.cases import CaseResult, run_cases
from policies.engine.evaluate import evaluate
from policies.engine.load import load_policy
from policies.engine.model import Policy

NAMES: Final = ("agents", "baseline", "exfiltration", "pii-eu", "pii-us", "strict")
_TEXTS: Final = Path(__file__).parent / "texts"
_BETWEEN: Final = "\n%%\n"

Judge: TypeAlias = Callable[[str, Stage, str, Facts], Verdict]
Benign: TypeAlias = Sequence[tuple[str, str]]


@cache
def loaded(name: str) -> Policy:
    path = PACKS / name / POLICY
    return load_policy(str(path), path.read_bytes(), vocabulary, {})


@pytest.fixture(params=NAMES)
def pack(request: pytest.FixtureRequest) -> Policy:
    """Each pack in turn."""
    return loaded(str(request.param))


@pytest.fixture(scope="session")
def pack_of() -> Callable[[str], Policy]:
    return loaded


@pytest.fixture(scope="session")
def tried() -> Callable[[Policy], Sequence[CaseResult]]:
    """A policy's own cases, run with real detectors; built anew where its settings are others."""

    def run(policy: Policy) -> Sequence[CaseResult]:
        scanner, instances = build([policy], None)
        return run_cases(policy, case_runner(scanner, instances, 0.0))

    return run


@pytest.fixture(scope="session")
def judge() -> Judge:
    """What a pack decides of one text, with untrusted data in context."""

    @cache
    def ready(name: str):  # noqa: ANN202 - a scanner and what it is asked for, for the next lines alone
        policy = loaded(name)
        scanner, instances = build([policy], None)
        return scanner, applicable_of((apply_policy(policy, Weight.ACTS, instances[policy.name]),), "test")

    def verdict(name: str, stage: Stage, text: str, facts: Facts) -> Verdict:
        scanner, policies = ready(name)
        subject = Subject(stage=stage, where="text", text=text, facts={"tainted": True, **facts})
        seen = scanner.scan(subject, policies.wanted(stage))
        return evaluate(policies, [Scanned(subject=subject, detections=seen)], 0.0)

    return verdict


@pytest.fixture(scope="session")
def benign() -> Benign:
    """Ordinary texts, each with the kind that it is of."""
    files = sorted(_TEXTS.glob("*.txt"))
    return [(file.stem, text) for file in files for text in file.read_text(encoding="utf-8").split(_BETWEEN)]
