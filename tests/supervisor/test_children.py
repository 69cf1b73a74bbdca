import selectors
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from gateway.supervisor.children import OnDemandChild, Program, WorkerChild
from gateway.supervisor.lifecycle import Backoff, Phase
from gateway.supervisor.listen import Door

PATIENCE_S = 15.0
# A worker is given two descriptors, the second to report by; the embedded model is given one.
HEAD = "import os, sys, time\nready = int(sys.argv[-1])\n"
STAY = "\ntime.sleep(60)"


@dataclass
class Loop:
    """What the supervisor's loop does for its children."""

    selector: selectors.BaseSelector
    readied: list[str | None] = field(default_factory=list[str | None])

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < end, "waited in vain"
            for key, _ in self.selector.select(0.01):
                key.data()


def program(code: str, name: str = "it") -> Program:
    command = [sys.executable, "-S", "-E", "-c", HEAD + code]
    return Program(name=name, key="1", command=command, environ={}, backoff=Backoff(first=0.3))


@pytest.fixture
def loop() -> Iterator[Loop]:
    with selectors.DefaultSelector() as selector:
        yield Loop(selector)


@pytest.fixture
def worker(loop: Loop) -> Iterator[Callable[[str], WorkerChild]]:
    """A worker that runs this code."""
    made: list[WorkerChild] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def make(code: str) -> WorkerChild:
            child = WorkerChild(
                program(code),
                loop.selector,
                listeners={"--fd": listener},
                on_ready=lambda: loop.readied.append(child.report),
            )
            made.append(child)
            return child

        yield make
        for child in made:
            child.destroy()


Worker = Callable[[str], WorkerChild]


def test_a_worker_is_ready_once_its_line_is_whole(loop: Loop, worker: Worker) -> None:
    child = worker("os.write(ready, b'one '); time.sleep(0.1); os.write(ready, b'line\\n')" + STAY)
    assert child.keep(0.0) is None
    assert (child.running, child.ready) == (True, False)
    loop.until(lambda: child.ready)
    assert loop.readied == ["one line\n"]


def test_a_line_longer_than_a_pipe_holds_is_heard_whole(loop: Loop, worker: Worker) -> None:
    child = worker("os.fdopen(ready, 'wb').write(b'x' * 300_000 + b'\\n')" + STAY)
    child.keep(0.0)
    loop.until(lambda: child.ready)
    assert child.report == "x" * 300_000 + "\n"


@pytest.mark.parametrize("code", ["os.close(ready)", "os.write(ready, b'half a li'); os.close(ready)"])
def test_a_worker_that_hangs_up_before_that_never_is(loop: Loop, worker: Worker, code: str) -> None:
    child = worker(code + STAY)
    child.keep(0.0)
    loop.until(lambda: not loop.selector.get_map())
    assert not child.ready
    assert loop.readied == []


def test_a_death_is_told_with_its_cause_and_what_follows(loop: Loop, worker: Worker) -> None:
    child = worker("os.write(ready, b'ok\\n'); time.sleep(0.1); sys.exit(4)")
    for outlook in ("starting it again", "starting it again in 0.3 s"):
        child.keep(time.monotonic())
        loop.until(lambda: child.ready)
        said: list[str | None] = [None]

        def reaped(said: list[str | None] = said) -> bool:
            said[0] = child.reap(time.monotonic())
            return said[0] is not None

        loop.until(reaped)
        assert said == [f"it ended with exit code 4; {outlook}"]
        assert (child.running, child.ready) == (False, False)
    assert child.keep(time.monotonic()) is None
    assert not child.running


def test_a_worker_is_asked_to_end_and_then_made_to(loop: Loop, worker: Worker) -> None:
    child = worker("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); os.write(ready, b'ok\\n')" + STAY)
    child.keep(0.0)
    loop.until(lambda: child.ready)
    child.stop()
    assert child.stopping
    assert child.running
    child.destroy()
    assert not child.running


def test_a_signal_is_named_as_the_cause(loop: Loop, worker: Worker) -> None:
    child = worker("os.write(ready, b'ok\\n'); os.kill(os.getpid(), 15)")
    child.keep(0.0)
    said: list[str] = []
    loop.until(lambda: bool(said) or bool(said.append(told) if (told := child.reap(0.0)) else None))
    assert said == ["it was ended by SIGTERM; starting it again"]


@pytest.fixture
def door() -> Iterator[Door]:
    made = Door("it")
    yield made
    made.remove()


def knock(door: Door) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE_S)
    try:
        client.connect(door.path)
    except OSError:
        client.close()
        raise
    return client


def test_the_embedded_model_is_started_by_whoever_knocks(loop: Loop, door: Door) -> None:
    child = OnDemandChild(program("time.sleep(60)"), loop.selector, door=door)
    child.keep(0.0)
    assert not child.running
    with knock(door):
        loop.until(lambda: child.lifecycle.phase is Phase.DUE)
    child.keep(0.0)
    assert child.running
    assert not loop.selector.get_map()
    child.destroy()
    assert len(loop.selector.get_map()) == 1


def test_one_that_keeps_dying_rests_behind_a_shut_door(loop: Loop, door: Door) -> None:
    child = OnDemandChild(
        Program(name="it", key="1", command=["/no/such/program"], environ={}, backoff=Backoff(first=0.3)),
        loop.selector,
        door=door,
    )
    child.lifecycle.demanded()
    assert child.keep(0.0) == "it cannot be started (No such file or directory); the next request starts it again"
    with knock(door) as waiting:
        child.lifecycle.demanded()
        said = child.keep(0.0)
        assert said is not None
        assert said.endswith("refusing requests for it for 0.3 s")
        assert waiting.recv(1) == b""
    with pytest.raises(FileNotFoundError):
        knock(door)
    child.keep(0.4)
    knock(door).close()
