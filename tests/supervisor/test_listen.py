import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.supervisor.config import MetricsPlace
from gateway.supervisor.listen import CannotListen, Door, listen_for_metrics, listen_tcp


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door("it")
    yield made
    made.remove()


def knock(door: Door) -> socket.socket:
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(5)
    try:
        client.connect(door.path)
    except OSError:
        client.close()
        raise
    return client


def test_port_0_takes_a_free_port() -> None:
    with listen_tcp("127.0.0.1", 0) as listener:
        assert listener.getsockname()[1] > 0


def test_a_taken_port_is_refused_with_advice_and_a_free_one_is_not() -> None:
    with listen_tcp("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            CannotListen, match=rf"cannot listen on 127.0.0.1 port {port} .*in use.*choose another port"
        ):
            listen_tcp("127.0.0.1", port)
    listen_tcp("127.0.0.1", port).close()


def test_a_host_that_is_no_address_is_refused_with_advice() -> None:
    with pytest.raises(CannotListen, match=r"no\.such\.host\.invalid is not an address of this machine"):
        listen_tcp("no.such.host.invalid", 0)


def test_only_this_user_may_enter_the_doors_directory(door: Door) -> None:
    assert stat.S_IMODE(Path(door.path).parent.stat().st_mode) == 0o700


def test_a_path_too_long_for_a_socket_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    long = tmp_path / ("x" * 100)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    door = Door("it")
    assert not door.path.startswith(str(long))
    assert list(long.iterdir()) == []
    door.remove()


def test_while_the_door_is_shut_connecting_fails_at_once_and_afterwards_it_works(door: Door) -> None:
    door.shut()
    with pytest.raises(FileNotFoundError):
        knock(door)
    door.open()
    knock(door).close()


def test_opening_an_open_door_and_shutting_a_shut_one_change_nothing(door: Door) -> None:
    door.open()
    knock(door).close()
    door.shut()
    door.shut()
    door.open()
    knock(door).close()


def test_whoever_waits_is_turned_away(door: Door) -> None:
    clients = [knock(door), knock(door)]
    door.turn_away()
    for client in clients:
        assert client.recv(1) == b""
        client.close()


def test_nothing_is_left_behind(door: Door) -> None:
    directory = Path(door.path).parent
    door.remove()
    assert not directory.exists()


def test_metrics_are_served_where_they_are_to_be() -> None:
    said: list[str] = []
    with listen_for_metrics(MetricsPlace(host="127.0.0.1", port=0, chosen=True), said.append) as listener:
        assert listener.getsockname()[1] > 0
    assert said == []


def test_a_taken_port_that_nobody_chose_gives_way_to_a_free_one_and_that_is_said() -> None:
    said: list[str] = []
    with listen_tcp("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with listen_for_metrics(MetricsPlace(host="127.0.0.1", port=port, chosen=False), said.append) as listener:
            free = listener.getsockname()[1]
            assert free not in {0, port}
    assert said == [f"port {port} is taken: metrics are served on port {free} instead"]


def test_a_taken_port_that_somebody_chose_is_refused_with_advice() -> None:
    said: list[str] = []
    with listen_tcp("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CannotListen, match=rf"port {port} .*in use.*set telemetry.metrics.port"):
            listen_for_metrics(MetricsPlace(host="127.0.0.1", port=port, chosen=True), said.append)
    assert said == []


def test_a_host_that_is_none_of_this_machine_is_refused_whoever_chose_the_port() -> None:
    with pytest.raises(CannotListen, match=r"192\.0\.2\.1"):
        listen_for_metrics(MetricsPlace(host="192.0.2.1", port=0, chosen=False), print)
