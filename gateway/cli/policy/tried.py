"""What came of the cases that stand in policy files?"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.activation.rehearse import scanning
from gateway.activation.sources import PolicyFile
from gateway.cli.policy.loaded import load
from gateway.cli.policy.progress import followed
from gateway.pipeline.trial import case_runner
from policies.engine.cases import CaseResult, CaseRunner, Gap, Tried, coverage, run_cases
from policies.engine.model import Case, Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A policy, the results of its cases in the file's order, and what they do not show."""

    policy: Policy
    results: tuple[CaseResult, ...]
    gaps: tuple[Gap, ...]

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        return tuple(result for result in self.results if not result.passed)


def try_cases(files: Sequence[PolicyFile], *, ask: bool) -> tuple[Outcome, ...]:
    """Run every case of every file.

    Raises:
        CommandFailed: a file is no policy; ``ask`` needs the credentials that they refer to.
    """
    policies = load(files, offline=not ask)
    total = sum(len(policy.cases) for policy in policies)
    with scanning(policies, ask=ask) as (scanner, instances), followed("cases", total) as step:
        run = case_runner(scanner, instances, time.time())

        def stepping(policy: Policy, case: Case) -> Tried:
            step()
            return run(policy, case)

        return tuple(_outcomes(policies, stepping))


def _outcomes(policies: Sequence[Policy], run: CaseRunner) -> Iterator[Outcome]:
    for policy in policies:
        results = run_cases(policy, run)
        yield Outcome(policy=policy, results=tuple(results), gaps=tuple(coverage(policy, results)))
