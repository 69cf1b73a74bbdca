"""Policy files of the tests' own, the real engine without detectors, and workers' parts over real folders."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.activation.activate import Activation
from gateway.activation.assemble import Engine, Instances
from gateway.activation.break_glass import BreakGlass
from gateway.activation.last_good import LastGood
from gateway.activation.sources import Sources
from gateway.activation.state_folder import StateFolder
from gateway.configuration.values import PolicySettings
from gateway.domain.detection import Detections, Subject
from gateway.domain.ports import Scanner
from gateway.pipeline.trial import case_runner
from policies.engine.cases import CaseResult, run_cases
from policies.engine.load import load_policy
from policies.engine.model import Policy

PATIENCE_S = 20.0

TEXT = """apiVersion: splitgate/v1
kind: Policy
metadata: {{name: {name}, owner: security}}
spec:
  mode: enforce
  rules:
    - id: {name}.origin
      stage: data
      severity: critical
      when: "segment.origin == '{origin}'"
      action: block
      message: refused
      tags: [LLM01:2025]
  tests:
    - name: hit
      stage: data
      text: x
      segment: {{origin: {hit}}}
      expect: {{decision: block, rules: [{name}.origin]}}
    - name: miss
      stage: data
      text: x
      segment: {{origin: tool}}
      expect: {{decision: allow}}
      near: [{name}.origin]
"""


class Blind:
    """A scanner that sees nothing."""

    closed = False

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        del subject, wanted
        return {}

    def asks(self, wanted: frozenset[str]) -> bool:
        del wanted
        return False

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        del wanted
        return [{} for _ in subjects]


def tried(policy: Policy, scanner: Scanner, instances: Mapping[str, str], /) -> Sequence[CaseResult]:
    return run_cases(policy, case_runner(scanner, {policy.name: instances}, 0.0))


@pytest.fixture
def policy_text() -> Callable[..., str]:
    """A sound policy that refuses data of one origin; with another ``hit`` its own case fails."""

    def write(name: str, origin: str = "email", hit: str | None = None) -> str:
        return TEXT.format(name=name, origin=origin, hit=hit or origin)

    return write


@pytest.fixture
def engine() -> Engine:
    """The real engine; no detectors, which have tests of their own."""

    def build(policies: Sequence[Policy]) -> tuple[Scanner, Instances]:
        return Blind(), {policy.name: {} for policy in policies}

    async def close(scanner: Scanner) -> None:
        assert isinstance(scanner, Blind)
        assert not scanner.closed
        scanner.closed = True

    return Engine(
        load=lambda file, raw: load_policy(file, raw, lambda _: {}, {}), build=build, run_tests=tried, close=close
    )


@dataclass(kw_only=True)
class Site:
    """A folder of policies, packs and state, and what a worker makes of them."""

    packs: Path
    policies: Path
    state: Path
    engine: Engine
    names: tuple[str, ...] = ("baseline",)
    paths: list[Path] = field(default_factory=list[Path])

    def sources(self) -> Sources:
        paths = tuple(self.paths) or (self.policies,)
        return Sources(PolicySettings(packs=self.names, paths=paths, watch=True), self.packs)

    def folder(self) -> StateFolder:
        return StateFolder(self.state)

    def worker(self, *, watch: bool = False, engine: Engine | None = None, retired_for_s: float = 60.0) -> Activation:
        return Activation(
            self.sources(),
            engine or self.engine,
            last_good=LastGood(self.folder()),
            break_glass=BreakGlass(self.folder(), b"k" * 32),
            watch=watch,
            watch_every_s=0.3,
            retired_for_s=retired_for_s,
        )


@pytest.fixture
def site(tmp_path: Path, engine: Engine, policy_text: Callable[..., str]) -> Site:
    """A baseline, and the policy ``mail`` in a folder."""
    packs, policies = tmp_path / "packs", tmp_path / "policies"
    (packs / "baseline").mkdir(parents=True)
    (packs / "baseline" / "policy.yaml").write_text(policy_text("baseline", "web"))
    policies.mkdir()
    (policies / "mail.yaml").write_text(policy_text("mail"))
    return Site(packs=packs, policies=policies, state=tmp_path / "state" / "policies", engine=engine)


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait until something holds."""

    async def wait(holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, "waited in vain"
            await asyncio.sleep(0.02)

    return wait
