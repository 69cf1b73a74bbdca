"""What does a running gateway do when its journal cannot be written, and once it can be again?

The faults are real: a small disk that is full, a limit on the size of files, files that are taken away, a file system
that is frozen. Where a test may not mount anything it takes what it may do instead. One gateway has most of them one
after the other, and is well again after each.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import resource
import shutil
import subprocess
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

import httpx
import pytest

from gateway.audit.note import VerifierKey
from gateway.audit.places import Places
from gateway.audit.verdict import Report
from gateway.audit.verify import verify

Json: TypeAlias = dict[str, Any]
Chunk: TypeAlias = Callable[..., Json]

PATIENCE_S = 30.0
CHAT, SPLIT = "/v1/chat/completions", "/v1/split"
ROUTES = pytest.mark.parametrize("route", [CHAT, SPLIT])
KEY = "planted-root-key"


class Gateway(Protocol):
    @property
    def url(self) -> str: ...


class Exchange(Protocol):
    def open(self, content_type: str = "text/event-stream") -> None: ...
    def write(self, raw: bytes) -> None: ...
    def say(self, *chunks: Json) -> None: ...
    def end(self) -> None: ...


class Staged(Protocol):
    url: str
    automatic: Callable[[Json], Any] | None
    bodies: list[Json]

    def next(self) -> Exchange: ...
    def always(self, body: Json | bytes, **details: Any) -> None: ...


class Wire(Protocol):
    def request(self, path: str, body: bytes | None = None, *, method: str = "POST", **headers: str) -> None: ...
    def until(self, mark: bytes) -> bytes: ...
    def rest(self) -> bytes: ...


Dial: TypeAlias = Callable[[str], Wire]


def asking(route: str, *, stream: bool = False, **more: Any) -> Json:
    body: Json = {"model": "m", "data": "planted-data", "stream": stream, **more}
    if route == CHAT:
        return {**body, "messages": [{"role": "user", "content": "Sum up."}]}
    return {**body, "instructions": "Sum up."}


def answer(text: str = "planted-answer") -> Json:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def until(true: Callable[[], Any]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@dataclass(frozen=True, kw_only=True)
class Site:
    """A gateway with the model ``m``, and the folder of its journals."""

    http: httpx.Client
    url: str
    folder: Path

    def ask(self, route: str, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {KEY}"}
        return self.http.post(route, json=asking(route, **more), headers=headers)

    @property
    def ready(self) -> bool:
        return self.http.get("/readyz").status_code == 200

    @property
    def worker(self) -> int:
        """The process that serves."""
        answered = self.http.get("/admin/policies", headers={"authorization": f"Bearer {KEY}"})
        return int(answered.json()["pid"])

    def records(self) -> list[Json]:
        found: list[Json] = []
        for journal in sorted(self.folder.glob("epochs/*/journal")):
            found += [json.loads(line) for line in journal.read_bytes().split(b"\n")[:-1]]
        return found

    @property
    def journal(self) -> Path:
        """The journal that is written now."""
        return max(self.folder.glob("epochs/*/journal"), key=lambda path: path.stat().st_mtime_ns)

    def report(self) -> Report:
        keys = [VerifierKey.parse(line) for line in (self.folder / "public-key").read_text().splitlines()]
        return verify(Places(self.folder), keys)

    def recovers(self, upstream: Staged) -> None:
        """All is well again, without anybody's doing."""
        until(lambda: self.ready)
        upstream.always(answer())
        for route in (CHAT, SPLIT):
            answered = self.ask(route)
            assert answered.status_code == 200
            request = answered.headers["x-request-id"]
            found = [record["phase"] for record in self.records() if record.get("request") == request]
            assert found == ["intent", "outcome"]


@contextmanager
def serving(run: Callable[..., Gateway], upstream: Staged, state: Path, folder: Path) -> Generator[Site]:
    """A gateway whose journals lie in ``folder``."""
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    target = f'{{provider: openai_compatible, base_url: "{upstream.url}", model: m, format: tool-envelope}}'
    gateway = run(
        f"state_dir: {state}\nkeys: [{{name: root, roles: [app, admin], sha256: {digest}}}]\n"
        f"models: {{m: {{targets: [{target}]}}}}\naudit: {{dir: {folder}}}\n"
    )
    with httpx.Client(base_url=gateway.url, timeout=30, trust_env=False) as http:
        yield Site(http=http, url=gateway.url, folder=folder)


