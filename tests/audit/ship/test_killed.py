"""What is left when whoever ships is killed, again and again, at any moment?"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from gateway.audit.assemble import assemble
from gateway.audit.note import SigningKey
from gateway.audit.places import EpochPlaces, Places
from gateway.audit.ship.s3_store import Bucket
from gateway.audit.verify import verify

Begin = Callable[[], EpochPlaces]
Fill = Callable[..., None]
Finish = Callable[..., None]
Attest = Callable[[EpochPlaces], bytes]
Eventually = Callable[[Callable[[], bool]], None]


class Hook(Protocol):
    url: str

    @property
    def lines(self) -> list[bytes]: ...


class Store(Protocol):
    bucket: Bucket
    objects: dict[str, bytes]

    def download(self, folder: Path) -> Path: ...


# Forks a shipper for each line that it reads, so that none of them has to load anything.
FORKING = """
import asyncio, os, sys
from pathlib import Path
from gateway.audit.places import Places
from gateway.audit.ship.anchor_directory import DirectoryAnchor
from gateway.audit.ship.anchoring import Anchoring
from gateway.audit.ship.cursor import Cursor
from gateway.audit.ship.directory import DirectorySink
from gateway.audit.ship.pace import Pace
from gateway.audit.ship.running import alone, run
from gateway.audit.ship.s3 import S3Sink
from gateway.audit.ship.s3_store import Bucket, S3Store
from gateway.audit.ship.shipping import Shipping
from gateway.audit.ship.sigv4 import S3Key
from gateway.audit.ship.source import Source
from gateway.audit.ship.webhook import WebhookSink
from gateway.domain.target import Secret

places, elsewhere, url = Places(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
endpoint, bucket, prefix, id_, secret, region = sys.argv[4:]
key = S3Key(access_key_id=Secret(id_), secret_access_key=Secret(secret), region=region)
# Made before, since each loads certificates for longer than a shipper lives here.
hook = WebhookSink(url, None, 5.0)
objects = S3Store(Bucket(endpoint=endpoint, bucket=bucket, prefix=prefix, key=key, timeout_s=5.0))
pace = Pace(poll_s=0.01, first_s=0.01, save_s=0.02, anchor_s=0.0)

async def ship():
    stopping = asyncio.Event()
    cursor = lambda name: Cursor(places.ship / f"{name}.json", pace.save_s)
    async with alone(places, pace, stopping):
        copy = DirectorySink("copy", elsewhere / "copy", places, 5.0)
        store = S3Sink("store", objects, places, cursor("store.beside"))
        anchor = DirectoryAnchor(elsewhere / "anchor", 5.0)
        shippings = [Shipping("copy", copy, cursor("copy"), 20, pace), Shipping("hook", hook, cursor("hook"), 20, pace)]
        # Each process cuts its batches otherwise, and notes seldom how far it is.
        seldom = Cursor(places.ship / "store.json", 60.0)
        shippings += [Shipping("store", store, seldom, 5 + os.getpid() % 7, pace)]
        anchorings = [
            Anchoring("anchor", anchor, cursor("anchor"), places=places, pace=pace, on_fork=lambda: os._exit(9))
        ]
        await run(Source(places), shippings, anchorings, pace=pace, stopping=stopping, on_unshipped=lambda _: None)

for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        asyncio.run(ship())
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for part in ("registry", "epochs")
        for path in (root / part).rglob("*")
        if path.is_file() and path.stat().st_size
    }


def named(bucket: Bucket) -> list[str]:
    key = bucket.key
    secrets = (key.access_key_id.reveal(), key.secret_access_key.reveal())
    return [bucket.endpoint, bucket.bucket, bucket.prefix, *secrets, key.region]


def brought_back(store: Store, elsewhere: Path) -> Path:
    """What the bucket holds just then, as a folder of journals."""
    for name in ("objects", "back"):
        shutil.rmtree(elsewhere / name, ignore_errors=True)
    assemble(store.download(elsewhere / "objects"), elsewhere / "back")
    return elsewhere / "back"


def killed_at_random(times: int, command: list[str], work: Callable[[int], None], seed: int) -> None:
    """Start and kill shippers, with ``work`` done meanwhile."""
    chance = random.Random(seed)  # noqa: S311
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as forking:
        assert forking.stdin is not None
        assert forking.stdout is not None
        for number in range(times):
            print("again", file=forking.stdin, flush=True)
            child = int(forking.stdout.readline())
            work(number)
            time.sleep(chance.uniform(0.0, 0.3))
            os.kill(child, signal.SIGKILL)
            assert os.WTERMSIG(int(forking.stdout.readline())) == signal.SIGKILL
        forking.stdin.close()


@pytest.mark.parametrize("times", [12, pytest.param(120, marks=pytest.mark.exhaustive)])
def test_a_shipper_that_is_killed_loses_nothing_and_doubles_nothing_in_a_copy(
    places: Places, elsewhere: Path, hook: Hook, store: Store, signing_key: SigningKey, begin: Begin, fill: Fill,
    attest: Attest, finish: Finish, eventually: Eventually, times: int,
) -> None:  # fmt: skip
    (elsewhere / "copy").mkdir()
    (elsewhere / "anchor").mkdir()
    epochs = [begin(), begin()]

    def work(number: int) -> None:
        for epoch in epochs[-2:]:
            fill(epoch, 40)
            attest(epoch)
        if number % 6 == 5 and number < 60:
            finish(epochs[-2], "closed")
            epochs.append(begin())

    command = [sys.executable, "-c", FORKING, str(places.root), str(elsewhere), hook.url, *named(store.bucket)]
    killed_at_random(times, command, work, seed=times)
    # They lived long enough to hand something over.
    assert hook.lines
    assert store.objects
    lines = {epoch.epoch: epoch.journal.read_bytes().split(b"\n")[:-1] for epoch in epochs}

    def got(epoch: str) -> list[bytes]:
        return list(dict.fromkeys([line for line in hook.lines if epoch.encode() in line]))

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as last:
        assert last.stdin is not None
        assert last.stdout is not None
        print("again", file=last.stdin, flush=True)
        child = int(last.stdout.readline())
        try:
            eventually(lambda: files(elsewhere / "copy") == files(places.root))
            eventually(lambda: all(got(epoch) == expected for epoch, expected in lines.items()))
            eventually(lambda: len(list((elsewhere / "anchor").glob("*/registry/*"))) == len(places.entries()))
            eventually(lambda: files(brought_back(store, elsewhere)) == files(places.root))
        finally:
            os.kill(child, signal.SIGKILL)
            last.communicate()
    report = verify(Places(brought_back(store, elsewhere)), [signing_key.verifier])
    assert (report.problems, report.signed) == ((), 80 * times)
