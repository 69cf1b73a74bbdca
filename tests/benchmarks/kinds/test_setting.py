import json
from pathlib import Path

import pytest

from benchmarks.contenders import CONTENDERS
from benchmarks.kinds.setting import CALL_BURST, Setting
from benchmarks.plan import Plan
from benchmarks.processes import Cores
from benchmarks.scenarios import SCENARIOS
from benchmarks.site import site_in
from gateway.settings import load


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    plan = Plan(
        scenarios=(), contenders=CONTENDERS[:1], rounds=1, seconds=1, warmup=0, key="secret", language="ascii"
    )  # fmt: skip
    return Setting(folder=tmp_path, site=site_in(tmp_path, 1234), plan=plan, cores=Cores(server=None, load=None))


def test_a_kinds_gateway_answers_all_that_is_asked_whatever_was_chosen(setting: Setting) -> None:
    settings = load(setting.config("mine"), {})
    assert set(settings.models) == {scenario.model for scenario in (*SCENARIOS, CALL_BURST)}


def test_a_section_changes_what_it_names_and_leaves_the_rest(setting: Setting) -> None:
    plain = json.loads(setting.config("plain").read_text())
    changed = json.loads(setting.config("changed", server={"max_body_bytes": 9_000_000}).read_text())
    assert load(setting.config("changed", server={"max_body_bytes": 9_000_000}), {}).server.max_body_bytes == 9_000_000
    assert changed.pop("server") == {**plain.pop("server"), "max_body_bytes": 9_000_000}
    assert changed == plain
