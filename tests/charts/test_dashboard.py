"""Does the dashboard show what the gateway really exposes, and say of each panel what it is?"""

import json
import re
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gateway.shipper_figures import ShipperFigures
from gateway.supervisor.figures import Figures
from gateway.telemetry.families import FAMILIES, FOLDER, OF_WORKERS, Kind
from gateway.telemetry.shared import Shared, exposed
from gateway.telemetry.totals import Totals

Json: TypeAlias = dict[str, Any]

FILE = Path(__file__).parents[2] / "charts" / "splitgate" / "dashboards" / "splitgate.json"
DASHBOARD: Json = json.loads(FILE.read_text())
PANELS: list[Json] = DASHBOARD["panels"]
SHOWN = [panel for panel in PANELS if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in SHOWN for target in panel["targets"]]
VARIABLES: list[Json] = DASHBOARD["templating"]["list"]

NAME = re.compile(r"\bsplitgate_[a-z0-9_]+")
SELECTOR = re.compile(r"\b(splitgate_[a-z0-9_]+)\{([^}]*)\}")
# What Prometheus adds to each sample when it scrapes.
ADDED = {"job", "instance"}


@pytest.fixture(scope="module")
def samples() -> dict[str, set[str]]:
    """What a gateway exposes once it has counted something of everything: the labels, by the name of the sample."""
    figures = Figures()
    folder = Path(figures.environ("1")[FOLDER])
    figures.tell({"1": True})
    shipper = ShipperFigures(folder)
    shipper.unshipped(1)
    shipper.forked("anchor")
    totals = Totals()
    for family in OF_WORKERS:
        labels = tuple("x" for _ in family.labels)
        if family.kind is Kind.HISTOGRAM:
            totals.histogram(family).observe(labels, 0.1)
        else:
            totals.of(family)[labels] = 1.0
    shared = Shared(folder, "1", totals)
    shared.write()
    shared.close()
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(exposed(folder).decode()):
        for one in family.samples:
            found.setdefault(one.name, set()).update(one.labels)
    figures.remove()
    return found


def test_every_family_is_exposed(samples: dict[str, set[str]]) -> None:
    for family in FAMILIES:
        shown = f"{family.name}_bucket" if family.kind is Kind.HISTOGRAM else family.name
        assert samples[shown] - {"le"} == set(family.labels)


@pytest.mark.rows
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_asks_for_what_is_exposed(expression: str, samples: dict[str, set[str]]) -> None:
    selectors = SELECTOR.findall(expression)
    assert {name for name, _ in selectors} == set(NAME.findall(expression)) <= set(samples)
    labels = {label for name, _ in selectors for label in samples[name]} | ADDED
    asked = {word for _, matchers in selectors for word in re.findall(r"(\w+)\s*(?:=|!=|=~|!~)", matchers)}
    grouped = {word for group in re.findall(r"by \(([^)]*)\)", expression) for word in re.findall(r"\w+", group)}
    assert asked | grouped <= labels
    # Every panel follows the choice at the top.
    assert all('job=~"$job"' in matchers and 'instance=~"$instance"' in matchers for _, matchers in selectors)


@pytest.mark.rows
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_is_balanced_and_takes_rates_of_counters_alone(expression: str) -> None:
    assert [expression.count(mark) for mark in "({["] == [expression.count(mark) for mark in ")}]"]
    rated = set(re.findall(r"(?:rate|increase)\((splitgate_[a-z0-9_]+)", expression))
    assert all(name.endswith(("_total", "_bucket")) for name in rated)
    counters = {name for name in NAME.findall(expression) if name.endswith(("_total", "_bucket"))}
    assert counters == rated


def test_every_metric_is_shown_somewhere() -> None:
    shown = {name.removesuffix("_bucket") for expression in EXPRESSIONS for name in NAME.findall(expression)}
    assert {family.name for family in FAMILIES} == shown


@pytest.mark.rows
@pytest.mark.parametrize("panel", SHOWN, ids=lambda panel: panel["title"])
def test_a_panel_says_what_it_is_in_which_unit_and_from_where(panel: Json) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"]
    for one in (panel, *panel["targets"]):
        assert one["datasource"] == {"type": "prometheus", "uid": "${datasource}"}


def test_ids_and_titles_are_given_once_and_panels_do_not_overlap() -> None:
    for key in ("id", "title"):
        assert len({panel[key] for panel in PANELS}) == len(PANELS)
    cells = [
        (x, y)
        for panel in PANELS
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) == 23
    for panel in SHOWN:
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references)


def test_what_a_security_team_needs_stands_first() -> None:
    rows = [at for at, panel in enumerate(PANELS) if panel["type"] == "row"]
    assert rows[0] == 0
    first = {
        name for panel in PANELS[1 : rows[1]] for target in panel["targets"] for name in NAME.findall(target["expr"])
    }
    assert first >= {
        "splitgate_findings_total",
        "splitgate_requests_total",
        "splitgate_break_glass",
        "splitgate_audit_enabled",
        "splitgate_audit_unwritable",
        "splitgate_audit_lag_seconds",
        "splitgate_audit_unshipped_records",
    }


def test_the_file_can_be_imported_anywhere(samples: dict[str, set[str]]) -> None:
    assert DASHBOARD["schemaVersion"] >= 36
    assert (DASHBOARD["uid"], DASHBOARD["id"]) == ("splitgate", None)
    assert [(one["name"], one["type"]) for one in VARIABLES] == [
        ("datasource", "datasource"),
        ("job", "query"),
        ("instance", "query"),
    ]
    for variable in VARIABLES[1:]:
        assert set(NAME.findall(variable["definition"])) <= set(samples)
        assert variable["query"]["query"] == variable["definition"]
