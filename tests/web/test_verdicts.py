import json
import logging
from dataclasses import replace

import pytest

from gateway.domain.exchange import AppliedRevision
from gateway.domain.finding import Finding
from gateway.domain.identity import ANONYMOUS
from gateway.domain.verdict import Weight
from gateway.web.verdicts import tell

HIT = Finding(rule="r", where="s2", count=2, policy="p", action="block", weight=Weight.SHADOW)


def test_a_verdict_is_one_line_that_says_what_each_rule_did_or_would_have_done(
    caplog: pytest.LogCaptureFixture,
) -> None:
    excepted = replace(HIT, rule="q", weight=Weight.EXCEPTED, exception="e")
    revision = AppliedRevision(names=("p",), revision="sha256:0")
    with caplog.at_level(logging.INFO, "splitgate.audit"):
        tell("r-1", ANONYMOUS, decision="allow", findings=[HIT, excepted], policy=revision)
    (record,) = caplog.records
    told = {"policy": "p", "where": "s2", "count": 2, "action": "block"}
    assert json.loads(record.getMessage()) == {
        "event": "verdict",
        "request": "r-1",
        "tenant": "local",
        "key": "anonymous",
        "decision": "allow",
        "revision": "sha256:0",
        "findings": [
            {**told, "rule": "r", "weight": "shadow"},
            {**told, "rule": "q", "weight": "excepted", "exception": "e"},
        ],
    }


def test_the_gateways_own_removals_alone_are_no_verdict(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "splitgate.audit"):
        tell("r-1", ANONYMOUS, decision="allow", findings=[Finding(rule="reserved-token", where="s1", count=1)])
    assert not caplog.records
