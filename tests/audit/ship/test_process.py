"""The process that ships, with a place of every kind, as the supervisor starts it."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import pytest
from redis import Redis

from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.s3_store import Bucket
from gateway.main import plan
from gateway.settings import load
from gateway.shipper import main
from gateway.shipper_figures import ShipperFigures, figures_of
from gateway.telemetry.families import FOLDER

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Attest = Callable[[EpochPlaces], bytes]
Eventually = Callable[[Callable[[], bool]], None]

MODELS = "models: {local: {targets: [{provider: embedded}]}}\n"


class Hook(Protocol):
    url: str

    @property
    def lines(self) -> list[bytes]: ...


class Store(Protocol):
    bucket: Bucket
    objects: dict[str, bytes]


class RedisServer(Protocol):
    password: str
    port: int

    @property
    def url(self) -> str: ...


def length_of(server: RedisServer) -> int:
    found: Any
    with Redis(port=server.port, password=server.password) as client:
        found = client.xlen("splitgate:audit")
    return int(found)


def test_it_hands_on_what_the_journals_hold_and_what_was_written_last(
    places: Places, elsewhere: Path, hook: Hook, redis_server: RedisServer, store: Store, dead_url: str, tmp_path: Path,
    begin: Begin, fill: Fill, attest: Attest, eventually: Eventually,
) -> None:  # fmt: skip
    epoch, config, figures = begin(), tmp_path / "splitgate.yaml", tmp_path / "figures"
    for folder in (figures, elsewhere / "copy", elsewhere / "witness"):
        folder.mkdir()
    fill(epoch, 700)
    attest(epoch)
    config.write_text(f"""{MODELS}
audit:
  dir: {places.root}
  ship:
    - {{name: hook, kind: webhook, url: "{hook.url}", secret: env:HOOK_SECRET}}
    - {{name: stream, kind: redis_stream, url: "{redis_server.url}", secret: env:REDIS_SECRET}}
    - {{name: copy, kind: directory, path: {elsewhere / "copy"}}}
    - {{name: bucket, kind: s3, endpoint: "{store.bucket.endpoint}", bucket: {store.bucket.bucket}, prefix: a/,
        region: {store.bucket.key.region}, access_key_id: env:STORE_ID, secret_access_key: env:STORE_SECRET}}
  anchors:
    - {{name: witness, kind: directory, path: {elsewhere / "witness"}}}
    - {{name: store, kind: s3, endpoint: "{dead_url}", bucket: evidence, access_key_id: env:S3_ID,
        secret_access_key: env:S3_SECRET}}
""")
    secrets = {"HOOK_SECRET": "planted-hook", "S3_ID": "planted-id", "S3_SECRET": "planted-s3"}
    key = store.bucket.key
    secrets |= {"STORE_ID": key.access_key_id.reveal(), "STORE_SECRET": key.secret_access_key.reveal()}
    environ = {**os.environ, **secrets, "REDIS_SECRET": redis_server.password, FOLDER: str(figures)}
    command = [sys.executable, "-m", "gateway.shipper", "--config", str(config)]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(command, env=environ, stderr=log) as process:
        eventually(lambda: len(hook.lines) == length_of(redis_server) == 700)
        process.send_signal(signal.SIGHUP)
        process.send_signal(signal.SIGSTOP)
        fill(epoch, 1)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        assert process.wait(10) == 0
    lines = epoch.journal.read_bytes().split(b"\n")[:-1]
    assert hook.lines == lines
    assert length_of(redis_server) == 701
    assert Places(elsewhere / "copy").epoch(epoch.epoch).journal.read_bytes() == epoch.journal.read_bytes()
    log = f"/evidence/a/{epoch.epoch}"
    journal = sorted(name for name in store.objects if name.startswith(f"{log}/epochs/{epoch.epoch}/journal/"))
    assert b"".join([store.objects[name] for name in journal]) == epoch.journal.read_bytes()
    assert f"{log}/registry/00000001" in store.objects
    assert len(list((elsewhere / "witness").glob("*/*/*"))) == 2
    said = (figures / "shipper.prom").read_text().splitlines()
    assert "splitgate_audit_unshipped_records 0" in said
    # Whoever alerts on what grows needs to have seen it before.
    assert {f'splitgate_audit_forks_total{{anchor="{name}"}} 0' for name in ("witness", "store")} <= set(said)
    told = (tmp_path / "log").read_text()
    assert "store is down (ConnectError)" in told
    assert "planted" not in told


def test_a_configuration_that_cannot_be_used_ends_it_with_2(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["--config", str(tmp_path / "nope.yaml")]) == 2
    assert "cannot be read" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("audit", "names"),
    [
        ("{}", []),
        ("{ship: [{name: a, kind: directory, path: a}]}", ["shipper"]),
        ("{anchors: [{name: a, kind: directory, path: a}]}", ["shipper"]),
        ("{enabled: false, ship: [{name: a, kind: directory, path: a}]}", []),
    ],
)
def test_it_is_started_where_there_is_something_to_hand_on(tmp_path: Path, audit: str, names: list[str]) -> None:
    path = tmp_path / "splitgate.yaml"
    path.write_text(f"{MODELS}audit: {audit}\n")
    environ: Mapping[str, str] = {"XDG_STATE_HOME": str(tmp_path)}
    companions = plan(load(path, environ), path, 1).companions
    assert [companion.name for companion in companions] == names
    for companion in companions:
        assert list(companion.command)[1:] == ["-m", "gateway.shipper", "--config", str(path)]


def test_what_it_says_for_metrics_is_in_one_file(tmp_path: Path) -> None:
    figures = figures_of({FOLDER: str(tmp_path)})
    figures.anchored("witness")
    assert 'splitgate_audit_forks_total{anchor="witness"} 0' in (tmp_path / "shipper.prom").read_text()
    figures.unshipped(7)
    figures.forked("witness")
    figures.forked("witness")
    told = (tmp_path / "shipper.prom").read_text()
    assert [line for line in told.splitlines() if not line.startswith("#")] == [
        "splitgate_audit_unshipped_records 7",
        'splitgate_audit_forks_total{anchor="witness"} 2',
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["shipper.prom"]


def test_without_a_folder_for_figures_nothing_is_said(tmp_path: Path) -> None:
    for figures in (figures_of({}), ShipperFigures(tmp_path / "gone")):
        figures.unshipped(7)
    assert list(tmp_path.iterdir()) == []
