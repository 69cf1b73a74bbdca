"""Policy files as text: detectors ``secrets``, ``pii``, ``urls`` and ``size`` are known, and external ones by name."""

from collections.abc import Callable, Mapping
from typing import Final

import pytest

from gateway.domain.detection import Fact, FactType, Vocabulary
from gateway.yamlfile.problems import InvalidConfiguration, Problem
from policies.engine.load import load_policy
from policies.engine.model import DetectorSettings, Policy, SettingsError

# 2026-02-02.
NOW: Final = 1_770_000_000.0
HEAD: Final = "apiVersion: splitgate/v1\nkind: Policy\nmetadata: {name: p, owner: o@acme.example}\nspec:\n"
RULE: Final = {
    "id": "r",
    "stage": "data",
    "severity": "critical",
    "when": "det.secrets.found",
    "action": "block",
    "message": "No.",
    "tags": "[LLM02:2025]",
}
CASE: Final = {"name": "c", "stage": "data", "text": "x", "expect": "allow"}
EXCEPTION: Final = {"id": "e", "rules": "[r]", "reason": "why", "approver": "who", "expires": "2026-03-31"}

SOUND: Final = r"""apiVersion: splitgate/v1
kind: Policy
metadata: {name: support, owner: security@acme.example}
spec:
  mode: enforce
  match: {tenants: [acme, "team-*"], models: [support], routes: [split], keys: [web]}
  rollout: {percent: 10, tenants: [acme]}
  level: {blocking: 1, detection: 2}
  scoring: {severity: {notice: 1}, threshold: {data: 8}}
  on_error: {default: block, secrets: report, vendor: report}
  streaming: {mode: window, window_chars: 400, max_hold_ms: 5000}
  min_isolation: channel
  min_separation: 0.9
  max_attack_success: 0.05
  lists:
    partners: [Partner.example, "*.acme.example"]
    addresses: [ops@acme.example]
  detectors:
    pii:
      languages: [en, de]
      entities: [EMAIL_ADDRESS]
      threshold: 0.5
      ner: true
      ner_timeout_ms: 900
      recognizers: [{entity: STAFF_NUMBER, pattern: 'S\d{6}', score: 0.8, context: [staff]}]
    urls: {allowed_hosts: lists.partners, protected_hosts: [acme.example]}
    schema: {output: {type: object, required: [a]}}
    external: [{name: vendor, kind: webhook, url: "https://c.example/x", key: env:KEY, timeout_ms: 80, max_chars: 9}]
  tools:
    send_email: {effect: egress, sink_args: [to], allowed: [lists.addresses]}
    search: {effect: read, allowed: [addresses]}
  rules:
    - id: out-secret
      stage: output
      severity: critical
      when: det.secrets.found
      action: block
      message: A credential was about to leave.
      why: Credentials leave in answers.
      owner: a@acme.example
      tags: ["LLM02:2025", AML.T0057]
    - id: mail-pii
      stage: data
      severity: notice
      when: det.pii.found && segment.origin == 'email'
      action: pseudonymise
      only: [EMAIL_ADDRESS, STAFF_NUMBER]
      restore_anywhere: true
      message: Personal data were replaced.
      level: 2
      mode: shadow
      tags: [LLM02:2025]
    - id: lower
      stage: instructions
      severity: warning
      when: segment.origin == 'web' || det.vendor.score > 0.5
      action: set_channel
      channel: data
      message: Treated as data.
      tags: [ASI01]
    - id: no-egress
      stage: tool_call
      severity: critical
      when: tainted && tool.effect == 'egress' && tool.derived
      action: require_approval
      message: A person must look at this call.
      tags: [ASI02]
  exceptions:
    - id: e1
      rules: [mail-pii]
      reason: The newsletter.
      approver: cto@acme.example
      expires: 2026-03-31
      match: {models: [news]}
  tests:
    - name: A key in the answer
      stage: output
      text: key AKIA
      output: {channel: text}
      request: {stream: true, tools: 2}
      expect: {decision: block, rules: [out-secret]}
    - name: No key
      stage: output
      text: the key to success
      instructions: Say it.
      data: a mail
      tainted: true
      expect: allow
      near: [out-secret]
    - name: A call
      stage: tool_call
      tool: {name: send_email, arguments: {to: a@b.example, n: [1, {x: é}]}, offered: false}
      expect: {decision: require_approval, rules: [no-egress]}
    - name: A broken call
      stage: tool_call
      tool: {name: send_email, arguments: '{"to": '}
      expect: allow
    - name: A call without arguments
      stage: tool_call
      tool: {name: search}
      expect: allow
    - name: A definition
      stage: tools
      tool: {name: search}
      text: Searches.
      expect: allow
    - name: A mail
      stage: data
      text: From a@b.example
      segment: {origin: email, opaque: false}
      expect: {decision: redact, rules: [mail-pii], text: From <EMAIL_1>}
"""


