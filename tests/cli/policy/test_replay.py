"""What does ``policy replay`` say of a journal, and of one that it cannot read?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import Result

Splitgate: TypeAlias = Callable[..., Result]

EPOCH = "20260801T120000Z-0000000a"
POLICY = """apiVersion: splitgate/v1
kind: Policy
metadata: {name: mine}
spec:
  mode: enforce
  rules:
    - {id: orders, stage: data, severity: critical, when: det.injection.score >= 5, action: block, message: No.}
    - {id: keys, stage: output, severity: critical, when: det.secrets.found, action: block, message: No.}
"""


class Journal:
    """Lines as a gateway writes them, but for chain and checkpoints, which no replay looks at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lines: list[str] = []
        self._time = 1_785_585_600_000_000
        policies = [{"name": "mine", "digest": "sha256:d", "mode": "enforce"}]
        looks = {"data": ["injection"], "output": ["secrets"]}
        self.add("config", what="policies", policies=[{**policies[0], "looks": looks}])
        self._policies = policies

    def add(self, phase: str, **fields: Any) -> None:
        self._time += 1_000_000
        line = {
            "v": 1,
            "phase": phase,
            "event": f"{EPOCH}.{len(self._lines)}",
            "time": self._time,
            "build": "1",
            **fields,
        }
        self._lines.append(json.dumps(line, sort_keys=True, separators=(",", ":")))
        path = self.folder / "epochs" / EPOCH / "journal"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{one}\n" for one in self._lines))

    def request(self, number: int, score: int, *, tenant: str = "t", answered: bool = True) -> None:
        """A request whose data reads like an order, and its answer, which is quiet."""
        request = f"{number:032x}"
        common = {
            "request": request,
            "actor": {"key": "k", "tenant": tenant, "method": "api_key"},
            "model": "m",
            "dialect": "split",
            "policies": self._policies,
            "tainted": 1,
            "decision": "allow",
        }
        segment = {"id": "s1", "channel": "data", "trust": "untrusted", "origin": "mail", "length": 9}
        seen = {"data": [{"where": "s1", "det": {"injection": {"found": 1, "score": score, "marks": {"override": 1}}}}]}
        self.add("intent", decision_id=f"{request}/in", segments=[segment], facts=seen, **common)
        if answered:
            output = [{"channel": "text", "choice": 0, "length": 4}]
            self.add("outcome", decision_id=f"{request}/out", status=200, output=output, finish=["stop"], **common)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journals")


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(POLICY)
    return str(path)


def test_changes_are_told_by_decision_rule_and_request(splitgate: Splitgate, journal: Journal, mine: str) -> None:
    for number, score in enumerate((3, 5, 7)):
        journal.request(number, score)
    result = splitgate("policy", "replay", "--audit", str(journal.folder), "-p", mine, "--limit", "1")
    assert result.exit_code == 1
    told = result.stdout
    assert "3 requests and 1 answer: 2 changed (2 stricter, 0 looser, 0 by other rules alone), 0 cannot be told" in told
    assert "mine/orders" in told
    assert f"{1:032x}/in  t  m  allow → block  +mine/orders" in told
    assert "and 1 more; --all lists them, --format json for programs" in told
    assert "not compared: 2 answers of requests that would have been refused" in told


def test_programs_get_all_of_it(splitgate: Splitgate, journal: Journal, mine: str) -> None:
    journal.request(1, 5)
    journal.request(2, 5, tenant="other")
    arguments = (
        "policy",
        "replay",
        "--audit",
        str(journal.folder),
        "-p",
        mine,
        "--format",
        "json",
        "--tenant",
        "other",
    )
    result = splitgate(*arguments)
    told = json.loads(result.stdout)
    assert (result.exit_code, told["requests"], told["changed"], told["stricter"]) == (1, 1, 1, 1)
    assert told["moved"] == [{"before": "allow", "after": "block", "count": 1}]
    assert told["rules"] == [{"rule": "mine/orders", "appeared": 1, "gone": 0}]
    (change,) = told["changes"]
    assert (change["request"], change["way"], change["tenant"], change["appeared"]) == (
        f"{2:032x}",
        "in",
        "other",
        ["mine/orders"],
    )


def test_only_requests_of_the_time_that_was_named_count(splitgate: Splitgate, journal: Journal, mine: str) -> None:
    journal.request(1, 5)
    for since, code in (("2026-08-02", 0), ("2026-07-31", 1)):
        assert (
            splitgate("policy", "replay", "--audit", str(journal.folder), "-p", mine, "--since", since).exit_code
            == code
        )
    until = splitgate("policy", "replay", "--audit", str(journal.folder), "-p", mine, "--until", "2026-08-01")
    assert (until.exit_code, "0 requests" in until.stdout) == (0, True)


def test_without_a_policy_the_configuration_is_meant(
    splitgate: Splitgate, journal: Journal, mine: str, tmp_path: Path
) -> None:
    journal.request(1, 5)
    config = tmp_path / "splitgate.yaml"
    target = "{provider: openai_compatible, base_url: 'http://127.0.0.1:1/v1', model: m, format: plain}"
    policies = f"policies: {{packs: [], paths: [{mine}]}}"
    config.write_text(f"audit: {{dir: {journal.folder}}}\n{policies}\nmodels: {{m: {{targets: [{target}]}}}}\n")
    result = splitgate("policy", "replay", "--config", str(config))
    assert (result.exit_code, "mine/orders" in result.stdout) == (1, True)


def test_lines_that_are_no_records_are_told(splitgate: Splitgate, journal: Journal, mine: str) -> None:
    journal.request(1, 3)
    path = journal.folder / "epochs" / EPOCH / "journal"
    path.write_text(path.read_text() + "no record\n")
    result = splitgate("policy", "replay", "--audit", str(journal.folder), "-p", mine)
    assert (result.exit_code, "1 line is no record" in result.stderr) == (0, True)


def test_an_answer_of_which_the_request_is_not_among_the_records_is_left_out(
    splitgate: Splitgate, journal: Journal, mine: str
) -> None:
    journal.request(1, 3, answered=False)
    journal.add("outcome", request="f" * 32, decision_id="f/out", decision="allow", status=200, finish=["stop"])
    result = splitgate("policy", "replay", "--audit", str(journal.folder), "-p", mine)
    assert "1 request and 0 answers: 0 changed" in result.stdout


def test_a_folder_that_is_not_there_and_a_file_that_is_no_policy_are_wrong_usage(
    splitgate: Splitgate, journal: Journal, tmp_path: Path
) -> None:
    assert splitgate("policy", "replay", "--audit", str(tmp_path / "nowhere"), "-p", "baseline").exit_code == 2
    broken = tmp_path / "broken.yaml"
    broken.write_text(POLICY.replace("mode: enforce", "mode: never"))
    assert splitgate("policy", "replay", "--audit", str(journal.folder), "-p", str(broken)).exit_code == 2
