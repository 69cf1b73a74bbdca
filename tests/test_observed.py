import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.domain.trace import Trace
from gateway.main import plan
from gateway.observed import observed
from gateway.settings import Settings, load
from gateway.telemetry.counting import Counting
from gateway.telemetry.families import FOLDER, WORKER

TRACE = Trace(id="a" * 32, span="b" * 16, call="c" * 16, parent="d" * 16, sampled=False)


@pytest.fixture
def settings_of(tmp_path: Path) -> Callable[[str], Settings]:
    def read(telemetry: str) -> Settings:
        path = tmp_path / "splitgate.yaml"
        path.write_text(f"models: {{m: {{targets: [{{provider: embedded}}]}}}}\ntelemetry: {telemetry}\n")
        return load(path, {})

    return read


async def test_requests_are_counted_where_the_supervisor_gives_a_folder(
    settings_of: Callable[[str], Settings], tmp_path: Path
) -> None:
    async with observed(settings_of("{}"), {FOLDER: str(tmp_path), WORKER: "7"}) as seen:
        assert [type(observer) for observer in seen.observers] == [Counting]
        assert seen.scrape is not None
        assert b"splitgate_in_flight" not in await seen.scrape()
        seen.observers[0].began("split")
        assert b'splitgate_in_flight{dialect="split"} 1.0' in await seen.scrape()
    assert (tmp_path / "gauge_livesum_7.db").exists()


async def test_nobody_counts_where_the_supervisor_gives_no_folder(settings_of: Callable[[str], Settings]) -> None:
    async with observed(settings_of("{}"), {}) as seen:
        assert (seen.observers, seen.scrape) == ((), None)
        seen.read(lambda: None)


async def test_metrics_that_were_there_at_the_start_stay_until_a_restart(
    settings_of: Callable[[str], Settings], tmp_path: Path
) -> None:
    # The port for them is open: whoever asks there is to be answered.
    async with observed(settings_of("{metrics: {enabled: false}}"), {FOLDER: str(tmp_path), WORKER: "1"}) as seen:
        assert seen.scrape is not None


async def test_the_second_worker_in_a_place_has_files_of_its_own_and_the_places_number(
    settings_of: Callable[[str], Settings], tmp_path: Path
) -> None:
    async with observed(settings_of("{}"), {FOLDER: str(tmp_path), WORKER: "7b"}) as seen:
        seen.watch_files("ab12", lambda: {"models.m.targets.0.api_key": True}, lambda: {"server.tls": 1.5})
        assert seen.worker == "7"
        assert seen.scrape is not None
        exposed = (await seen.scrape()).decode()
    assert 'splitgate_config_info{digest="sha256:ab12",worker="7"} 1.0' in exposed
    assert 'splitgate_secret_stale{name="models.m.targets.0.api_key"} 1.0' in exposed
    assert 'splitgate_certificate_expires_timestamp_seconds{name="server.tls"} 1.5' in exposed
    assert (tmp_path / "gauge_livesum_7b.db").exists()


async def test_a_trace_goes_on_only_where_the_configuration_says_so(settings_of: Callable[[str], Settings]) -> None:
    async with observed(settings_of("{}"), {}) as seen:
        assert seen.traceparent is None
    async with observed(settings_of("{traces: {propagate: true, sample: 1}}"), {}) as seen:
        assert seen.traceparent is not None
        assert seen.traceparent(TRACE) == f"00-{'a' * 32}-{'c' * 16}-00"
        assert seen.traceparent(replace(TRACE, sampled=None)) == f"00-{'a' * 32}-{'c' * 16}-01"


def test_opentelemetry_is_not_loaded_where_nobody_asks_for_traces() -> None:
    code = "import sys, gateway.working; sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_the_supervisor_loads_neither_prometheus_nor_opentelemetry() -> None:
    code = (
        "import sys, gateway.main; "
        "sys.exit(any(name.startswith(('opentelemetry', 'prometheus_client')) for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


def test_the_supervisor_is_told_where_metrics_are_to_be_and_who_chose_the_port(
    settings_of: Callable[[str], Settings],
) -> None:
    default = plan(settings_of("{}"), None, 1).metrics
    assert default is not None
    assert (default.host, default.port, default.chosen) == ("127.0.0.1", 9464, False)
    chosen = plan(settings_of("{metrics: {port: 9464}}"), None, 1).metrics
    assert chosen is not None
    assert chosen.chosen
    assert plan(settings_of("{metrics: {enabled: false}}"), None, 1).metrics is None