@pytest.fixture(scope="module")
def _kept(
    keep_gateway: Callable[..., Gateway],
    staged_pair: tuple[Staged, Staged],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("faulty")
    with serving(keep_gateway, staged_pair[0], folder / "state", folder / "audit") as site:
        yield site


@pytest.fixture
def site(_kept: Site, first: Staged) -> Site:
    """A gateway that answers, and knows the keys that it needs."""
    first.always(answer())
    assert _kept.ask(SPLIT).status_code == 200
    return _kept


@contextmanager
def no_room(worker: int) -> Generator[None]:
    """Let no file of the process grow."""
    before = resource.prlimit(worker, resource.RLIMIT_FSIZE)
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(worker, resource.RLIMIT_FSIZE, before)


def refused(site: Site, route: str, **more: Any) -> httpx.Response:
    """Be refused, within a second, since nothing can be recorded."""
    began = time.monotonic()
    response = site.ask(route, **more)
    took = time.monotonic() - began
    assert response.status_code == 503, response.text
    assert took < 1.0
    code = response.json()["error"]["code"] if route == CHAT else response.json()["code"]
    assert code == "audit_unavailable"
    assert "planted" not in response.text
    return response


def test_without_room_nothing_passes_and_all_comes_back(site: Site, first: Staged) -> None:
    calls, epoch = len(first.bodies), site.journal.parent.name
    with no_room(site.worker):
        for route in (CHAT, SPLIT):
            for stream in (False, True):
                response = refused(site, route, stream=stream)
                assert response.headers["retry-after"] == "1"
                assert "x-should-retry" not in response.headers
        assert not site.ready
        # Not even for long, when tries to begin a new journal have failed several times.
        time.sleep(1.2)
        refused(site, SPLIT)
        assert not site.ready
        assert len(first.bodies) == calls
    site.recovers(first)
    (started,) = [record for record in site.records() if record.get("after") == epoch]
    assert (started["what"], started["lost"] >= 1) == ("started", True)
    assert not [problem for problem in site.report().problems if problem.epoch == epoch]


@ROUTES
def test_an_answer_whose_outcome_cannot_be_recorded_is_kept_back(site: Site, first: Staged, route: str) -> None:
    answers = first.automatic
    assert answers is not None
    with contextlib.ExitStack() as stack:
        worker = site.worker

        def fill(body: Json) -> Any:
            stack.enter_context(no_room(worker))
            return answers(body)

        first.automatic = fill
        calls = len(first.bodies)
        response = refused(site, route)
        assert len(first.bodies) == calls + 1
        # The upstream has done the work: stock SDKs would otherwise have it done again.
        assert response.headers["x-should-retry"] == "false"
        assert "retry-after" not in response.headers
    site.recovers(first)


@ROUTES
def test_a_stream_whose_outcome_cannot_be_recorded_ends_in_an_error(
    site: Site, first: Staged, dial: Dial, chunk: Chunk, route: str
) -> None:
    first.automatic = None
    wire = dial(site.url)
    body = json.dumps(asking(route, stream=True)).encode()
    wire.request(route, body, authorization=f"Bearer {KEY}", connection="close")
    exchange = first.next()
    exchange.open()
    exchange.say(chunk({"role": "assistant", "content": "planted-answer"}))
    wire.until(b"planted-answer")
    with no_room(site.worker):
        exchange.say(chunk({}, "stop"))
        exchange.write(b"data: [DONE]\n\n")
        exchange.end()
        seen = wire.rest()
    assert b"audit_unavailable" in seen
    assert b"[DONE]" not in seen
    assert b"response.completed" not in seen
    site.recovers(first)


@pytest.mark.parametrize("harm", ["journal", "epoch"])
def test_a_journal_that_is_taken_away_lets_nothing_pass_until_there_is_another(
    site: Site, first: Staged, harm: str
) -> None:
    calls, epoch = len(first.bodies), site.journal.parent.name
    taken = site.journal
    taken.unlink() if harm == "journal" else shutil.rmtree(taken.parent)
    refused(site, SPLIT)
    assert len(first.bodies) == calls
    site.recovers(first)
    kinds = {problem.kind.value for problem in site.report().problems if problem.epoch == epoch}
    assert kinds == {"missing-shard"}


def test_a_stranger_who_holds_the_registry_holds_up_refusals_for_nobody(site: Site, first: Staged) -> None:
    calls = len(first.bodies)
    with (site.folder / ".lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        site.journal.unlink()
        refused(site, SPLIT)
        time.sleep(1.0)
        # The next journal is being begun, and that hangs.
        refused(site, CHAT)
        refused(site, SPLIT, subject="somebody-new")
        assert not site.ready
        assert len(first.bodies) == calls
    site.recovers(first)


def tool(name: str) -> str:
    """Where a program lies; empty if nowhere."""
    return shutil.which(name) or ""


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A small file system of the test's own."""

    folder: Path

    def fill(self) -> None:
        with (self.folder / "ballast").open("wb", buffering=0) as ballast, contextlib.suppress(OSError):
            while ballast.write(b"\0" * 4096):
                pass

    def free(self) -> None:
        (self.folder / "ballast").unlink()

    def freeze(self) -> None:
        subprocess.run([tool("fsfreeze"), "--freeze", self.folder], check=True, timeout=PATIENCE_S)

    def thaw(self) -> None:
        command = [tool("fsfreeze"), "--unfreeze", self.folder]
        subprocess.run(command, check=False, timeout=PATIENCE_S, capture_output=True)


def mounted(tmp_path: Path, *options: str) -> Mount | None:
    """A mount below ``tmp_path``; None where that is not allowed here."""
    folder = tmp_path / "mount"
    folder.mkdir(mode=0o700)
    if not tool("mount"):
        return None
    done = subprocess.run([tool("mount"), *options, folder], check=False, capture_output=True, timeout=PATIENCE_S)
    return Mount(folder=folder) if done.returncode == 0 else None


@contextmanager
def unmounting(mount: Mount | None) -> Generator[Mount | None]:
    try:
        yield mount
    finally:
        if mount is not None:
            if tool("fsfreeze"):
                mount.thaw()
            subprocess.run([tool("umount"), "--lazy", mount.folder], check=True, timeout=PATIENCE_S)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Mount | None]:
    """A file system of 512 KiB in memory."""
    with unmounting(mounted(tmp_path, "-t", "tmpfs", "-o", "size=512k,mode=700", "tmpfs")) as mount:
        yield mount


@pytest.fixture
def freezing_disk(tmp_path: Path) -> Iterator[Mount | None]:
    """A file system in a file, which can be frozen: whoever writes to it then waits."""
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 16 * 2**20)
    made = bool(tool("mkfs.ext4") and tool("fsfreeze") and tool("mount"))
    if made:
        subprocess.run([tool("mkfs.ext4"), "-q", image], check=True, timeout=PATIENCE_S)
    with unmounting(mounted(tmp_path, "-o", "loop", str(image)) if made else None) as mount:
        yield mount


