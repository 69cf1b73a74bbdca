import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest


class Running(Protocol):
    process: "subprocess.Popen[str]"
    port: int
    sockets: dict[str, str]
    starts: Path

    def ask_worker(self) -> int: ...
    def ask_model(self) -> int: ...
    def ask(self, key: str) -> str: ...
    def models_started(self) -> int: ...
    def children(self) -> list[int]: ...
    def stop(self, number: signal.Signals = signal.SIGTERM) -> int: ...


Start = Callable[..., Running]
Launch = Callable[..., "subprocess.Popen[str]"]
Eventually = Callable[[Callable[[], bool]], None]
Alive = Callable[[int], bool]


def refused(running: Running) -> bool:
    try:
        running.ask_model()
    except (FileNotFoundError, ConnectionError):
        return True
    return False


def test_the_real_port_is_told_and_every_worker_serves_on_it(start: Start) -> None:
    running = start(workers=2)
    assert running.port > 0
    assert running.ask_worker() in running.children()
    assert len(running.children()) == 2


def test_without_an_embedded_model_there_is_no_socket_for_it(start: Start) -> None:
    assert start(model=None).sockets == {}


def test_the_model_starts_with_the_first_connection_and_answers_it(start: Start) -> None:
    running = start()
    assert running.models_started() == 0
    first = running.ask_model()
    assert running.ask_model() == first
    assert running.models_started() == 1


def test_the_model_starts_without_a_connection_where_the_setting_says_so(start: Start, eventually: Eventually) -> None:
    running = start(its={"at_start": True})
    eventually(lambda: running.models_started() == 1)


@pytest.fixture
def kill(alive: Alive, eventually: Eventually) -> Callable[[int], None]:
    """Kill a process and wait for its end: until then it may still take a connection, and drop it."""

    def and_wait(pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not alive(pid))

    return and_wait


def test_after_kill_9_of_the_model_the_next_request_is_answered_by_a_new_one(
    start: Start, kill: Callable[[int], None]
) -> None:
    running = start()
    first = running.ask_model()
    kill(first)
    assert running.ask_model() != first


def test_after_kill_9_of_a_worker_connections_wait_for_the_new_one(start: Start, kill: Callable[[int], None]) -> None:
    running = start()
    first = running.ask_worker()
    kill(first)
    assert running.ask_worker() != first


def test_a_worker_that_keeps_dying_is_still_brought_back(start: Start, kill: Callable[[int], None]) -> None:
    running = start()
    seen = set[int]()
    for _ in range(3):
        pid = running.ask_worker()
        kill(pid)
        seen.add(pid)
    assert running.ask_worker() not in seen


def test_a_model_in_a_crash_loop_is_refused_quickly_and_started_seldom(start: Start, tmp_path: Path) -> None:
    (tmp_path / "broken").touch()
    running = start()
    begin = time.monotonic()
    attempts = 0
    while time.monotonic() < begin + 1.5:
        asked = time.monotonic()
        assert refused(running)
        assert time.monotonic() - asked < 1
        attempts += 1
        time.sleep(0.005)
    assert attempts > 50
    assert 2 <= running.models_started() <= 6


def test_a_model_that_recovers_is_used_again_after_its_rest(
    start: Start, tmp_path: Path, eventually: Eventually
) -> None:
    (tmp_path / "broken").touch()
    running = start()
    eventually(lambda: refused(running) and running.models_started() >= 2)
    (tmp_path / "broken").unlink()
    eventually(lambda: not refused(running))


def test_a_model_that_cannot_be_started_at_all_is_refused_and_the_workers_live(start: Start) -> None:
    running = start(its={"command": ["/no/such/program"]})
    assert refused(running)
    assert running.ask_worker() > 0
    running.stop()
    assert running.process.stderr is not None
    assert "the embedded model cannot be started (No such file or directory)" in running.process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_signal_ends_everything_and_leaves_nothing(
    start: Start, alive: Alive, tmp_path: Path, number: signal.Signals
) -> None:
    running = start(workers=2)
    running.ask_model()
    children = running.children()
    assert len(children) == 3
    assert running.stop(number) == 0
    assert not any(alive(child) for child in children)
    assert list(tmp_path.glob("splitgate-*")) == []
    with pytest.raises(ConnectionRefusedError):
        running.ask_worker()


def test_sigkill_of_the_supervisor_leaves_no_orphan(start: Start, alive: Alive, eventually: Eventually) -> None:
    running = start(workers=2, worker="stubborn", model="stubborn")
    running.ask_model()
    children = running.children()
    assert len(children) == 3
    running.stop(signal.SIGKILL)
    eventually(lambda: not any(alive(child) for child in children))


def test_a_stop_that_is_to_be_announced_comes_later_and_workers_serve_until_then(
    start: Start, tmp_path: Path, eventually: Eventually
) -> None:
    running = start(workers=2, drain_delay_s=0.5)
    begin = time.monotonic()
    running.process.send_signal(signal.SIGTERM)
    told = tmp_path / "announced"
    eventually(lambda: told.exists() and len(told.read_text().split()) == 2)
    assert running.ask_worker() > 0
    assert running.process.wait(10) == 0
    assert time.monotonic() - begin > 0.4


