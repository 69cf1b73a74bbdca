"""Programs that listen by themselves, with real processes on loopback."""

import socket
import sys
from pathlib import Path

import pytest

from benchmarks.outside import Outside, free_ports
from benchmarks.processes import CannotMeasure, use_of

# Answers, and has a child that works and would go on without it.
_PROGRAM = """
import http.server, subprocess, sys
work = "import time\\nwhile time.process_time() < 0.3: pass\\nprint('worked', flush=True)\\ntime.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", work], stdout=subprocess.PIPE)
child.stdout.readline()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def _outside(program: str, folder: Path) -> Outside:
    port = free_ports(["it"])["it"]
    command = [sys.executable, "-c", program, str(port)]
    return Outside("it", command, port, folder / "log", cores=frozenset(), environ={})


def test_ports_are_no_two_alike() -> None:
    ports = free_ports(map(str, range(20)))
    assert len(set(ports.values())) == 20


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_serves_when_it_answers_and_what_it_uses_is_its_childrens_too(tmp_path: Path) -> None:
    with _outside(_PROGRAM, tmp_path) as running:
        assert use_of(running.pid).cpu_ns > 300_000_000
        assert "GET /" in running.last_words()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", running.port)).close()
    assert use_of(running.pid).cpu_ns == 0


def test_one_that_ends_before_it_serves_is_shown_with_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(CannotMeasure, match=r"(?s)'it' ended before it served:.*no such setting"),
        _outside("raise SystemExit('no such setting')", tmp_path),
    ):
        pass
