"""What does the chart refuse to render, and what is as near to it as may be and is rendered?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

Json: TypeAlias = dict[str, Any]
Rendered: TypeAlias = Callable[..., tuple[list[Json], str]]

LEAST = Path(__file__).parents[2] / "charts" / "splitgate" / "ci" / "deployment.yaml"
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