def test_whoever_asks_again_does_not_wait_for_the_announcement(
    start: Start, tmp_path: Path, eventually: Eventually
) -> None:
    running = start(drain_delay_s=600)
    running.process.send_signal(signal.SIGTERM)
    eventually((tmp_path / "announced").exists)
    assert running.stop() == 0


def test_without_time_for_it_a_stop_is_not_announced(start: Start, tmp_path: Path) -> None:
    assert start().stop() == 0
    assert not (tmp_path / "announced").exists()


def test_a_worker_that_ignores_the_signal_is_killed_when_the_grace_is_over(start: Start, alive: Alive) -> None:
    running = start(worker="stubborn", grace_s=0.5)
    worker = running.ask_worker()
    begin = time.monotonic()
    assert running.stop() == 0
    assert 0.4 < time.monotonic() - begin < 3
    assert not alive(worker)


def test_a_second_signal_does_not_wait_for_the_grace(start: Start, alive: Alive, eventually: Eventually) -> None:
    running = start(worker="stubborn", grace_s=60)
    worker = running.ask_worker()
    running.process.send_signal(signal.SIGINT)
    eventually(lambda: port_is_closed_to_the_supervisor(running))
    assert running.stop(signal.SIGINT) == 0
    assert not alive(worker)


def port_is_closed_to_the_supervisor(running: Running) -> bool:
    # The first signal has been handled once the supervisor no longer holds the listener.
    sockets = 0
    for entry in Path(f"/proc/{running.process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed since it was listed
            sockets += str(entry.readlink()).startswith("socket:")
    return sockets < 4


def test_the_model_serves_until_the_last_worker_has_ended(start: Start, eventually: Eventually) -> None:
    running = start(worker="stubborn", grace_s=60)
    running.process.send_signal(signal.SIGTERM)
    eventually(lambda: port_is_closed_to_the_supervisor(running))
    assert running.ask_model() > 0
    os.kill(running.children()[0], signal.SIGKILL)
    assert running.process.wait(10) == 0


def test_a_model_that_ignores_the_signal_is_killed(start: Start, alive: Alive) -> None:
    running = start(model="stubborn")
    model = running.ask_model()
    assert running.stop() == 0
    assert not alive(model)


def test_a_worker_that_never_served_ends_the_start_with_1(launch: Launch) -> None:
    process = launch(worker="fail", workers=2)
    out, err = process.communicate(timeout=15)
    assert (process.returncode, out) == (1, "")
    assert "ended with exit code 3; giving up, because it never served" in err


def test_a_worker_command_that_does_not_exist_ends_the_start_with_1(launch: Launch) -> None:
    process = launch(worker_command=["/no/such/program"])
    _, err = process.communicate(timeout=15)
    assert process.returncode == 1
    assert "worker 1 cannot be started (No such file or directory); giving up" in err


def test_a_port_in_use_ends_the_start_with_1_and_advice(launch: Launch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = launch(port=taken.getsockname()[1])
        _, err = process.communicate(timeout=15)
    assert process.returncode == 1
    assert "choose another port" in err
    assert "Traceback" not in err


def hangups(folder: Path) -> list[int]:
    path = folder / "hangups"
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def test_sighup_reaches_every_worker_and_ends_none(start: Start, tmp_path: Path, eventually: Eventually) -> None:
    running = start(workers=2, model=None)
    before = running.children()
    running.process.send_signal(signal.SIGHUP)
    eventually(lambda: sorted(hangups(tmp_path)) == sorted(before))
    assert running.children() == before


def test_sighup_reaches_a_worker_that_gives_way_too(start: Start, tmp_path: Path, eventually: Eventually) -> None:
    running = start(worker="stubborn", model=None)
    before = running.ask_worker()
    running.process.send_signal(signal.SIGUSR2)
    # Both take connections: the one that gives way does not care.
    eventually(lambda: running.ask_worker() != before)
    running.process.send_signal(signal.SIGHUP)
    both = set(running.children())
    assert len(both) == 2
    eventually(lambda: set(hangups(tmp_path)) == both)


def test_a_worker_that_does_not_serve_yet_hears_of_sighup_when_it_does(
    launch: Launch, tmp_path: Path, eventually: Eventually
) -> None:
    process = launch(worker="slow", model=None)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    eventually(lambda: bool(children.read_text().split()))
    worker = int(children.read_text())
    process.send_signal(signal.SIGHUP)
    time.sleep(0.2)
    (tmp_path / "go").touch()
    eventually(lambda: hangups(tmp_path) == [worker])


def test_workers_know_their_supervisor_and_share_a_key_that_the_model_does_not_get(start: Start) -> None:
    running = start(workers=2)
    model = running.ask_model()
    workers = [environ_of(pid) for pid in running.children() if pid != model]
    assert [worker["SPLITGATE_SUPERVISOR"] for worker in workers] == [str(running.process.pid)] * 2
    assert len({worker["SPLITGATE_GRANT_KEY"] for worker in workers}) == 1
    assert len(bytes.fromhex(workers[0]["SPLITGATE_GRANT_KEY"])) == 32
    assert "SPLITGATE_GRANT_KEY" not in environ_of(model)


def environ_of(pid: int) -> dict[str, str]:
    pairs = Path(f"/proc/{pid}/environ").read_text().split("\0")
    return dict(pair.split("=", 1) for pair in pairs if pair)


def test_sigusr2_replaces_the_workers_one_by_one_and_always_one_serves(start: Start, eventually: Eventually) -> None:
    running = start(workers=2)
    model = running.ask_model()
    before = set(running.children()) - {model}
    fewest = 2

    def all_are_new() -> bool:
        nonlocal fewest
        now = set(running.children()) - {model}
        fewest = min(fewest, len(now))
        assert running.ask_worker() > 0
        return len(now) == 2 and not now & before

    running.process.send_signal(signal.SIGUSR2)
    eventually(all_are_new)
    assert fewest >= 1
    assert running.ask_model() == model
    assert running.stop() == 0
    assert running.process.stderr is not None
    said = running.process.stderr.read()
    assert "worker 1 gave way to a new one" in said
    assert "worker 2 gave way to a new one" in said


def test_replaced_workers_are_not_taken_for_dying_ones(start: Start, eventually: Eventually) -> None:
    running = start(model=None, backoff={"forgiven": 0, "first": 30.0, "most": 30.0})
    for _ in range(3):
        before = running.ask_worker()
        running.process.send_signal(signal.SIGUSR2)
        eventually(lambda before=before: running.ask_worker() != before)


def test_a_worker_that_does_not_give_way_is_killed_when_its_time_is_over(
    start: Start, alive: Alive, eventually: Eventually
) -> None:
    running = start(worker="stubborn", model=None, grace_s=0.3)
    before = running.ask_worker()
    running.process.send_signal(signal.SIGUSR2)
    eventually(lambda: not alive(before))
    assert running.ask_worker() != before


def test_when_a_new_worker_dies_all_old_ones_are_kept(start: Start, tmp_path: Path, eventually: Eventually) -> None:
    running = start(workers=2, model=None)
    before = set(running.children())
    (tmp_path / "broken-worker").touch()
    running.process.send_signal(signal.SIGUSR2)
    assert running.process.stderr is not None
    assert "replacing the workers one by one" in running.process.stderr.readline()
    why = "the new worker 1 ended with exit code 4: the one that it was to replace serves on, and no other one"
    assert why in running.process.stderr.readline()
    assert set(running.children()) == before
    (tmp_path / "broken-worker").unlink()
    running.process.send_signal(signal.SIGUSR2)
    eventually(lambda: len(running.children()) == 2 and not before & set(running.children()))


def test_the_old_worker_serves_until_the_new_one_is_ready(
    start: Start, tmp_path: Path, eventually: Eventually, alive: Alive
) -> None:
    running = start(model=None)
    before = running.ask_worker()
    (tmp_path / "not-ready").touch()
    running.process.send_signal(signal.SIGUSR2)
    eventually(lambda: len(running.children()) == 2)
    assert {running.ask_worker() for _ in range(20)} == {before}
    (tmp_path / "not-ready").unlink()
    eventually(lambda: not alive(before))
    assert running.ask_worker() != before


def test_a_new_worker_that_does_not_get_ready_in_time_is_given_up(start: Start, tmp_path: Path, alive: Alive) -> None:
    running = start(model=None, ready_s=0.3)
    before = running.ask_worker()
    (tmp_path / "not-ready").touch()
    running.process.send_signal(signal.SIGUSR2)
    assert running.process.stderr is not None
    running.process.stderr.readline()
    assert "the new worker 1 was not ready within 0.3 s: the one that" in running.process.stderr.readline()
    assert (running.children(), running.ask_worker()) == ([before], before)
    assert alive(before)


def test_a_stop_does_not_wait_for_a_worker_that_is_not_ready(
    start: Start, tmp_path: Path, eventually: Eventually, alive: Alive
) -> None:
    running = start(model=None)
    (tmp_path / "not-ready").touch()
    running.process.send_signal(signal.SIGUSR2)
    eventually(lambda: len(running.children()) == 2)
    children = running.children()
    assert running.stop() == 0
    assert not any(alive(child) for child in children)


def test_a_stop_while_workers_are_replaced_ends_everything(start: Start, alive: Alive) -> None:
    running = start(workers=3, worker="stubborn", grace_s=0.5)
    children = running.children()
    running.process.send_signal(signal.SIGUSR2)
    running.process.send_signal(signal.SIGHUP)
    assert running.stop() == 0
    assert not any(alive(child) for child in children)