@contextmanager
def full(site: Site, disk: Mount | None) -> Generator[None]:
    """No room on the disk; where there is none of its own, none for the process."""
    if disk is None:
        with no_room(site.worker):
            yield
        return
    disk.fill()
    try:
        yield
    finally:
        disk.free()


def test_a_gateway_starts_on_a_full_disk_serves_once_there_is_room_and_stops_when_there_is_none(
    run_gateway: Callable[..., Gateway], small_disk: Mount | None, first: Staged, tmp_path: Path
) -> None:
    if small_disk is None:
        # A folder that cannot be made does as well.
        folder, room = tmp_path / "file" / "audit", (tmp_path / "file").unlink
        (tmp_path / "file").touch()
    else:
        folder, room = small_disk.folder / "audit", small_disk.free
        small_disk.fill()
    with serving(run_gateway, first, tmp_path / "state", folder) as site:
        assert not site.ready
        refused(site, SPLIT)
        refused(site, CHAT, stream=True)
        assert not first.bodies
        room()
        site.recovers(first)
        with full(site, small_disk):
            # What is left of the journal's last block is used up first.
            answered = 0
            while site.ask(SPLIT).status_code == 200:
                answered += 1
            assert answered < 20
            calls = len(first.bodies)
            for route in (CHAT, SPLIT):
                refused(site, route)
                refused(site, route, stream=True, subject="somebody-new")
            assert len(first.bodies) == calls
            assert not site.ready
        site.recovers(first)
        outcomes = [record for record in site.records() if record["phase"] == "outcome" and record["status"] == 200]
        assert len(outcomes) >= 2 + answered + 2
        assert site.report().problems == ()


def test_a_disk_that_hangs_refuses_within_a_second_and_goes_on_when_it_does(
    run_gateway: Callable[..., Gateway], freezing_disk: Mount | None, first: Staged, tmp_path: Path
) -> None:
    folder = (tmp_path if freezing_disk is None else freezing_disk.folder) / "audit"
    first.always(answer())
    with serving(run_gateway, first, tmp_path / "state", folder) as site:
        assert site.ask(SPLIT).status_code == 200
        with frozen(site, freezing_disk):
            calls = len(first.bodies)
            for route in (SPLIT, CHAT):
                refused(site, route)
                refused(site, route, stream=True)
                # Whose key is not known yet, and cannot be made.
                refused(site, route, subject="somebody-new")
                # What is large is read beside the event loop.
                refused(site, route, data="x" * 100_000)
            assert not site.ready
            assert len(first.bodies) == calls
        site.recovers(first)
        assert site.report().problems == ()


@contextmanager
def frozen(site: Site, disk: Mount | None) -> Generator[None]:
    """The disk hangs; where there is none that could, the beginning of the next journal does."""
    if disk is None:
        with (site.folder / ".lock").open("rb") as lock, no_room(site.worker):
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        return
    # Should this process end in between, nothing that waits for the disk could be ended any more.
    script = 'sleep 30; exec "$0" --unfreeze "$1"'
    command = [tool("sh"), "-c", script, tool("fsfreeze"), str(disk.folder)]
    rescue = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        disk.freeze()
        yield
    finally:
        disk.thaw()
        rescue.kill()
        rescue.wait()
