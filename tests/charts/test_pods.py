"""Does a pod hold to the standard "restricted", end as the gateway ends, and follow what is mounted?"""

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import kubernetes_validate  # pyright: ignore[reportMissingTypeStubs]
import pytest
import yaml

from gateway.activation.state_folder import StateFolder
from gateway.domain.errors import StateUnusable

Json: TypeAlias = dict[str, Any]
Objects: TypeAlias = Callable[..., dict[tuple[str, str], Json]]

CI = Path(__file__).parents[2] / "charts" / "splitgate" / "ci"
LEAST, MOST = CI / "deployment.yaml", CI / "everything.yaml"
VALUES = sorted(CI.glob("*.yaml"))
# Of the volumes that the standard allows, those that lie in the cluster's own hands.
VOLUMES = {"configMap", "emptyDir", "secret", "persistentVolumeClaim", "projected", "downwardAPI", "csi", "ephemeral"}

each_file = pytest.mark.parametrize("values", VALUES, ids=lambda path: path.stem)


def workload(found: dict[tuple[str, str], Json]) -> Json:
    (one,) = [one for (kind, _), one in found.items() if kind in {"Deployment", "StatefulSet"}]
    return one


def pod_of(found: dict[tuple[str, str], Json]) -> Json:
    return workload(found)["spec"]["template"]["spec"]


def wrong_with(pod: Json) -> Iterator[str]:
    """What the Pod Security Standard "restricted" (and "baseline" below it) forbids, field by field."""
    security = pod.get("securityContext", {})
    yield from [f"spec.{name}" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name)]
    for volume in pod.get("volumes", []):
        yield from [f"volumes.{kind}" for kind in volume if kind != "name" and kind not in VOLUMES]
    yield from [f"sysctls.{one['name']}" for one in security.get("sysctls", [])]
    for container in [*pod["containers"], *pod.get("initContainers", []), *pod.get("ephemeralContainers", [])]:
        yield from wrong_with_container(container, security)
    # What we ask for beyond the standard.
    yield from [name for name in ("automountServiceAccountToken", "enableServiceLinks") if pod.get(name) is not False]


def wrong_with_container(container: Json, of_pod: Json) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = of_pod | own
    capabilities = own.get("capabilities", {})
    right = {
        "privileged": not own.get("privileged"),
        "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
        "runAsNonRoot": both.get("runAsNonRoot") is True,
        "runAsUser": both.get("runAsUser") != 0,
        "seccompProfile": both.get("seccompProfile", {}).get("type") in {"RuntimeDefault", "Localhost"},
        "capabilities.drop": "ALL" in capabilities.get("drop", []),
        "capabilities.add": set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
        "procMount": own.get("procMount", "Default") == "Default",
        "hostPort": not [port for port in container.get("ports", []) if port.get("hostPort")],
        "options of the system's": not {"seLinuxOptions", "windowsOptions", "appArmorProfile"} & both.keys(),
        # What we ask for beyond the standard.
        "readOnlyRootFilesystem": own.get("readOnlyRootFilesystem") is True,
        "memory": "memory" in container["resources"]["limits"],
    }
    yield from [name for name, holds in right.items() if not holds]


@each_file
def test_all_pods_hold_to_the_standard_restricted(objects: Objects, values: Path) -> None:
    found = objects(values)
    (test,) = [one["spec"] for (kind, _), one in found.items() if kind == "Pod"]
    assert list(wrong_with(pod_of(found))) == []
    assert list(wrong_with(test)) == []
    for (kind, _), one in found.items():
        assert kind != "ServiceAccount" or one["automountServiceAccountToken"] is False


BREAKS: dict[str, tuple[str, Any]] = {
    "spec.hostNetwork": ("hostNetwork", True),
    "volumes.hostPath": ("volumes", [{"name": "x", "hostPath": {"path": "/"}}]),
    "runAsNonRoot": ("securityContext/runAsNonRoot", False),
    "runAsUser": ("securityContext/runAsUser", 0),
    "seccompProfile": ("securityContext/seccompProfile", {"type": "Unconfined"}),
    "privileged": ("containers/0/securityContext/privileged", True),
    "allowPrivilegeEscalation": ("containers/0/securityContext/allowPrivilegeEscalation", True),
    "capabilities.drop": ("containers/0/securityContext/capabilities", {"drop": ["KILL"]}),
    "capabilities.add": ("containers/0/securityContext/capabilities/add", ["SYS_ADMIN"]),
    "procMount": ("containers/0/securityContext/procMount", "Unmasked"),
    "hostPort": ("containers/0/ports/0/hostPort", 8400),
    "options of the system's": ("securityContext/seLinuxOptions", {"type": "spc_t"}),
    "readOnlyRootFilesystem": ("containers/0/securityContext/readOnlyRootFilesystem", False),
    "memory": ("containers/0/resources/limits", {}),
    "automountServiceAccountToken": ("automountServiceAccountToken", True),
}


