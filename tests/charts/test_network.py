"""Who reaches the pods, whom do they reach, and does a node ever wait for them in vain?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from gateway.configuration.schema import ServerSection, TimeoutsSection
from gateway.dialects.registry import COUNTS, EMBEDS, PATHS
from gateway.telemetry.families import IN_FLIGHT

Json: TypeAlias = dict[str, Any]
Objects: TypeAlias = Callable[..., dict[tuple[str, str], Json]]

CI = Path(__file__).parents[2] / "charts" / "splitgate" / "ci"
LEAST, MOST, SWITCHED = CI / "deployment.yaml", CI / "everything.yaml", CI / "switched.yaml"
NAME = "rel-splitgate"
OURS = {
    "app.kubernetes.io/name": "splitgate",
    "app.kubernetes.io/instance": "rel",
    "app.kubernetes.io/component": "gateway",
}
TEST = {"podSelector": {"matchLabels": OURS | {"app.kubernetes.io/component": "test"}}}
DNS = [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]


def https(*cidrs: str) -> Json:
    return {"to": [{"ipBlock": {"cidr": cidr}} for cidr in cidrs], "ports": [{"port": 443, "protocol": "TCP"}]}


def test_what_is_not_listed_is_denied_both_ways(objects: Objects) -> None:
    spec = objects(LEAST)["NetworkPolicy", NAME]["spec"]
    assert spec["podSelector"] == {"matchLabels": OURS}
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert spec["ingress"] == [
        {"from": [TEST], "ports": [{"port": "http"}, {"port": "monitoring"}]},
        {"from": [{"podSelector": {}}], "ports": [{"port": "http"}]},
    ]
    cluster_dns = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
        "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
    }
    assert spec["egress"] == [
        {"to": [cluster_dns], "ports": DNS},
        https("203.0.113.0/24"),
        https("198.51.100.7/32"),
    ]


def test_a_list_that_is_empty_lets_nobody_through(objects: Objects) -> None:
    nobody: Json = {"clients": [], "watchers": [], "dns": [], "providers": [], "redis": [], "others": []}
    embedded = {
        "image": {"parts": ["embedded"]},
        "configuration": {"models": {"support": {"targets": [{"provider": "embedded"}]}}, "audit": {"ship": None}},
        "journal": {"persistent": True},
    }
    spec = objects(LEAST, embedded, {"networkPolicy": nobody})["NetworkPolicy", NAME]["spec"]
    assert [rule["from"] for rule in spec["ingress"]] == [[TEST]]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "egress" not in spec


@pytest.mark.parametrize("values", [LEAST, MOST])
def test_no_rule_leaves_out_whom_or_where_since_that_would_be_everybody(objects: Objects, values: Path) -> None:
    (policy,) = [one for (kind, _), one in objects(values).items() if kind == "NetworkPolicy"]
    for rule in policy["spec"]["ingress"]:
        assert rule["from"]
        assert rule["ports"]
    for rule in policy["spec"]["egress"]:
        assert rule["to"]
        assert rule["ports"]
        assert all(peer for peer in rule["to"])


def test_the_policys_ports_are_the_pods(objects: Objects) -> None:
    found = objects(LEAST)
    (container,) = found["Deployment", NAME]["spec"]["template"]["spec"]["containers"]
    named = {port["name"] for port in container["ports"]}
    rules = found["NetworkPolicy", NAME]["spec"]["ingress"]
    assert {port["port"] for rule in rules for port in rule["ports"]} == named
    for service in ("", "-monitoring"):
        for port in found["Service", f"{NAME}{service}"]["spec"]["ports"]:
            assert port["targetPort"] in named


def test_metrics_and_models_are_reached_by_services_of_their_own(objects: Objects) -> None:
    found = objects(MOST)
    (port,) = found["Service", "guard"]["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (8080, "http")
    watched = found["Service", "guard-monitoring"]["spec"]
    # Who watches wants to see those that are not ready too, each by itself.
    assert (watched["clusterIP"], watched["publishNotReadyAddresses"]) == ("None", True)
    assert [port["targetPort"] for port in watched["ports"]] == ["monitoring"]


@pytest.mark.parametrize("replicas", [1, 2, 5])
def test_a_node_can_be_emptied_whatever_the_number_of_pods(objects: Objects, replicas: int) -> None:
    budget = objects(LEAST, {"replicas": replicas})["PodDisruptionBudget", NAME]["spec"]
    assert budget["maxUnavailable"] == 1
    assert "minAvailable" not in budget
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_a_new_pod_stands_before_an_old_one_goes(objects: Objects) -> None:
    strategy = objects(LEAST)["Deployment", NAME]["spec"]["strategy"]
    assert strategy["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_scaling_follows_cpu_and_requests_in_progress_and_owns_the_number(objects: Objects) -> None:
    found = objects(MOST)
    scaler = found["HorizontalPodAutoscaler", "guard"]["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "guard"}
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (3, 20)
    cpu, in_flight = scaler["metrics"]
    assert cpu["resource"] == {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}
    assert in_flight["pods"]["metric"] == {"name": IN_FLIGHT.name} == {"name": "splitgate_in_flight"}
    assert in_flight["pods"]["target"] == {"type": "AverageValue", "averageValue": "200"}
    # A number in the workload would be set back with each upgrade.
    assert "replicas" not in found["StatefulSet", "guard"]["spec"]
    assert objects(LEAST)["Deployment", NAME]["spec"]["replicas"] == 2


@pytest.mark.parametrize(
    ("controller", "annotations"),
    [
        (
            "ingress-nginx",
            {
                "nginx.ingress.kubernetes.io/proxy-buffering": "off",
                "nginx.ingress.kubernetes.io/proxy-read-timeout": "600",
                "nginx.ingress.kubernetes.io/proxy-send-timeout": "600",
                "nginx.ingress.kubernetes.io/proxy-body-size": "4194304",
            },
        ),
        (
            "nginx-inc",
            {
                "nginx.org/proxy-buffering": "False",
                "nginx.org/proxy-read-timeout": "600s",
                "nginx.org/proxy-send-timeout": "600s",
                "nginx.org/client-max-body-size": "4194304",
            },
        ),
        ("haproxy", {"haproxy.org/timeout-server": "600s"}),
        ("none", None),
    ],
)
def test_an_ingress_lets_streams_through(objects: Objects, controller: str, annotations: Json | None) -> None:
    given = {"enabled": True, "hosts": ["a.example"], "tlsSecret": "a", "controller": controller}
    made = objects(LEAST, {"ingress": given})["Ingress", NAME]
    assert made["metadata"].get("annotations") == annotations
    assert made["spec"]["tls"] == [{"hosts": ["a.example"], "secretName": "a"}]
    (rule,) = made["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"] == {"service": {"name": NAME, "port": {"name": "http"}}}


def test_applications_come_in_from_outside_and_administration_does_not(objects: Objects) -> None:
    """As behind nginx: `deploy/nginx`. Break-glass grants and reloads are each pod's own besides."""
    (rule,) = objects(MOST)["Ingress", "guard"]["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    assert (path["path"], path["pathType"]) == ("/v1", "Prefix")
    # Whatever an application may ask for lies below it.
    assert all(route.startswith("/v1/") for route in (*PATHS, *COUNTS, *EMBEDS))


def test_the_chart_knows_how_long_and_how_much_the_gateway_takes_by_itself() -> None:
    reach, front = ((CI.parent / "templates" / name).read_text() for name in ("_reach.tpl", "ingress.yaml"))
    assert f"first_byte | default {TimeoutsSection().first_byte:.0f} " in reach
    assert f"default {ServerSection().max_body_bytes} " in front


def test_bodies_may_be_as_large_in_front_as_behind(objects: Objects) -> None:
    annotations = objects(MOST)["Ingress", "guard"]["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/proxy-body-size"] == "8388608"
    assert annotations["example.com/waf"] == "on"


def test_what_is_turned_off_is_not_there(objects: Objects) -> None:
    kinds = {kind for kind, _ in objects(SWITCHED)}
    assert kinds == {"Deployment", "ConfigMap", "Service", "ServiceAccount", "Ingress", "Pod"}
