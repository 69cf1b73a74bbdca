from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.reference.controls import control_map
from gateway.yamlfile.problems import InvalidConfiguration

PACK = """
apiVersion: splitgate/v1
kind: Policy
metadata: {{name: one, owner: security}}
spec:
  mode: enforce
  level: {{blocking: 1, detection: {detection}}}
  rules:
    - id: r
      stage: data
      severity: error
      level: {level}
      when: tainted
      action: block
      message: No.
      tags: [LLM01:2025]
"""
CONTROLS = """
lists:
  - name: Threats
    controls:
      - {{id: "{id}", name: Injection, status: {status}, says: Refused.}}
      - {{id: "LLM04:2025", name: Poisoning, status: out, says: Elsewhere.}}
"""

Mapped = Callable[..., str]


@pytest.fixture
def mapped(tmp_path: Path) -> Mapped:
    """The map of one pack with one rule."""

    def make(*, status: str = "partial", tag: str = "LLM01:2025", level: int = 1, detection: int = 2) -> str:
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "policy.yaml").write_text(PACK.format(level=level, detection=detection), encoding="utf-8")
        controls = tmp_path / "controls.yaml"
        controls.write_text(CONTROLS.format(id=tag, status=status), encoding="utf-8")
        return control_map(controls, tmp_path)

    return make


def test_a_list_is_a_heading_a_count_and_a_table(mapped: Mapped) -> None:
    assert mapped().split("\n") == [
        "## Threats",
        "",
        "Of 2: 0 covered, 1 partial, 1 out.",
        "",
        "| id | threat | status | what is done, and what not | rules |",
        "| --- | --- | --- | --- | --- |",
        "| LLM01:2025 | Injection | partial | Refused. | `one/r` |",
        "| LLM04:2025 | Poisoning | out | Elsewhere. | none |",
    ]


def test_a_rule_that_only_records_says_so(mapped: Mapped) -> None:
    assert "`one/r` (recorded)" in mapped(level=2)


def test_covered_with_an_acting_rule_is_fine(mapped: Mapped) -> None:
    assert "| covered |" in mapped(status="covered")


def test_covered_by_rules_that_only_record_is_refused(mapped: Mapped) -> None:
    with pytest.raises(InvalidConfiguration, match="its rules only record; write `partial`"):
        mapped(status="covered", level=2)


@pytest.mark.parametrize("status", ["covered", "partial"])
def test_a_claim_without_a_rule_is_refused(mapped: Mapped, status: str) -> None:
    with pytest.raises(InvalidConfiguration, match=f"LLM01:2025 is `{status}`, and no rule has it as a tag"):
        mapped(status=status, level=3)


def test_out_with_a_rule_is_refused(mapped: Mapped) -> None:
    with pytest.raises(InvalidConfiguration, match="LLM01:2025 is `out`, and `one/r` has it as a tag"):
        mapped(status="out")


def test_a_tag_that_stands_on_no_list_is_refused(mapped: Mapped) -> None:
    with pytest.raises(InvalidConfiguration, match="LLM01:2025, a tag of `one/r`, stands not here"):
        mapped(tag="LLM02:2025", status="out")


def test_an_id_stands_once(mapped: Mapped) -> None:
    with pytest.raises(InvalidConfiguration, match="the id LLM04:2025 stands twice"):
        mapped(tag="LLM04:2025", status="out", level=3)


def test_a_status_that_is_none_is_refused(mapped: Mapped) -> None:
    with pytest.raises(InvalidConfiguration, match="must be 'covered', 'partial' or 'out'"):
        mapped(status="perhaps")
