"""Is what the chart renders what a cluster takes, what it was, and what the gateway can run on?"""

import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]
import pytest
import yaml

from gateway.configuration.observing import MetricsSettings
from gateway.settings import load

Json: TypeAlias = dict[str, Any]
Objects: TypeAlias = Callable[..., dict[tuple[str, str], Json]]

CHART = Path(__file__).parents[2] / "charts" / "splitgate"
GOLDEN = Path(__file__).parent / "golden"
VALUES = sorted((CHART / "ci").glob("*.yaml"))
# Values that releases of earlier versions may hold: a version that goes out leaves its values.yaml here.
PREVIOUS = sorted(Path(__file__).with_name("previous").glob("*.yaml"))
# What Chart.yaml asks for at least, and the newest that there are schemas of.
OLDEST, NEWEST = "1.30.0", "1.37.0"
# The Prometheus operator's, of which there is no schema here; the tests below look at them.
FOREIGN = {"ServiceMonitor", "PrometheusRule"}

each_file = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)


@each_file
def test_helm_has_nothing_to_say_against_it(run_helm: Callable[..., Any], values: Path) -> None:
    done = run_helm("lint", "--strict", CHART, "--values", values)
    assert done.returncode == 0, done.stdout + done.stderr


@each_file
@pytest.mark.parametrize("version", [NEWEST, pytest.param(OLDEST, marks=pytest.mark.exhaustive)])
def test_every_object_is_what_the_clusters_own_schemas_say_strictly(
    objects: Objects, values: Path, version: str
) -> None:
    for one in objects(values).values():
        if one["kind"] not in FOREIGN:
            kubernetes_validate.validate(one, version, strict=True)
        assert one["metadata"].get("namespace") in {None, "prod"}


def test_the_oldest_kubernetes_is_the_one_that_the_chart_asks_for() -> None:
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["kubeVersion"] == f">={OLDEST}-0"


def test_a_field_that_no_schema_knows_would_be_found(objects: Objects) -> None:
    service = objects(VALUES[0])["Service", "rel-splitgate"]
    service["spec"]["portz"] = []
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(service, NEWEST, strict=True)


@each_file
def test_what_is_rendered_is_what_was(objects: Objects, values: Path) -> None:
    """If it is meant to change: `helm template rel charts/splitgate -n prod -f VALUES` into the golden file."""
    golden = yaml.safe_load_all((GOLDEN / values.name).read_text())
    was = {(one["kind"], one["metadata"]["name"]): one for one in golden if one}
    now = objects(values)
    # 1,800 lines of it, with tests of their own.
    now.pop(("ConfigMap", "guard-dashboard"), None)
    assert now == was


@each_file
def test_the_gateway_takes_its_configuration(objects: Objects, values: Path, tmp_path: Path) -> None:
    (mapped,) = [one for (_, name), one in objects(values).items() if name.endswith("-configuration")]
    file = tmp_path / "splitgate.yaml"
    file.write_text(mapped["data"]["splitgate.yaml"])
    settings = load(file, {}, offline=True)
    address = settings.server.host
    assert address in {"0.0.0.0", "::"}  # noqa: S104
    assert settings.server.port == 8400
    assert settings.telemetry.metrics == MetricsSettings(enabled=True, host=address, port=9464, chosen=True)
    assert settings.asks
    assert settings.state_dir == Path("/var/lib/splitgate/state")
    assert settings.audit.dir == settings.state_dir / "audit"
    given = yaml.safe_load(values.read_text())
    assert settings.policies.paths == ((Path("/etc/splitgate/policies"),) if "policies" in given else ())
    expected = Path("/etc/splitgate/keys/callers.jsonl") if "keysFile" in given else None
    assert settings.keys_file == expected


def test_numbers_reach_the_gateway_as_they_were_written(objects: Objects) -> None:
    said = objects(CHART / "ci" / "everything.yaml")["ConfigMap", "guard-configuration"]["data"]["splitgate.yaml"]
    assert "roll_bytes: 536870912\n" in said
    assert "grace_s: 120.5\n" in said


