import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest

from gateway.activation.assemble import assemble
from gateway.activation.engine import engine
from gateway.activation.sources import Sources
from gateway.configuration.packs import PACKS, shipped
from gateway.configuration.values import PolicySettings
from gateway.domain.isolation import Isolation
from gateway.domain.ports import UpstreamClient
from policies.engine.cases import CaseResult, coverage
from policies.engine.model import Policy

NAMES = ("agents", "baseline", "exfiltration", "pii-eu", "pii-us", "strict")


def _nobody() -> UpstreamClient:
    raise AssertionError("no pack asks a service")


def _assembled(*names: str) -> Sequence[str]:
    settings = PolicySettings(packs=names, paths=(), watch=False)
    return assemble(Sources(settings).read(), engine({}, _nobody)).warnings


def test_these_packs_ship() -> None:
    assert shipped() == NAMES


def test_all_load_together_without_a_warning() -> None:
    assert _assembled(*NAMES) == ()


@pytest.mark.rows
@pytest.mark.parametrize("name", NAMES)
def test_each_loads_alone_without_a_warning(name: str) -> None:
    assert _assembled(name) == ()


def test_every_case_comes_out_as_it_says(pack: Policy, tried: Callable[[Policy], Sequence[CaseResult]]) -> None:
    assert [result.case.name for result in tried(pack) if not result.passed] == []


def test_every_rule_has_a_hit_and_a_near_miss(pack: Policy, tried: Callable[[Policy], Sequence[CaseResult]]) -> None:
    assert coverage(pack, tried(pack)) == []


def test_every_rule_says_what_it_is_for_and_what_to_do(pack: Policy) -> None:
    for rule in pack.rules:
        assert rule.owner
        assert rule.why
        assert rule.message.endswith(".")
        assert any(tag.startswith(("LLM", "ASI")) for tag in rule.tags)
        assert any(tag.startswith("AML.T") for tag in rule.tags) or rule.stage == "output"


def test_a_pack_is_named_as_its_folder_and_enforces(pack: Policy) -> None:
    assert pack.file == str(PACKS / pack.name / "policy.yaml")
    assert pack.mode == "enforce"


def test_every_readme_has_each_rule_in_its_table(pack: Policy) -> None:
    told = (PACKS / pack.name / "README.md").read_text(encoding="utf-8")
    rows = [row.split("|")[1:4] for row in told.splitlines() if row.startswith("| `")]
    said = [tuple(cell.strip().strip("`") for cell in row) for row in rows]
    blocking = pack.levels.blocking
    does = [rule.action.value if rule.level <= blocking else "record" for rule in pack.rules]
    assert said == [(rule.id, rule.stage.value, what) for rule, what in zip(pack.rules, does, strict=True)]


def test_strict_alone_asks_for_isolation(pack: Policy) -> None:
    assert pack.min_isolation == (Isolation.WRAPPED if pack.name == "strict" else None)


def test_baseline_streams_past_a_window(pack_of: Callable[[str], Policy]) -> None:
    assert pack_of("baseline").streaming.mode == "window"


def test_baseline_needs_no_presidio() -> None:
    code = (
        "import sys; from pathlib import Path; from gateway.configuration.packs import PACKS;"
        "from gateway.detectors.build import build, vocabulary; from policies.engine.load import load_policy;"
        "path = PACKS / 'baseline' / 'policy.yaml';"
        "build([load_policy(str(path), path.read_bytes(), vocabulary, {})], None);"
        "sys.exit(any(name.partition('.')[0] in {'presidio_analyzer', 'spacy'} for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
