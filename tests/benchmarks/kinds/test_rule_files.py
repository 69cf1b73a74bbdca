import json

import pytest

from benchmarks.kinds.rule_files import rules_of
from benchmarks.kinds.rules import COUNTS
from gateway.detectors.build import vocabulary
from gateway.domain.detection import Stage
from policies.engine.load import load_policy
from policies.engine.model import Policy


def _loaded(count: int) -> Policy:
    return load_policy("rules.yaml", json.dumps(rules_of(count)).encode(), vocabulary, {})


@pytest.mark.parametrize("count", COUNTS)
def test_a_generated_policy_is_one_that_the_gateway_takes(count: int) -> None:
    assert len(_loaded(count).rules) == count


def test_rules_differ_and_stand_at_several_stages() -> None:
    policy = _loaded(100)
    assert len({rule.id for rule in policy.rules}) == 100
    assert {rule.stage for rule in policy.rules} >= {Stage.INSTRUCTIONS, Stage.DATA, Stage.OUTPUT, Stage.TOOL_CALL}


def test_ten_rules_ask_every_detector_that_a_hundred_do() -> None:
    def detectors(count: int) -> set[str]:
        return {
            fact for fact in ("injection", "invisible", "secrets", "urls", "size") if f"det.{fact}." in _text(count)
        }

    assert detectors(10) == detectors(100) == {"injection", "invisible", "secrets", "urls", "size"}


def _text(count: int) -> str:
    return json.dumps(rules_of(count))
