"""Do alerts, the scrape and the dashboard ask for what the gateway exposes and the chart names?"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from gateway.domain.errors import GatewayFull
from gateway.telemetry.families import AUDIT_UNWRITABLE, FAMILIES, OF_WORKERS, Kind

Json: TypeAlias = dict[str, Any]
Objects: TypeAlias = Callable[..., dict[tuple[str, str], Json]]

CHART = Path(__file__).parents[2] / "charts" / "splitgate"
LEAST, MOST = CHART / "ci" / "deployment.yaml", CHART / "ci" / "everything.yaml"
RULES = {"monitoring": {"rules": {"enabled": True}}}
LABELS = {family.name: set(family.labels) for family in FAMILIES}
COUNTERS = {family.name for family in FAMILIES if family.kind is Kind.COUNTER}
SELECTOR = re.compile(r"\b(splitgate_\w+)\{([^}]*)\}")
# What a scrape by way of the ServiceMonitor adds.
ADDED = {"namespace", "service", "pod", "job", "instance"}


@pytest.fixture(scope="module")
def alerts(objects: Objects) -> list[Json]:
    found = objects(LEAST, RULES)["PrometheusRule", "rel-splitgate"]
    (group,) = found["spec"]["groups"]
    return group["rules"]


def test_an_alert_asks_for_what_is_exposed_by_this_release_alone(alerts: list[Json]) -> None:
    for alert in alerts:
        expression = alert["expr"]
        assert [expression.count(mark) for mark in "({["] == [expression.count(mark) for mark in ")}]"]
        selectors = SELECTOR.findall(expression)
        assert len(selectors) == len(re.findall(r"\bsplitgate_", expression))
        for name, matchers in selectors:
            asked = dict(re.findall(r'(\w+)=~?"([^"]*)"', matchers))
            assert asked.items() >= {"namespace": "prod", "service": "rel-splitgate-monitoring"}.items()
            assert set(asked) <= LABELS[name] | ADDED
        by = {word for group in re.findall(r"by \(([^)]*)\)", expression) for word in re.findall(r"\w+", group)}
        assert by <= set[str]().union(*[LABELS[name] for name, _ in selectors], ADDED)
        rated = set(re.findall(r"(?:rate|increase)\((splitgate_\w+)", expression))
        assert rated == {name for name, _ in selectors} & COUNTERS


def test_an_alert_says_what_is_wrong_and_how_bad_it_is(alerts: list[Json]) -> None:
    assert len({alert["alert"] for alert in alerts}) == len(alerts)
    for alert in alerts:
        assert alert["labels"]["severity"] in {"warning", "critical"}
        assert alert["annotations"]["summary"].endswith(".")
        shown = set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"]))
        assert shown <= {word for group in re.findall(r"by \(([^)]*)\)", alert["expr"]) for word in group.split(", ")}


def test_what_the_documentation_calls_worth_an_alert_is_one(alerts: list[Json]) -> None:
    page = (CHART.parents[1] / "docs" / "telemetry.md").read_text()
    worth = page.partition("Worth an alert:")[2].partition("\n\n")[0]
    told = " ".join(alert["expr"] for alert in alerts)
    assert set(re.findall(r"splitgate_\w+", worth)) <= set(re.findall(r"splitgate_\w+", told))
    assert f'code="{GatewayFull.code}"' in told


def test_records_that_are_not_shipped_raise_an_alert_only_where_they_should_be(objects: Objects) -> None:
    def names(*values: Any) -> set[str]:
        rule = next(one for (kind, _), one in objects(*values).items() if kind == "PrometheusRule")
        return {alert["alert"] for alert in rule["spec"]["groups"][0]["rules"]}

    assert names(LEAST, RULES) - names(MOST) == {"SplitgateNotShipped"}


def test_a_pod_that_ships_nothing_is_missed_though_others_ship(alerts: list[Json]) -> None:
    """`absent` would be silent as long as one pod says what it has not shipped yet."""
    (expression,) = [alert["expr"] for alert in alerts if alert["alert"] == "SplitgateNotShipped"]
    assert "absent(" not in expression
    one, gone, there = re.findall(r"max by \(pod\) \((splitgate_\w+)\{", expression)
    assert (one, gone, there) == ("splitgate_audit_unshipped_records", "splitgate_audit_unwritable", one)
    assert re.search(r" or \(.* unless .*\) >= 0$", expression)
    # What the second is found by is told by every worker, whether or not anybody ships.
    assert AUDIT_UNWRITABLE in OF_WORKERS


def test_the_scrape_finds_the_service_and_the_port(objects: Objects) -> None:
    found = objects(MOST)
    monitor = found["ServiceMonitor", "guard"]
    labels = found["Service", "guard-monitoring"]["metadata"]["labels"]
    selector = monitor["spec"]["selector"]["matchLabels"]
    assert selector.items() <= labels.items()
    assert not selector.items() <= found["Service", "guard"]["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint == {"port": "monitoring", "path": "/metrics", "interval": "15s"}
    assert {port["name"] for port in found["Service", "guard-monitoring"]["spec"]["ports"]} == {endpoint["port"]}
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_the_dashboard_is_the_one_that_is_tested(objects: Objects) -> None:
    shown = objects(MOST)["ConfigMap", "guard-dashboard"]
    assert json.loads(shown["data"]["splitgate.json"]) == json.loads((CHART / "dashboards/splitgate.json").read_text())
    assert shown["metadata"]["labels"].items() >= {"grafana_dashboard": "1", "grafana": "dashboards"}.items()
