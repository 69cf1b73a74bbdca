"""Does the health check tell a gateway that answers from one that does not?"""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

HEALTH = Path(__file__).parents[2] / "deploy" / "image" / "health.py"


@pytest.fixture(scope="module")
def health() -> ModuleType:
    """The script: no package, so it is loaded by path."""
    spec = importlib.util.spec_from_file_location("image_health", HEALTH)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def checked(*asked: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-I", str(HEALTH), *asked]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)


@pytest.fixture
def url(upstream: object) -> str:
    """A server that knows nothing but POST: 501 to a GET."""
    return str(upstream.url)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownArgumentType, reportUnknownMemberType]


def test_what_answers_as_it_should_is_well(url: str) -> None:
    done = checked(f"{url}=501", f"{url}/x=501")
    assert (done.returncode, done.stderr) == (0, "")
    assert checked(SPLITGATE_HEALTH=f"{url}=501").returncode == 0


def test_another_status_is_not(url: str) -> None:
    done = checked(f"{url}=501", f"{url}=200")
    assert (done.returncode, done.stderr) == (1, f"{url} answers 501 and not 200\n")


def test_nobody_at_home_is_not() -> None:
    done = checked("http://127.0.0.1:9/healthz=200")
    assert done.returncode == 1
    assert "does not answer (ConnectionRefusedError)" in done.stderr


def test_every_address_of_a_name_is_asked_since_each_is_a_pod(health: ModuleType, url: str) -> None:
    def one(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1"]

    def two(_host: str, _port: int) -> list[str]:
        return ["127.0.0.1", "127.0.0.9"]

    named = url.replace("127.0.0.1", "pods.example")
    assert health.wrong_with(f"{named}=501", one) is None
    # The test's server is at 127.0.0.1, and nobody at the other one.
    wrong = health.wrong_with(f"{named}=501", two)
    assert wrong == f"{named} does not answer (ConnectionRefusedError)"
    assert health.addresses("127.0.0.1", 1) == ["127.0.0.1"]
    assert "127.0.0.1" in health.addresses("localhost", 1)


def test_in_the_container_one_address_of_a_name_will_do(url: str) -> None:
    assert checked(SPLITGATE_HEALTH=f"{url.replace('127.0.0.1', 'localhost')}=501").returncode == 0


@pytest.mark.parametrize("asked", ["http://127.0.0.1:9", "https://127.0.0.1:9/=200", "/healthz=200", "=200"])
def test_what_cannot_be_asked_is_an_error(asked: str) -> None:
    done = checked(asked)
    assert done.returncode == 1
    assert "is not http://HOST" in done.stderr
