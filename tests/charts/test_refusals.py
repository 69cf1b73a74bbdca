"""What does the chart refuse to render, and what is as near to it as may be and is rendered?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

Json: TypeAlias = dict[str, Any]
Rendered: TypeAlias = Callable[..., tuple[list[Json], str]]

CHART = Path(__file__).parents[2] / "charts" / "splitgate"
LEAST = CHART / "ci" / "deployment.yaml"
CASES: dict[str, Json] = yaml.safe_load(Path(__file__).with_name("refusals.yaml").read_text())


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused(rendered: Rendered, name: str) -> None:
    case = CASES[name]
    found, said = rendered(LEAST, case["refused"])
    assert not found
    assert case["says"] in said
    # A chart's message reaches terminals and logs of pipelines.
    assert "planted" not in said


# Each near miss is a helm of its own; those that every test of the chart begins with are the short form.
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", CASES)
def test_what_is_near_to_it_is_not_refused(rendered: Rendered, name: str) -> None:
    found, said = rendered(LEAST, CASES[name]["near"])
    assert found, said


def test_without_a_word_nothing_is_rendered(rendered: Rendered) -> None:
    assert not rendered({})[0]
    assert rendered(LEAST)[0]


@pytest.mark.parametrize(("release", "taken"), [("1gw", False), ("team.gw", False), ("gw-1", True)])
def test_a_release_whose_services_no_cluster_takes_is_refused(
    run_helm: Callable[..., Any], release: str, taken: bool
) -> None:
    done = run_helm("template", release, CHART, "--values", LEAST)
    assert (done.returncode == 0) is taken
    assert ("fullnameOverride: no Service may be called" in done.stderr) is not taken
    assert run_helm("template", release, CHART, "--values", LEAST, "--set", "fullnameOverride=gw").returncode == 0
