"""The engine of running gateways: real detectors."""

from collections.abc import Callable
from typing import NoReturn

from gateway.activation.assemble import Engine, assemble
from gateway.activation.engine import close, engine, run_tests
from gateway.activation.sources import PolicyFile
from gateway.domain.detection import Stage, Subject
from gateway.domain.ports import Scanner
from policies.engine.model import Policy

PolicyText = Callable[..., str]


def no_client() -> NoReturn:
    raise AssertionError("no external classifier is asked")


def test_policies_get_the_detectors_that_their_rules_name(policy_text: PolicyText) -> None:
    text = policy_text("size").replace("segment.origin == 'email'", "det.size.chars > 3 && segment.origin == 'email'")
    text = text.replace("text: x", "text: 'longer than three'")
    made = assemble(
        [
            PolicyFile(file="b.yaml", raw=policy_text("baseline").encode(), fallback=True),
            PolicyFile(file="s.yaml", raw=text.encode()),
        ],
        engine({}, no_client),
    )
    (policy,) = (policy for policy in made.in_force.ruleset.policies if policy.name == "size")
    subject = Subject(stage=Stage.DATA, where="s", text="four", facts={})
    (seen,) = made.in_force.scanner.scan(subject, frozenset({"size"})).values()
    assert seen.facts["det.size.chars"] == 4
    assert all(result.passed for result in run_tests(policy, made.in_force.scanner, {"size": "size"}))


async def test_what_keeps_something_running_is_ended_and_what_does_not_is_left() -> None:
    class Runs:
        ended = 0

        async def close(self) -> None:
            self.ended += 1

    running = Runs()
    await close(running)  # pyright: ignore[reportArgumentType] — only its end matters
    await close(object())  # pyright: ignore[reportArgumentType] — the same
    assert running.ended == 1


NAMES = """apiVersion: splitgate/v1
kind: Policy
metadata: {name: names, owner: o}
spec:
  mode: enforce
  detectors:
    pii: {ner: true, ner_timeout_ms: 60000}
    external: [{name: vendor, kind: webhook, url: "https://c.example/x"}]
  rules:
    - {id: person, stage: data, severity: critical, when: det.pii.found, action: block, message: "no"}
    - {id: told, stage: data, severity: critical, when: det.vendor.flagged, action: block, message: "no"}
  tests:
    - name: somebody's name
      stage: data
      text: My colleague Angela Merkel lives in Berlin.
      expect: {decision: block, rules: [person]}
    - {name: what the classifier says, stage: data, text: x, det: {vendor: {flagged: true}}, near: [person],
       expect: {decision: block, rules: [told]}}
    - {name: what it does not, stage: data, text: x, det: {vendor: {flagged: false}}, near: [told], expect: allow}
"""


def test_cases_may_rest_on_language_models_and_on_what_classifiers_are_taken_to_say() -> None:
    made = engine({}, no_client)
    policy = made.load("names.yaml", NAMES.encode())
    assert [result.passed for result in run_tests(policy, assemble_scanner(made, policy), {})] == [True] * 3


def assemble_scanner(made: Engine, policy: Policy) -> Scanner:
    return made.build([policy])[0]
