import asyncio
import time
from collections.abc import Awaitable, Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.anchor_directory import DirectoryAnchor
from gateway.audit.ship.anchoring import Anchoring
from gateway.audit.ship.batch import Batch
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.directory import DirectorySink
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.running import alone, run
from gateway.audit.ship.shipping import Shipping
from gateway.audit.ship.sink import Sink
from gateway.audit.ship.source import Seen, Source

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Attest = Callable[[EpochPlaces], bytes]
Until = Callable[[Callable[[], bool]], Awaitable[None]]


@dataclass
class Gated:
    """A sink that hangs until its gate is opened."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    records: int = 0

    async def deliver(self, batch: Batch) -> None:
        await self.gate.wait()
        self.records += batch.count

    async def accompany(self, seen: Seen, cursor: Cursor, disputed: AbstractSet[str]) -> bool:
        del seen, cursor, disputed
        return False

    async def close(self) -> None:
        """Nothing is open."""


def shipping_to(sink: Sink, name: str, places: Places, pace: Pace) -> Shipping:
    return Shipping(name, sink, Cursor(places.ship / f"{name}.json"), 100, pace)


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def ignore() -> None:
    """Stand in for a callback."""


async def test_one_that_hangs_holds_up_no_other_and_is_what_the_counter_tells(
    places: Places, elsewhere: Path, begin: Begin, fill: Fill, attest: Attest, until: Until, pace: Pace
) -> None:
    epoch, hung, told, stopping = begin(), Gated(), list[int](), asyncio.Event()
    (elsewhere / "copy").mkdir()
    (elsewhere / "anchor").mkdir()
    copying = shipping_to(DirectorySink("copy", elsewhere / "copy", places, 5.0), "copy", places, pace)
    anchoring = Anchoring(
        "witness", DirectoryAnchor(elsewhere / "anchor", 5.0), Cursor(places.ship / "witness.json"),
        places=places, pace=pace, on_fork=ignore,
    )  # fmt: skip
    shippings = [shipping_to(hung, "hung", places, pace), copying]
    task = asyncio.create_task(
        run(Source(places), shippings, [anchoring], pace=pace, stopping=stopping, on_unshipped=told.append)
    )
    copy = Places(elsewhere / "copy").epoch(epoch.epoch)
    for _ in range(5):
        fill(epoch, 100)
        attest(epoch)
        await until(lambda: copy.journal.exists() and copy.journal.read_bytes() == epoch.journal.read_bytes())
        await until(lambda: len(list((elsewhere / "anchor").glob(f"*/{epoch.epoch}/*"))) > 0)
    assert told[-1] == 500
    hung.gate.set()
    await until(lambda: told[-1] == 0)
    stopping.set()
    await task
    assert hung.records == 500


async def test_what_is_left_at_the_end_is_handed_over(
    places: Places, elsewhere: Path, begin: Begin, fill: Fill, pace: Pace
) -> None:
    epoch, told, stopping = begin(), list[int](), asyncio.Event()
    copying = shipping_to(DirectorySink("copy", elsewhere, places, 5.0), "copy", places, pace)
    stopping.set()
    fill(epoch, 5000)
    await run(Source(places), [copying], [], pace=pace, stopping=stopping, on_unshipped=told.append)
    assert Places(elsewhere).epoch(epoch.epoch).journal.read_bytes() == epoch.journal.read_bytes()
    assert told == [5000, 0]


async def test_one_that_hangs_at_the_end_is_left(places: Places, begin: Begin, fill: Fill, pace: Pace) -> None:
    told, stopping = list[int](), asyncio.Event()
    stopping.set()
    fill(begin(), 5)
    hung = shipping_to(Gated(), "hung", places, pace)
    began = time.monotonic()
    await run(Source(places), [hung], [], pace=replace(pace, grace_s=0.1), stopping=stopping, on_unshipped=told.append)
    assert time.monotonic() - began < 3.0
    assert told[-1] == 5


async def test_only_one_process_ships(places: Places, pace: Pace, until: Until) -> None:
    order: list[str] = []
    let_go = asyncio.Event()

    async def ship(name: str, stopping: asyncio.Event) -> None:
        async with alone(places, pace, stopping) as lock_held:
            order.append(f"{name} {lock_held}")
            await let_go.wait()

    first = asyncio.create_task(ship("first", asyncio.Event()))
    await until(lambda: order == ["first True"])
    told_to_stop = asyncio.Event()
    second, third = (
        asyncio.create_task(ship("second", told_to_stop)),
        asyncio.create_task(ship("third", asyncio.Event())),
    )
    await asyncio.sleep(0.05)
    told_to_stop.set()
    await until(lambda: order == ["first True", "second False"])
    let_go.set()
    await asyncio.gather(first, second, third)
    assert order[2:] == ["third True"]


async def test_what_a_killed_one_left_half_written_is_taken_away(places: Places, pace: Pace) -> None:
    places.ship.mkdir()
    for name in (".hook.json.0123456789abcdef", "hook.json"):
        (places.ship / name).write_bytes(b"{")
    async with alone(places, pace, asyncio.Event()):
        assert names_in(places.ship) == {".lock", "hook.json"}


async def test_journals_that_are_not_there_yet_are_waited_for(places: Places, pace: Pace, until: Until) -> None:
    later, ours = Places(places.root / "later"), list[bool]()

    async def ship() -> None:
        async with alone(later, pace, asyncio.Event()) as lock_held:
            ours.append(lock_held)

    task = asyncio.create_task(ship())
    await asyncio.sleep(0.05)
    assert not ours
    later.root.mkdir()
    await until(lambda: ours == [True])
    await task