def test_whatever_is_not_restricted_is_found(objects: Objects) -> None:
    sound = pod_of(objects(LEAST))
    for wrong, (path, value) in BREAKS.items():
        pod = copy.deepcopy(sound)
        *way, last = path.split("/")
        at: Any = pod
        for step in way:
            at = at[int(step)] if step.isdigit() else at[step]
        at[last] = value
        assert wrong in list(wrong_with(pod)), path


@pytest.mark.parametrize(
    ("server", "pause", "seconds"),
    [
        ({}, 5, 45),
        ({"grace_s": 120.5, "drain_delay_s": 3}, 5, 139),
        ({"grace_s": 0}, 0, 10),
        ({"drain_delay_s": 20}, 10, 70),
    ],
)
def test_the_kubelet_waits_as_long_as_the_gateway_may_take(
    objects: Objects, server: Json, pause: int, seconds: int
) -> None:
    values = {"configuration": {"server": server}, "drain": {"preStopSeconds": pause}}
    pod = pod_of(objects(LEAST, values))
    assert pod["terminationGracePeriodSeconds"] == seconds
    told = pod["containers"][0].get("lifecycle", {})
    assert told == ({"preStop": {"sleep": {"seconds": pause}}} if pause else {})


@each_file
def test_all_three_probes_ask_beside_the_metrics(objects: Objects, values: Path) -> None:
    (container,) = pod_of(objects(values))["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 8400, "monitoring": 9464}
    asked = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert asked == {
        "startup": {"path": "/healthz", "port": "monitoring"},
        "liveness": {"path": "/healthz", "port": "monitoring"},
        "readiness": {"path": "/readyz", "port": "monitoring"},
    }


@each_file
def test_folders_are_mounted_and_never_single_files(objects: Objects, values: Path) -> None:
    """A single file (subPath) would not follow its ConfigMap or Secret."""
    pod = pod_of(objects(values))
    mounts = pod["containers"][0]["volumeMounts"]
    assert all("subPath" not in mount for mount in mounts)
    writable = {mount["mountPath"] for mount in mounts if not mount.get("readOnly")}
    assert writable == {"/var/lib/splitgate", "/tmp"}  # noqa: S108
    names = {mount["name"] for mount in mounts}
    claims = {"state"} if workload(objects(values))["kind"] == "StatefulSet" else set[str]()
    assert {volume["name"] for volume in pod["volumes"]} == names - claims
    # No mount lies within another one: it would have to be made in a folder that nobody may write.
    paths = [f"{mount['mountPath']}/" for mount in mounts]
    assert not [(one, other) for one in paths for other in paths if one != other and one.startswith(other)]


def test_state_lies_in_a_folder_of_the_gateways_own_since_a_volumes_is_not_believed(
    objects: Objects, tmp_path: Path
) -> None:
    found = objects(MOST)
    (mount,) = [one for one in pod_of(found)["containers"][0]["volumeMounts"] if one["name"] == "state"]
    text = found["ConfigMap", "guard-configuration"]["data"]["splitgate.yaml"]
    assert f"state_dir: {mount['mountPath']}/state\n" in text
    assert pod_of(found)["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"
    # As the kubelet gives a volume to `fsGroup`.
    tmp_path.chmod(0o2777)
    with pytest.raises(StateUnusable):
        StateFolder(tmp_path).write("x", b"")
    StateFolder(tmp_path / "state").write("x", b"")
    assert StateFolder(tmp_path / "state").read("x", 1) == b""


def restarts(objects: Objects, *values: Any) -> str:
    return workload(objects(*values))["spec"]["template"]["metadata"]["annotations"]["checksum/needs-restart"]


def test_policies_replace_no_pod(objects: Objects) -> None:
    one, other = ({"policies": {"files": {"shop.yaml": text}}} for text in ("policy: a", "policy: b"))
    assert workload(objects(LEAST, one)) == workload(objects(LEAST, other))
    unwatched = {"configuration": {"policies": {"watch": False}}}
    assert workload(objects(LEAST, one, unwatched)) != workload(objects(LEAST, other, unwatched))


def test_a_configuration_replaces_pods_unless_the_gateway_follows_it(objects: Objects) -> None:
    more = {"configuration": {"server": {"max_queued": 7}}}
    told = objects(LEAST)["ConfigMap", "rel-splitgate-configuration"]["data"]["splitgate.yaml"]
    assert "watch: true\n" in told
    assert restarts(objects, LEAST) == restarts(objects, LEAST, more)
    unwatched = {"configuration": {"server": {"watch": False}}}
    assert restarts(objects, LEAST, unwatched) == restarts(objects, LEAST, unwatched)
    assert restarts(objects, LEAST, unwatched) != restarts(objects, LEAST, unwatched, more)
    # Where it listens is the supervisor's, which lives on.
    assert restarts(objects, LEAST) != restarts(objects, LEAST, {"address": "::"})
    tls = {"configuration": {"server": {"tls": {"cert_file": "/etc/splitgate/secrets/upstream/tls.crt"}}}}
    assert restarts(objects, LEAST) != restarts(objects, LEAST, tls)


def test_the_pods_account_and_labels_are_the_charts(objects: Objects) -> None:
    found = objects(MOST, {"podLabels": {"app.kubernetes.io/name": "other", "team": "b"}})
    labels = workload(found)["spec"]["template"]["metadata"]["labels"]
    assert (labels["app.kubernetes.io/name"], labels["team"]) == ("splitgate", "b")
    assert pod_of(found)["serviceAccountName"] == "gateway"
    assert ("ServiceAccount", "guard") not in found
    assert ("ServiceAccount", "rel-splitgate") in objects(LEAST)


def test_what_values_add_stands_beside_what_the_chart_writes(objects: Objects) -> None:
    """A checksum of somebody else's would let a changed configuration replace no pod."""
    theirs = {"helm.sh/chart": "x", "app.kubernetes.io/version": "y", "app.kubernetes.io/component": "z", "team": "b"}
    notes = {"checksum/needs-restart": "x", "example.com/owner": "b"}
    monitoring = {name: {"enabled": True, "labels": theirs} for name in ("serviceMonitor", "rules", "dashboard")}
    plain, found = (
        objects(MOST),
        objects(MOST, {"podLabels": theirs, "podAnnotations": notes, "monitoring": monitoring}),
    )
    metadata = workload(found)["spec"]["template"]["metadata"]
    assert metadata["annotations"] == workload(plain)["spec"]["template"]["metadata"]["annotations"] | {
        "example.com/owner": "b"
    }
    labelled = [
        metadata,
        *(one["metadata"] for (kind, _), one in found.items() if kind in {"ServiceMonitor", "PrometheusRule"}),
    ]
    labelled.append(found["ConfigMap", "guard-dashboard"]["metadata"])
    ours = workload(plain)["metadata"]["labels"]
    for one in labelled:
        assert one["labels"].items() >= (ours | {"team": "b"}).items()


def test_spread_constraints_are_of_these_pods(objects: Objects) -> None:
    found = objects(LEAST)
    selector = workload(found)["spec"]["selector"]
    constraints = pod_of(found)["topologySpreadConstraints"]
    assert [one["topologyKey"] for one in constraints] == ["topology.kubernetes.io/zone", "kubernetes.io/hostname"]
    assert all(one["labelSelector"] == selector for one in constraints)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ({}, "r/s:0.1.0"),
        ({"parts": ["ner", "litellm"]}, "r/s:0.1.0-litellm-ner"),
        ({"tag": "1.2"}, "r/s:1.2"),
        ({"digest": f"sha256:{'0' * 64}"}, f"r/s@sha256:{'0' * 64}"),
        ({"tag": "1.2", "digest": f"sha256:{'0' * 64}"}, f"r/s:1.2@sha256:{'0' * 64}"),
    ],
)
def test_images_are_named_by_their_parts_or_by_digest(objects: Objects, image: Json, name: str) -> None:
    found = objects(LEAST, {"image": {"repository": "r/s", **image}})
    (test,) = [one["spec"] for (kind, _), one in found.items() if kind == "Pod"]
    assert {pod["containers"][0]["image"] for pod in (pod_of(found), test)} == {name}


def test_names_that_yaml_would_take_for_something_else_stay_names(run_helm: Callable[..., Any], tmp_path: Path) -> None:
    """A release may be called `true`, a secret `123` and a host `1.5`: no field of these is a number."""
    values = {
        "image": {"repository": "1", "tag": "30", "pullSecrets": ["123"]},
        "keysFile": {"existingSecret": "7"},
        "secrets": [{"name": "upstream", "existingSecret": "1e3"}, {"name": "journal", "existingSecret": "0.5"}],
        "policies": {"existingConfigMap": "8"},
        "journal": {"persistent": True, "storageClassName": "9"},
        "priorityClassName": "10",
        "serviceAccount": {"existing": "true"},
        "ingress": {"enabled": True, "hosts": ["1.5"], "tlsSecret": "2", "className": "null"},
    }
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(values))
    done = run_helm("template", "true", CI.parent, "--values", LEAST, "--values", file)
    assert done.returncode == 0, done.stderr
    for one in yaml.safe_load_all(done.stdout):
        kubernetes_validate.validate(one, "1.37.0", strict=True)
    refused = run_helm("template", "rel", CI.parent, "--values", LEAST, "--set-string", "fullnameOverride=true")
    assert "fullnameOverride: no Service may be called" in refused.stderr
