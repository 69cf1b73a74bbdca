"""Would the packs' own cases notice if one of their rules said something else?"""

from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pytest

from gateway.detectors.build import build, vocabulary
from gateway.pipeline.trial import case_runner
from policies.engine.cases import run_cases
from policies.engine.model import Policy
from policies.engine.mutants import Mutant, mutants

NAMES = ("agents", "baseline", "exfiltration", "pii-eu", "pii-us", "strict")
# One of so many mutants is tried in the short form.
STEP = 5
CAUGHT_AT_LEAST = 0.95


def _caught(pack: Policy, step: int) -> tuple[int, list[str]]:
    """How many mutants there are, and which none of the pack's cases noticed."""
    own = build([pack], None)
    count, missed = 0, list[str]()
    for mutant in islice(mutants(pack, vocabulary(pack.detectors)), 0, None, step):
        count += 1
        scanner, instances = own if mutant.policy.detectors == pack.detectors else build([mutant.policy], None)
        run = case_runner(scanner, instances, 0.0)
        # The cases at the changed rule's stage notice most; the first that does ends it.
        cases = sorted(mutant.policy.cases, key=lambda case: case.stage is not _stage(pack, mutant))
        one_by_one = (run_cases(replace(mutant.policy, cases=(case,)), run)[0] for case in cases)
        if all(result.passed for result in one_by_one):
            missed.append(f"{mutant.what}: {mutant.change}")
    return count, missed


def _stage(pack: Policy, mutant: Mutant) -> str | None:
    return next((rule.stage for rule in pack.rules if rule.id == mutant.what), None)


@pytest.mark.rows
@pytest.mark.parametrize("name", NAMES)
def test_a_sample_of_mutated_rules_is_caught(name: str, pack_of: Callable[[str], Policy]) -> None:
    count, missed = _caught(pack_of(name), STEP)
    assert count > len(pack_of(name).rules)
    assert len(missed) <= (1 - CAUGHT_AT_LEAST) * count, missed


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", NAMES)
def test_every_mutated_rule_is_caught(name: str, pack_of: Callable[[str], Policy]) -> None:
    _, missed = _caught(pack_of(name), 1)
    assert missed == []
