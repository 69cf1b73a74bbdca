"""Does the chart say after an install where the gateway is, and what of it is not as closed as it could be?"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

Json: TypeAlias = dict[str, Any]
Notes: TypeAlias = Callable[..., str]

CHART = Path(__file__).parents[2] / "charts" / "splitgate"
LEAST, MOST, SWITCHED = (CHART / "ci" / f"{name}.yaml" for name in ("deployment", "everything", "switched"))

TLS = {"cert_file": "/etc/splitgate/secrets/upstream/tls.crt", "key_file": "/etc/splitgate/secrets/upstream/tls.key"}


@pytest.fixture
def notes(run_helm: Callable[..., Any], tmp_path: Path) -> Notes:
    """What helm prints once everything is made; nothing is."""

    def said(file: Path, values: Json | None = None, release: str = "rel") -> str:
        more = tmp_path / "values.yaml"
        more.write_text(json.dumps(values or {}))
        done = run_helm(
            *("install", release, CHART, "--namespace", "prod", "--dry-run=client", "--values", file, "--values", more)
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.partition("\nNOTES:\n")[2]

    return said


def test_they_say_where_it_is_and_how_to_look_at_it(notes: Notes) -> None:
    least, most = notes(LEAST), notes(MOST)
    assert "Splitgate is at http://rel-splitgate.prod:80, " in least
    assert "rollout status deployment/rel-splitgate" in least
    assert "Splitgate is at http://guard.prod:8080, with its metrics and probes at guard-monitoring:9464." in most
    assert "rollout status statefulset/guard" in most
    assert all("helm --namespace prod test rel" in said for said in (least, most))


def test_a_gateway_that_speaks_tls_is_not_at_http(notes: Notes) -> None:
    tls = {
        "cert_file": "/etc/splitgate/secrets/upstream/tls.crt",
        "key_file": "/etc/splitgate/secrets/upstream/tls.key",
    }
    assert "Splitgate is at https://rel-splitgate.prod:80, " in notes(
        LEAST, {"configuration": {"server": {"tls": tls}}}
    )


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({}, True),
        ({"replicas": 1}, False),
        ({"replicas": 1, "autoscaling": {"enabled": True}}, True),
        ({"replicas": 2, "autoscaling": {"enabled": True, "minReplicas": 1, "maxReplicas": 1}}, False),
    ],
)
def test_what_pods_do_not_share_is_told_where_there_are_several(notes: Notes, values: Json, told: bool) -> None:
    assert ("each pod's own" in notes(LEAST, values)) is told


def test_what_was_left_open_is_called_so(notes: Notes) -> None:
    assert "WARNING" not in notes(LEAST) + notes(MOST, {"service": {"type": "ClusterIP"}})
    assert "WARNING: service.type is LoadBalancer and configuration.server.tls is off" in notes(MOST)
    open_ = notes(SWITCHED)
    assert "WARNING: journal.acknowledgeLoss is set" in open_
    assert "WARNING: networkPolicy.enabled is false" in open_
    unwatched = {"configuration": {"audit": {"enabled": False}, "server": {"watch": False}}}
    assert "WARNING: configuration.audit.enabled is false" in notes(LEAST, unwatched)
    assert "a changed configuration replaces the pods" in notes(LEAST, unwatched)