def vocabulary(settings: DetectorSettings) -> Vocabulary:
    """Facts of detectors; a window of 300 characters decides ``secrets``, and ``ZZ`` is no entity."""
    if "ZZ" in settings.pii.entities:
        raise SettingsError("no entity is called `ZZ`", ("pii", "entities", settings.pii.entities.index("ZZ")))
    for index, one in enumerate(settings.external):
        if one.url.endswith("/refused"):
            raise SettingsError("no such service", ("external", index, "url"))
    facts: list[Fact] = []
    for name, longest in (("secrets", 300), ("pii", None), ("urls", None)):
        facts.append(Fact(name=f"det.{name}.found", type=FactType.BOOL, doc=".", longest=longest))
        facts.append(Fact(name=f"det.{name}.kinds", type=FactType.STRINGS, doc=".", longest=longest))
    facts.append(Fact(name="det.size.chars", type=FactType.INT, doc="."))
    facts.extend(Fact(name=f"det.{one.name}.score", type=FactType.DOUBLE, doc=".") for one in settings.external)
    return {fact.name: fact for fact in facts}


@pytest.fixture(scope="session")
def sound() -> str:
    """A policy file that uses every key."""
    return SOUND


@pytest.fixture(scope="session")
def policy_from() -> Callable[..., Policy]:
    """The policy that a file with this text gives."""

    def read(
        text: str, environ: Mapping[str, str] | None = None, *, file: str = "p.yaml", offline: bool = False
    ) -> Policy:
        given = {"KEY": "sk-1"} if environ is None else environ
        return load_policy(file, text.encode(), vocabulary, given, now=NOW, offline=offline)

    return read


@pytest.fixture(scope="session")
def policy_with(policy_from: Callable[..., Policy]) -> Callable[..., Policy]:
    """The policy with these lines below ``spec``; it enforces unless they say otherwise."""

    def read(*lines: str, mode: str = "enforce") -> Policy:
        return policy_from(HEAD + f"  mode: {mode}\n" + "".join(f"  {line}\n" for line in lines))

    return read


@pytest.fixture(scope="session")
def problems_with(policy_with: Callable[..., Policy]) -> Callable[..., tuple[Problem, ...]]:
    """What is wrong with these lines below ``spec``. The first of them is line 6."""

    def read(*lines: str, mode: str = "enforce") -> tuple[Problem, ...]:
        with pytest.raises(InvalidConfiguration) as caught:
            policy_with(*lines, mode=mode)
        return caught.value.problems

    return read


@pytest.fixture(scope="session")
def rules() -> Callable[..., str]:
    """A line with one rule for each mapping of what differs from a sound one."""
    return lambda *each: _line("rules", RULE, each)


@pytest.fixture(scope="session")
def exceptions() -> Callable[..., str]:
    return lambda *each: _line("exceptions", EXCEPTION, each)


@pytest.fixture(scope="session")
def cases() -> Callable[..., str]:
    return lambda *each: _line("tests", CASE, each)


def _line(key: str, sound_one: Mapping[str, str], each: tuple[Mapping[str, str | None], ...]) -> str:
    merged = [{**sound_one, **more} for more in each]
    items = [
        "{" + ", ".join(f"{name}: {text}" for name, text in one.items() if text is not None) + "}" for one in merged
    ]
    return f"{key}: [{', '.join(items)}]"
