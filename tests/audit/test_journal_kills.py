"""What is left when the process is killed at any step of the write path?"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from gateway.audit.journal import Journal, Plan
from gateway.audit.note import SigningKey
from gateway.audit.places import Places
from gateway.audit.verdict import Kind
from gateway.audit.verify import verify

NAME = "test.example/audit"
# A life of a process: it begins an epoch, writes 12 intents of three writers and notes beside them, rolls, and closes.
RECORDS = 4
CUTS = (0.0, 0.5, 1.0)
# Steps of one such life; grouping is up to the scheduler, so that it is some more or fewer.
LIFE = 170

Kill = Callable[..., set[str]]


@pytest.fixture(scope="module")
def _server() -> Iterator["subprocess.Popen[str]"]:
    script = Path(__file__).with_name("dying_writer.py")
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        yield server
        assert server.stdin is not None
        server.stdin.close()


@pytest.fixture
def live(_server: "subprocess.Popen[str]") -> Callable[..., dict[str, Any]]:
    """Have a process live in ``folder``: without ``last`` to its end, else up to that step."""

    def order(folder: Path, last: int = 0, *, cut: float = 0.5, seeds: tuple[int, ...] = (7,)) -> dict[str, Any]:
        rounds = 9 if last else 1
        wish = {"folder": str(folder), "marks": str(_marks(folder)), "last": last, "cut": cut, "seeds": seeds}
        wish |= {"rounds": rounds, "records": RECORDS}
        assert _server.stdin is not None
        assert _server.stdout is not None
        _server.stdin.write(json.dumps(wish) + "\n")
        _server.stdin.flush()
        return json.loads(_server.stdout.readline())

    return order


@pytest.fixture
def kill(live: Callable[..., dict[str, Any]]) -> Kill:
    """Have a process live in ``folder`` until it is killed at step ``last``; the events that it had acknowledged."""

    def order(folder: Path, last: int, **how: Any) -> set[str]:
        answer = live(folder, last, **how)
        assert answer["killed"], answer
        return set(answer["events"])

    return order


@dataclass
class Left:
    """What an epoch's files held, read without the help of what wrote them."""

    journal: bytes
    checkpoints: bytes
    lines: list[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.journal.split(b"\n")[:-1]

    @property
    def torn(self) -> int:
        return len(self.journal) - sum(len(line) + 1 for line in self.lines)


def _left(folder: Path) -> dict[str, Left]:
    found: dict[str, Left] = {}
    for epoch in (folder / "epochs").glob("*"):
        files = [epoch / "journal", epoch / "checkpoints"]
        found[epoch.name] = Left(*[path.read_bytes() if path.exists() else b"" for path in files])
    return found


def _registered(folder: Path) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted((folder / "registry").glob("[0-9]*")):
        entry = json.loads(path.read_bytes().partition(b"\n")[0])
        found.setdefault(entry["epoch"], []).append(entry)
    return found


def _signed(checkpoints: bytes, key: str, second: Any) -> int:
    """The size of the last whole note that ``key`` signed."""
    size = 0
    paragraphs = checkpoints.split(b"\n\n")
    for text, signatures in pairwise(paragraphs[:-1]):
        note = text + b"\n\n" + signatures + b"\n"
        if signatures.startswith("— ".encode()) and second.note_text(note, key) is not None:
            size = int(text.split(b"\n")[1])
    return size


def _marks(folder: Path) -> Path:
    """Where it is kept how far the journals of ``folder`` have come."""
    return folder.with_name(f"{folder.name}-marks")


async def _open_and_close(folder: Path, keys: list[SigningKey]) -> None:
    plan = Plan(
        folder=folder, name=NAME, keys=keys, process="worker", build="0", deadline_s=30.0, marks=_marks(folder)
    )  # fmt: skip
    async with Journal(plan) as journal:
        await journal.write("intent", {"request": "afterwards"})


async def _check(folder: Path, acknowledged: set[str], second: Any, seeds: tuple[int, ...] = (7,)) -> int:
    """Nothing that was acknowledged is missing, and what is left is sealed as it is; how many epochs were sealed."""
    keys = [SigningKey(NAME, bytes([seed]) * 32) for seed in seeds]
    before, already = _left(folder), _registered(folder)
    there = {json.loads(line)["event"] for left in before.values() for line in left.lines}
    assert acknowledged <= there
    await _open_and_close(folder, keys)
    after, registered = _left(folder), _registered(folder)
    for epoch, left in before.items():
        if epoch not in registered:
            # It was never begun: nothing stood in it.
            assert left == Left(b"", b"")
            assert epoch not in after
            continue
        assert after[epoch].journal == left.journal
        assert after[epoch].checkpoints.startswith(left.checkpoints)
        _check_ended(left, registered[epoch], second)
        if len(already.get(epoch, [])) < len(registered[epoch]):
            own = _signed(left.checkpoints, str(keys[0].verifier), second)
            # Of whoever was killed while sealing, the signature counts for no more than it is.
            assert registered[epoch][-1]["signed"] <= own
    report = verify(Places(folder), [key.verifier for key in keys])
    assert report.problems == ()
    _check_notices(report.notices, registered)
    return sum(entries[-1]["entry"] == "sealed" for entries in registered.values())


def _check_ended(left: Left, entries: list[dict[str, Any]], second: Any) -> None:
    assert [entry["entry"] for entry in entries] in (["opened", "closed"], ["opened", "sealed"])
    end = entries[-1]
    assert end["size"] == len(left.lines)
    assert end["root"] == second.mth([second.leaf(line) for line in left.lines]).hex()
    assert end.get("torn", 0) == left.torn
    prev = "0" * 64
    for number, line in enumerate(left.lines):
        fields = json.loads(line)
        assert (fields["event"], fields["prev"]) == (f"{end['epoch']}.{number}", prev)
        prev = second.leaf(line).hex()


def _check_notices(notices: Any, registered: dict[str, list[dict[str, Any]]]) -> None:
    told = {(finding.kind, finding.epoch, finding.position) for finding in notices}
    for epoch, entries in registered.items():
        end = entries[-1]
        assert ((Kind.TORN_TAIL, epoch, end["size"]) in told) >= bool(end.get("torn"))
        late = end["entry"] == "sealed" and end["size"] > end["signed"]
        assert ((Kind.UNSIGNED_TAIL, epoch, end["signed"]) in told) == late


@pytest.mark.parametrize("number", range(14))
async def test_no_acknowledged_record_is_lost_wherever_the_process_is_killed(
    number: int, tmp_path: Path, kill: Kill, second: Any
) -> None:
    # From the first step, at which nothing is there, into the next life, which begins after a close.
    events = kill(tmp_path / "audit", 1 + number * (LIFE + 30) // 13, cut=CUTS[number % 3])
    await _check(tmp_path / "audit", events, second)


async def test_a_record_torn_by_a_kill_stays_as_it_is(tmp_path: Path, kill: Kill, second: Any) -> None:
    step, folder, events = 60, tmp_path / "60", set[str]()
    while not any(left.torn for left in _left(folder).values()):
        step += 1
        folder = tmp_path / str(step)
        events = kill(folder, step)
    assert await _check(folder, events, second) == 1


async def test_sealing_may_be_killed_again_and_again(tmp_path: Path, kill: Kill, second: Any) -> None:
    events = kill(tmp_path / "audit", 100)
    for step in (20, 26, 30, 36, 42, 70):
        events |= kill(tmp_path / "audit", step)
    assert await _check(tmp_path / "audit", events, second) >= 2


async def test_what_a_killed_sealer_signed_is_not_taken_for_the_epochs_own(
    tmp_path: Path, kill: Kill, second: Any
) -> None:
    key = str(SigningKey(NAME, bytes([7]) * 32).verifier)
    first, own, events, left, folder = 60, 0, set[str](), Left(b"", b""), tmp_path
    while own == len(left.lines):
        # In a folder of its own, which is left with records that are not signed.
        first += 3
        folder = tmp_path / str(first) / "audit"
        events = kill(folder, first)
        (left,) = _left(folder).values()
        own = _signed(left.checkpoints, key, second)
    step = 1
    while not _signed_all(folder, left, key, second):
        kill(folder, step)
        step += 1
    await _check(folder, events, second)
    (sealed,) = [entries[-1] for entries in _registered(folder).values() if entries[-1]["entry"] == "sealed"]
    assert (sealed["signed"], sealed["size"]) == (own, len(left.lines))


def _signed_all(folder: Path, left: Left, key: str, second: Any) -> bool:
    return any(
        now.journal == left.journal and _signed(now.checkpoints, key, second) == len(left.lines)
        for now in _left(folder).values()
    )


async def test_a_life_that_nobody_ends_leaves_nothing_to_tell(
    tmp_path: Path, live: Callable[..., dict[str, Any]], second: Any
) -> None:
    answer = live(tmp_path / "audit")
    assert (answer["killed"], answer["code"]) == (False, 0)
    assert LIFE * 0.8 < answer["steps"] < LIFE * 1.5
    assert await _check(tmp_path / "audit", set(answer["events"]), second) == 0
    assert verify(Places(tmp_path / "audit"), [SigningKey(NAME, bytes([7]) * 32).verifier]).findings == ()


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(10))
async def test_every_step_of_a_life_may_be_the_last(part: int, tmp_path: Path, kill: Kill, second: Any) -> None:
    for step in range(1 + part, LIFE + 80, 10):
        folder = tmp_path / str(step)
        await _check(folder, kill(folder, step, cut=CUTS[step % 3]), second)


@pytest.mark.exhaustive
@pytest.mark.parametrize("part", range(10))
async def test_every_step_of_sealing_may_be_the_last(part: int, tmp_path: Path, kill: Kill, second: Any) -> None:
    # Two keys, as while they are rotated.
    seeds = (7, 8)
    for step in range(1 + part, 101, 10):
        for first in (60 + step % 90, 90 + step % 60):
            folder = tmp_path / f"{step}-{first}"
            events = kill(folder, first, cut=CUTS[step % 3], seeds=seeds)
            events |= kill(folder, step, cut=CUTS[first % 3], seeds=seeds)
            await _check(folder, events, second, seeds)


@pytest.mark.exhaustive
async def test_a_folder_survives_a_hundred_kills(tmp_path: Path, kill: Kill, second: Any) -> None:
    events: set[str] = set()
    for number in range(100):
        events |= kill(tmp_path / "audit", 5 + number * 37 % 200, cut=CUTS[number % 3])
    await _check(tmp_path / "audit", events, second)
