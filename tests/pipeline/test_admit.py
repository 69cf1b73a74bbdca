from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.errors import NotSayable
from gateway.domain.identity import ANONYMOUS
from gateway.domain.request import ClientRequest, Message, Options, Role, TextPart
from gateway.domain.verdict import Weight
from gateway.pipeline.admit import admit, request_digest
from gateway.pipeline.in_force import InForce

Policies = Callable[..., InForce]
REDACTS = "id: r, stage: output, when: det.secrets.found, action: redact"


def request(text: str = "x", **values: bool) -> ClientRequest:
    parts = (TextPart(text=text, path="i"),)
    messages = (Message(role=Role.USER, parts=parts, path="i"),)
    return ClientRequest(dialect="split", model="m", messages=messages, options=Options(values=values))


def test_the_digest_is_of_what_is_asked_and_not_of_who_asks() -> None:
    assert request_digest(request()) == request_digest(request())
    assert request_digest(request("y")) != request_digest(request())
    assert request_digest(replace(request(), model="n")) != request_digest(request())
    assert len(bytes.fromhex(request_digest(request("\ud800")))) == 32


def test_a_percentage_of_requests_is_told_by_their_content(policies_of: Policies) -> None:
    ruleset = policies_of([REDACTS], "mode: enforce\n  rollout: {percent: 30}").ruleset
    requests = [request(f"text {number}") for number in range(400)]
    weights = [admit(one, ANONYMOUS, ruleset, None).policies[0].weight for one in requests]
    assert 0.2 < weights.count(Weight.ACTS) / len(weights) < 0.4
    assert weights == [admit(one, ANONYMOUS, ruleset, None).policies[0].weight for one in requests]


def test_a_bypass_weighs_on_every_policy(policies_of: Policies) -> None:
    policies = admit(request(), ANONYMOUS, policies_of([REDACTS]).ruleset, "an incident")
    assert [one.weight for one in policies.policies] == [Weight.BYPASSED]


def test_log_probabilities_would_tell_what_is_taken_out(policies_of: Policies) -> None:
    with pytest.raises(NotSayable):
        admit(request(logprobs=True), ANONYMOUS, policies_of([REDACTS]).ruleset, None)
    admit(request(logprobs=False), ANONYMOUS, policies_of([REDACTS]).ruleset, None)
    admit(request(logprobs=True), ANONYMOUS, policies_of([REDACTS], "mode: shadow").ruleset, None)
