"""How many connections there can be, under limits that are lowered for the test in a process of its own."""

import subprocess
import sys

import pytest

CODE = """
import logging, resource, sys
logging.basicConfig(stream=sys.stderr)
soft, hard, wanted = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from gateway.web.descriptors import connections_allowed
print(connections_allowed(wanted), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def allowed(soft: int, hard: int, wanted: int) -> tuple[int, int, str]:
    ran = subprocess.run(
        [sys.executable, "-c", CODE, *map(str, (soft, hard, wanted))], capture_output=True, text=True, check=True
    )
    connections, limit = map(int, ran.stdout.split())
    return connections, limit, ran.stderr


def test_a_low_limit_is_raised_as_far_as_it_is_needed() -> None:
    assert allowed(256, 4096, 1000) == (1000, 2200, "")


def test_what_the_system_does_not_allow_is_not_promised_and_that_is_said() -> None:
    connections, limit, said = allowed(256, 1024, 10_000)
    assert (connections, limit) == (412, 1024)
    assert "server.max_connections" in said


@pytest.mark.parametrize("wanted", [1, 100])
def test_a_limit_that_is_high_enough_stays(wanted: int) -> None:
    assert allowed(1024, 4096, wanted) == (wanted, 1024, "")
