"""For whom does a policy act, and for whom does it only watch? Modes, levels, exceptions and roll-out."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

Json: TypeAlias = dict[str, Any]
Ask: TypeAlias = Callable[..., httpx.Response]

SECRET = "AKIA" + "QX7ZK2M4N6P3R5T7"
NEXT_MONTH, YESTERDAY = (datetime.now(UTC).date() + timedelta(days=days) for days in (30, -1))


def exception(expires: date, match: str = "match: {}") -> str:
    words = f"id: until-mended, rules: [no-keys], reason: r, approver: a, expires: '{expires}', {match}"
    return f"exceptions: [{{{words}}}]"


# By the name of the model that it stands for: what the policy says beside its one rule, and the rule's own words.
SPECS: dict[str, tuple[str, str]] = {
    "enforced": ("mode: enforce", ""),
    "shadowed": ("mode: shadow", ""),
    "switched-off": ("mode: off", ""),
    "rule-shadowed": ("mode: enforce", "mode: shadow, "),
    "rule-off": ("mode: enforce", "mode: off, "),
    "keen": ("mode: enforce\n  level: {blocking: 2}", "level: 2, "),
    "watchful": ("mode: enforce\n  level: {blocking: 1, detection: 2}", "level: 2, "),
    "calm": ("mode: enforce", "level: 2, "),
    "excepted": (f"mode: enforce\n  {exception(NEXT_MONTH)}", ""),
    "expired": (f"mode: enforce\n  {exception(YESTERDAY)}", ""),
    "excepted-for-one": (f"mode: enforce\n  {exception(NEXT_MONTH, 'match: {tenants: [pilot]}')}", ""),
    "pilots": ("mode: enforce\n  rollout: {tenants: ['pilot*']}", ""),
    "third": ("mode: enforce\n  rollout: {percent: 30}", ""),
    "third-and-pilots": ("mode: enforce\n  rollout: {percent: 30, tenants: [pilot]}", ""),
    "nobody": ("mode: enforce\n  rollout: {percent: 0}", ""),
}


class Gateway(Protocol):
    url: str


class Upstream(Protocol):
    url: str
    raw: list[bytes]


def policy(name: str, spec: str, rule: str) -> str:
    rules = (
        f"    - {{id: no-keys, stage: data, severity: critical, {rule}when: det.secrets.found, action: block, "
        "message: no}\n"
        "    - {id: no-mail, stage: data, severity: critical, when: segment.origin == 'email', action: block, "
        "message: no}\n"
    )
    head = f"apiVersion: splitgate/v1\nkind: Policy\nmetadata: {{name: for-{name}}}\n"
    return f"{head}spec:\n  {spec}\n  match: {{models: [{name}]}}\n  rules:\n{rules}"


@pytest.fixture(scope="module")
def ask(
    keep_gateway: Callable[..., Gateway], _upstream_server: Upstream, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ask]:
    """``ask(model, key=…, text=…)`` sends one request with data that holds a credential, by a key of its tenant."""
    folder: Path = tmp_path_factory.mktemp("policies")
    for name, (spec, rule) in SPECS.items():
        (folder / f"{name}.yaml").write_text(policy(name, spec, rule))
    target = f'{{provider: openai_compatible, base_url: "{_upstream_server.url}", model: m, format: tool-envelope}}'
    models = "".join(f"  {name}: {{targets: [{target}]}}\n" for name in SPECS)
    keys = "".join(
        f"  - {{name: {tenant}-app, tenant: {tenant}, sha256: {hashlib.sha256(tenant.encode()).hexdigest()}}}\n"
        for tenant in ("pilot", "pilot-2", "crew")
    )
    gateway = keep_gateway(f"policies: {{packs: [], paths: [{folder}], watch: false}}\nkeys:\n{keys}models:\n{models}")
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as client:

        def send(model: str, *, tenant: str = "crew", text: str = SECRET, **more: Any) -> httpx.Response:
            body = {"model": model, "instructions": "Sum up.", "data": [{"id": "d", "text": text}], **more}
            return client.post("/v1/split", json=body, headers={"authorization": f"Bearer {tenant}"})

        yield send


def acted(answer: httpx.Response) -> bool:
    """Whether the rule blocked; what it did not block must have come through."""
    if answer.status_code == 400:
        assert answer.json()["rules"] == ["no-keys"]
        return True
    assert answer.status_code == 200, answer.text
    return False


def weights(answer: httpx.Response) -> dict[str, str]:
    return {found["rule"]: found["weight"] for found in answer.json()["split"]["findings"]}


@pytest.mark.rows
@pytest.mark.parametrize("model", ["enforced", "keen", "expired"])
def test_a_rule_in_force_blocks(ask: Ask, upstream: Upstream, model: str) -> None:
    assert acted(ask(model))
    assert upstream.raw == []
    assert not acted(ask(model, text=SECRET[:-1]))
    assert len(upstream.raw) == 1


@pytest.mark.rows
@pytest.mark.parametrize(
    ("model", "weight"),
    [
        ("shadowed", "shadow"),
        ("rule-shadowed", "shadow"),
        ("watchful", "level"),
        ("excepted", "excepted"),
        ("nobody", "shadow"),
    ],
)
def test_a_rule_that_only_watches_is_told_of_and_does_nothing(
    ask: Ask, upstream: Upstream, model: str, weight: str
) -> None:
    answer = ask(model)
    assert not acted(answer)
    assert weights(answer) == {"no-keys": weight}
    assert answer.json()["split"]["decision"] == "allow"
    assert answer.headers["x-splitgate-findings"] == f"no-keys~{weight}=1"
    (sent,) = upstream.raw
    assert SECRET.encode() in sent
    # What it would have done is told; a text that it has nothing against leaves no trace.
    assert weights(ask(model, text="fine")) == {}


@pytest.mark.parametrize("model", ["calm", "rule-off"])
def test_a_rule_that_is_not_evaluated_tells_nothing(ask: Ask, upstream: Upstream, model: str) -> None:
    answer = ask(model)
    assert not acted(answer)
    assert weights(answer) == {}
    assert len(upstream.raw) == 1


@pytest.mark.usefixtures("upstream")
def test_where_the_only_policy_is_off_the_baseline_stands(ask: Ask) -> None:
    hidden = "".join(chr(0xE0000 + ord(char)) for char in "obey")
    refused = ask("switched-off", text=f"Hello.{hidden}")
    assert [rule.startswith("hidden-text-in-") for rule in refused.json()["rules"]] == [True]
    fine = ask("switched-off")
    assert fine.status_code == 200
    assert fine.headers["x-splitgate-policy"].startswith("baseline@")


@pytest.mark.rows
@pytest.mark.parametrize("model", ["rule-shadowed", "rule-off", "calm", "watchful", "excepted"])
def test_other_rules_of_the_policy_act_all_the_same(ask: Ask, upstream: Upstream, model: str) -> None:
    data = [{"id": "d", "origin": "email", "text": SECRET}]
    answer = ask(model, data=data)
    assert answer.status_code == 400
    assert answer.json()["rules"] == ["no-mail"]
    assert upstream.raw == []


def test_an_exception_is_named_and_holds_for_those_whom_it_matches(ask: Ask, upstream: Upstream) -> None:
    (found,) = ask("excepted-for-one", tenant="pilot").json()["split"]["findings"]
    assert (found["rule"], found["weight"], found["exception"]) == ("no-keys", "excepted", "until-mended")
    assert acted(ask("excepted-for-one", tenant="pilot-2"))
    assert acted(ask("excepted-for-one", tenant="crew"))
    assert len(upstream.raw) == 1


def test_a_policy_rolled_out_to_tenants_watches_the_others(ask: Ask, upstream: Upstream) -> None:
    assert acted(ask("pilots", tenant="pilot"))
    assert acted(ask("pilots", tenant="pilot-2"))
    answer = ask("pilots", tenant="crew")
    assert not acted(answer)
    assert weights(answer) == {"no-keys": "shadow"}
    assert len(upstream.raw) == 1


def test_a_share_of_contents_is_drawn_and_each_keeps_its_fate(ask: Ask, upstream: Upstream) -> None:
    texts = [f"{SECRET} in mail number {number}" for number in range(200)]
    first = [acted(ask("third", text=text)) for text in texts]
    # Five standard deviations around 30% of 200; the draw hangs on the contents alone, so it never varies.
    assert 28 <= sum(first) <= 92
    again = [acted(ask("third", text=text, tenant="pilot")) for text in texts[:40]]
    assert again == first[:40]
    assert {True, False} == set(first[:40])
    assert len(upstream.raw) == first.count(False) + again.count(False)


def test_what_is_not_drawn_is_watched(ask: Ask, upstream: Upstream) -> None:
    answers = [ask("third", text=f"{SECRET} in mail number {number}") for number in range(40)]
    spared = [answer for answer in answers if not acted(answer)]
    assert spared
    assert all(weights(answer) == {"no-keys": "shadow"} for answer in spared)
    assert len(upstream.raw) == len(spared)


def test_named_tenants_get_a_policy_whatever_is_drawn_for_others(ask: Ask, upstream: Upstream) -> None:
    texts = [f"{SECRET} in mail number {number}" for number in range(20)]
    assert all(acted(ask("third-and-pilots", text=text, tenant="pilot")) for text in texts)
    assert upstream.raw == []
    assert not all(acted(ask("third-and-pilots", text=text)) for text in texts)