@pytest.mark.parametrize(
    ("values", "count"),
    [
        ({}, 2),
        ({"replicas": 0}, 1),
        ({"replicas": 3, "autoscaling": {"enabled": True, "maxReplicas": 12}}, 12),
        ({"configuration": {"limits": {"redis": {"replicas": 40}}}}, 40),
    ],
)
def test_gateways_that_count_together_know_how_many_they_are(objects: Objects, values: Json, count: int) -> None:
    redis = {"configuration": {"limits": {"redis": {"url": "redis://redis:6379/0"}}}}
    way: Json = {"networkPolicy": {"redis": [{"to": [{"podSelector": {}}], "ports": [6379]}]}}
    found = objects(VALUES[0], way, redis, values)["ConfigMap", "rel-splitgate-configuration"]
    told = yaml.safe_load(found["data"]["splitgate.yaml"])
    assert told["limits"]["redis"] == {"url": "redis://redis:6379/0", "replicas": count}


def test_the_charts_version_of_the_gateway_is_the_gateways() -> None:
    project = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())
    assert yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"] == project["project"]["version"]


@pytest.mark.parametrize("section", ["server", "audit", "telemetry", "policies", "limits", "auth"])
def test_a_section_without_a_word_is_none(objects: Objects, section: str) -> None:
    empty = {"configuration": {section: None}, "journal": {"persistent": True}}
    assert objects(VALUES[0], empty)


@each_file
def test_what_a_release_can_never_change_is_what_it_was(objects: Objects, values: Path) -> None:
    """An upgrade from the values of an earlier version would fail, or find its volumes no more."""
    found = objects(values)
    (workload,) = [one for (kind, _), one in found.items() if kind in {"Deployment", "StatefulSet"}]
    selector = {
        "app.kubernetes.io/name": "splitgate",
        "app.kubernetes.io/instance": "rel",
        "app.kubernetes.io/component": "gateway",
    }
    assert workload["spec"]["selector"] == {"matchLabels": selector}
    assert selector.items() <= workload["spec"]["template"]["metadata"]["labels"].items()
    for (kind, _), one in found.items():
        if kind == "Service":
            assert one["spec"]["selector"] == selector
    if workload["kind"] == "StatefulSet":
        assert (workload["spec"]["serviceName"], workload["spec"]["podManagementPolicy"]) == (
            "guard-monitoring",
            "Parallel",
        )
        (claim,) = workload["spec"]["volumeClaimTemplates"]
        # No label of a version in it: a claim's template cannot be changed.
        assert claim["metadata"] == {"name": "state", "labels": selector}
        assert claim["spec"] == {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "fast",
            "resources": {"requests": {"storage": "50Gi"}},
        }


def fixed(one: Json) -> Json:
    """What of an object an upgrade cannot change; elsewhere it is nothing."""
    spec = one.get("spec", {})
    if one["kind"] == "StatefulSet":
        return {name: spec[name] for name in ("selector", "serviceName", "podManagementPolicy", "volumeClaimTemplates")}
    if one["kind"] == "Deployment":
        return {"selector": spec["selector"]}
    return {"clusterIP": spec.get("clusterIP")} if one["kind"] == "Service" else {}


@each_file
@pytest.mark.parametrize("previous", PREVIOUS, ids=lambda path: path.stem)
def test_a_release_is_upgraded_with_the_values_that_it_has(
    objects: Objects, rendered: Callable[..., tuple[list[Json], str]], previous: Path, values: Path, tmp_path: Path
) -> None:
    """`--reuse-values`: helm gives the new templates the defaults of the version before, and none of the new ones."""
    chart = tmp_path / CHART.name
    shutil.copytree(CHART, chart)
    shutil.copy(previous, chart / "values.yaml")
    found, said = rendered(values, chart=chart)
    assert found, said
    then = {(one["kind"], one["metadata"]["name"]): fixed(one) for one in found}
    assert then == {name: fixed(one) for name, one in objects(values).items()}


def test_the_version_that_there_is_left_its_values() -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["version"]
    assert yaml.safe_load((PREVIOUS[0].with_name(f"{version}.yaml")).read_text()) == defaults
