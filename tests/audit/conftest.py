"""What the tests of the audit share: a second implementation of the published formats, and a writer of journals.

Neither rests on ``gateway.audit``: both follow RFC 6962, RFC 9162, the C2SP pages and ``docs/audit-format.md``. Only
``problems`` runs the code that is tested.
"""

import asyncio
import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.audit.disk import Disk
from gateway.audit.note import SigningKey, VerifierKey
from gateway.audit.places import Places
from gateway.audit.plan import Plan
from gateway.audit.verdict import Report
from gateway.audit.verify import verify

NAME = "test.example/audit"
START = 1_760_000_000_000_000


def leaf(line: bytes) -> bytes:
    return hashlib.sha256(b"\0" + line).digest()


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def mth(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, by its recursive definition; of leaf hashes."""
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node(mth(leaves[:split]), mth(leaves[split:]))


def included(index: int, size: int, hashed: bytes, path: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162, 2.1.3.2."""
    if index >= size:
        return False
    fn, sn, r = index, size - 1, hashed
    for p in path:
        if sn == 0:
            return False
        if fn % 2 == 1 or fn == sn:
            r = node(p, r)
            if fn % 2 == 0:
                while fn % 2 == 0 and fn != 0:
                    fn //= 2
                    sn //= 2
        else:
            r = node(r, p)
        fn //= 2
        sn //= 2
    return sn == 0 and r == root


def consistent(first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes) -> bool:
    """RFC 9162, 2.1.4.2."""
    if first == second:
        return not path and first_root == second_root
    if not path:
        return False
    steps = [first_root, *path] if first & (first - 1) == 0 else [*path]
    fn, sn = first - 1, second - 1
    while fn % 2 == 1:
        fn //= 2
        sn //= 2
    fr = sr = steps[0]
    for c in steps[1:]:
        if sn == 0:
            return False
        if fn % 2 == 1 or fn == sn:
            fr, sr = node(c, fr), node(c, sr)
            while fn % 2 == 0 and fn != 0:
                fn //= 2
                sn //= 2
        else:
            sr = node(sr, c)
        fn //= 2
        sn //= 2
    return fr == first_root and sr == second_root and sn == 0


def subproof(first: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """RFC 6962, 2.1.2, by its recursive definition."""
    if first == len(leaves):
        return [] if whole else [mth(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if first <= split:
        return [*subproof(first, leaves[:split], whole=whole), mth(leaves[split:])]
    return [*subproof(first - split, leaves[split:], whole=False), mth(leaves[:split])]


def note_text(note: bytes, key: str) -> str | None:
    """The text of a note if ``key`` (NAME+ID+KEY) signed it."""
    name, key_id, encoded = key.split("+", 2)
    raw = base64.b64decode(encoded)
    assert raw[0] == 1
    assert hashlib.sha256(name.encode() + b"\n" + raw).hexdigest()[:8] == key_id
    body = note.decode()
    cut = body.rindex("\n\n")
    text = body[: cut + 1]
    for line in body[cut + 2 :].splitlines():
        dash, signer, signature = line.split(" ")
        blob = base64.b64decode(signature)
        if (dash, signer, blob[:4].hex()) == ("—", name, key_id):
            try:
                Ed25519PublicKey.from_public_bytes(raw[1:]).verify(blob[4:], text.encode())
            except InvalidSignature:
                return None
            return text
    return None


def proof_holds(proof: bytes, key: str, line: bytes) -> bool:
    """c2sp.org/tlog-proof, read from its page."""
    head, note = proof.split(b"\n\n", 1)
    lines = head.decode().split("\n")
    assert lines.pop(0) == "c2sp.org/tlog-proof@v1"
    if lines[0].startswith("extra "):
        lines.pop(0)
    index = int(lines.pop(0).removeprefix("index "))
    text = note_text(note, key)
    if text is None:
        return False
    _, size, root, end = text.split("\n")
    assert end == ""
    return included(index, int(size), leaf(line), [base64.b64decode(one) for one in lines], base64.b64decode(root))


@pytest.fixture(scope="session")
def second() -> Any:
    """The second implementation."""
    return SimpleNamespace(
        leaf=leaf,
        mth=mth,
        included=included,
        consistent=consistent,
        subproof=subproof,
        note_text=note_text,
        proof_holds=proof_holds,
    )


class Signer:
    """A key whose bytes are always the same."""

    def __init__(self, seed: int = 7, name: str = NAME) -> None:
        self.name = name
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        raw = b"\1" + self._key.public_key().public_bytes_raw()
        self._id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
        self.public = f"{name}+{self._id.hex()}+{base64.b64encode(raw).decode()}"

    def note(self, log: str, size: int, root: bytes) -> bytes:
        text = f"{self.name}/{log}\n{size}\n{base64.b64encode(root).decode()}\n"
        blob = base64.b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {blob}\n".encode()


def canonical(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


class Journals:
    """Writes a folder of journals as ``docs/audit-format.md`` has it."""

    def __init__(self, root: Path, signer: Signer) -> None:
        self.root = root
        self.signer = signer
        self.public = signer.public
        self.registered: list[bytes] = []
        self._time = START
        (root / "registry").mkdir(parents=True)
        (root / "epochs").mkdir()

    def _now(self) -> int:
        self._time += 1_000
        return self._time

    def folder(self, epoch: str) -> Path:
        return self.root / "epochs" / epoch

    def register(self, entry: str, epoch: str, **more: Any) -> None:
        leaves = [leaf(line) for line in self.registered]
        number = len(leaves) + 1
        line = canonical(
            {
                "v": 1,
                "entry": entry,
                "number": number,
                "prev": leaves[-1].hex() if leaves else "0" * 64,
                "time": self._now(),
                "epoch": epoch,
                **more,
            }
        )
        self.registered.append(line)
        note = self.signer.note("registry", number, mth([*leaves, leaf(line)]))
        (self.root / "registry" / f"{number:08d}").write_bytes(line + b"\n\n" + note)

    def seen_registry(self) -> dict[str, Any]:
        return {"size": len(self.registered), "root": mth([leaf(line) for line in self.registered]).hex()}

    def record(self, epoch: str, number: int, prev: bytes | None, **more: Any) -> bytes:
        """One line; ``prev`` is the line before."""
        return canonical(
            {
                "v": 1,
                "phase": "outcome",
                "event": f"{epoch}.{number}",
                "prev": "0" * 64 if prev is None else leaf(prev).hex(),
                "time": self._now(),
                "build": "0.1.0",
                "request": f"{number:032x}",
                "actor": {"key": "schlüssel", "tenant": "t", "method": "api_key"},
                **more,
            }
        )

    def lines(self, epoch: str, count: int, *, blobs: bool = False) -> list[bytes]:
        """Chained lines; every third is a heartbeat."""
        made: list[bytes] = []
        content = b""
        for number in range(count):
            more: dict[str, Any] = {}
            if number % 3 == 0:
                more = {"phase": "heartbeat", "registry": self.seen_registry()}
            elif blobs:
                blob = f"sealed {epoch} {number}".encode()
                digest = hashlib.sha256(blob).hexdigest()
                more = {"segments": [{"id": "s1", "blob": f"{len(content)}:{len(blob)}:{digest}"}]}
                content += blob
            made.append(self.record(epoch, number, made[-1] if made else None, **more))
        if blobs:
            self.folder(epoch).mkdir(exist_ok=True)
            (self.folder(epoch) / "blobs").write_bytes(content)
        return made

    def note(self, epoch: str, lines: Sequence[bytes]) -> bytes:
        return self.signer.note(epoch, len(lines), mth([leaf(line) for line in lines]))

    def write(self, epoch: str, lines: Sequence[bytes], sizes: Sequence[int], torn: bytes = b"") -> None:
        """The files of an epoch, with checkpoints of these sizes."""
        folder = self.folder(epoch)
        folder.mkdir(exist_ok=True)
        (folder / "journal").write_bytes(b"".join(line + b"\n" for line in lines) + torn)
        (folder / "checkpoints").write_bytes(b"".join(self.note(epoch, lines[:size]) + b"\n" for size in sizes))

    def open(
        self, epoch: str, count: int, sizes: Sequence[int], torn: bytes = b"", *, blobs: bool = False
    ) -> list[bytes]:
        """An epoch that has begun, and has no end."""
        self.register("opened", epoch, process="worker")
        lines = self.lines(epoch, count, blobs=blobs)
        self.write(epoch, lines, sizes, torn)
        return lines

    def end(self, entry: str, epoch: str, lines: Sequence[bytes], **more: Any) -> None:
        self.register(entry, epoch, size=len(lines), root=mth([leaf(line) for line in lines]).hex(), **more)

    def closed(self, epoch: str, count: int, sizes: Sequence[int], *, blobs: bool = False) -> list[bytes]:
        lines = self.open(epoch, count, sizes, blobs=blobs)
        self.end("closed", epoch, lines, signed=count, cause="stopped")
        return lines

    def sealed(self, epoch: str, count: int, sizes: Sequence[int], torn: bytes) -> list[bytes]:
        """``sizes`` are of the checkpoints of its own process."""
        lines = self.open(epoch, count, [*sizes, count], torn)
        self.end("sealed", epoch, lines, signed=max(sizes, default=0), torn=len(torn), cause="crash", by="x")
        return lines

    def prune(self, epoch: str, lines: Sequence[bytes]) -> None:
        self.end("pruned", epoch, lines, by="x")
        (self.folder(epoch) / "journal").unlink()
        (self.folder(epoch) / "blobs").unlink(missing_ok=True)

    def anchor(self, folder: Path, log: str, size: int, root: bytes) -> Path:
        """Keep a checkpoint elsewhere."""
        path = folder / self.signer.name.replace("/", "~") / log / f"{size:016d}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.signer.note(log, size, root))
        return path

    def damage(self, epoch: str, lines: Sequence[bytes], torn: bytes = b"") -> None:
        """Put other lines in the journal, and leave all else."""
        (self.folder(epoch) / "journal").write_bytes(b"".join(line + b"\n" for line in lines) + torn)


EPOCHS = SimpleNamespace(
    closed="20260101T000000Z-0000000a",
    sealed="20260102T000000Z-0000000b",
    pruned="20260103T000000Z-0000000c",
    open="20260104T000000Z-0000000d",
    other="20260105T000000Z-0000000e",
)


@pytest.fixture(scope="session")
def epochs() -> Any:
    """Names of epochs."""
    return EPOCHS


@pytest.fixture
def new_journals(tmp_path: Path) -> Callable[..., Journals]:
    """Begin a folder of journals."""

    def make(folder: str = "audit", *, seed: int = 7, name: str = NAME) -> Journals:
        return Journals(tmp_path / folder, Signer(seed, name))

    return make


@pytest.fixture
def journals(new_journals: Callable[..., Journals]) -> Any:
    """A folder with a closed, a sealed, a pruned and an open epoch; ``lines`` are theirs, by name."""
    made = new_journals()
    lines = {
        EPOCHS.closed: made.closed(EPOCHS.closed, 13, (4, 8, 13), blobs=True),
        EPOCHS.sealed: made.sealed(EPOCHS.sealed, 7, (4,), b'{"cut":"o'),
        EPOCHS.pruned: made.closed(EPOCHS.pruned, 5, (2, 5)),
    }
    made.prune(EPOCHS.pruned, lines[EPOCHS.pruned])
    lines[EPOCHS.open] = made.open(EPOCHS.open, 9, (3, 6))
    return SimpleNamespace(maker=made, lines=lines, root=made.root, public=made.public)


@pytest.fixture(scope="session")
def problems() -> Callable[..., set[tuple[str, str, int | None]]]:
    """Verify a folder; its problems (or, with ``notices``, its notices) as class, epoch and position."""

    def run(
        root: Path, *publics: str, anchors: Sequence[Path] = (), notices: bool = False, tolerance_s: float = 1.0
    ) -> set[tuple[str, str, int | None]]:
        keys = [VerifierKey.parse(public) for public in publics]
        report = verify(Places(root), keys, anchors, clock_tolerance_s=tolerance_s)
        found = report.notices if notices else report.problems
        assert all(finding.message for finding in found)
        return {(finding.kind.value, finding.epoch, finding.position) for finding in found}

    return run


@pytest.fixture(scope="session")
def rechained() -> Callable[..., list[bytes]]:
    """Lines in which record ``start`` and all after it were written anew, and follow each other."""

    def run(lines: Sequence[bytes], start: int) -> list[bytes]:
        made = list(lines)
        for number in range(start, len(lines)):
            fields = json.loads(lines[number])
            fields["request"] = "f" * 32
            fields["prev"] = leaf(made[number - 1]).hex() if number else "0" * 64
            made[number] = canonical(fields)
        return made

    return run


@pytest.fixture(scope="session")
def changed() -> Callable[..., bytes]:
    """A line with fields set to other values, written canonically."""

    def run(line: bytes, **fields: Any) -> bytes:
        return canonical(json.loads(line) | fields)

    return run


def _nothing(step: str, path: Path, descriptor: int, content: bytes) -> None:
    """Let the step be."""


class HookedDisk(Disk):
    """Real files. ``hook`` is told of each step before it: its name, the path, the descriptor and what is appended.

    It may raise, wait, or do something else first.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hook: Callable[[str, Path, int, bytes], None] = _nothing
        self.steps: list[tuple[str, str]] = []
        self._paths: dict[int, Path] = {}

    def _tell(self, step: str, path: Path, descriptor: int = -1, content: bytes = b"") -> None:
        self.steps.append((step, path.name))
        self.hook(step, path, descriptor, content)

    def make_folder(self, path: Path) -> None:
        self._tell("make_folder", path)
        super().make_folder(path)

    def open_to_append(self, path: Path) -> int:
        self._tell("open_to_append", path)
        descriptor = super().open_to_append(path)
        self._paths[descriptor] = path
        return descriptor

    def append(self, descriptor: int, content: bytes) -> None:
        path = self._paths.get(descriptor)
        if path is not None:
            self._tell("append", path, descriptor, content)
        super().append(descriptor, content)

    def publish(self, path: Path, content: bytes) -> None:
        # The draft's descriptor may have been that of another file.
        self._paths = {descriptor: at for descriptor, at in self._paths.items() if at.exists()}
        self._tell("publish", path, -1, content)
        super().publish(path, content)


@pytest.fixture
def disk() -> HookedDisk:
    """A disk whose steps a test can watch, hold and have fail."""
    return HookedDisk()


@pytest.fixture
def new_plan(tmp_path: Path) -> Callable[..., Plan]:
    """A plan for a journal in the test's own folder; what is named is changed."""

    def make(**changes: Any) -> Plan:
        plan = Plan(
            folder=tmp_path / "audit",
            name=NAME,
            keys=(SigningKey(NAME, bytes([7]) * 32),),
            process="worker",
            build="0.1.0",
            deadline_s=5.0,
            reopen_s=0.05,
        )
        return replace(plan, **changes)

    return make


class Seen:
    """What lies in a folder of journals, read without the help of what wrote it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def registry(self) -> list[dict[str, Any]]:
        paths = sorted((self.folder / "registry").glob("[0-9]*"))
        return [json.loads(path.read_bytes().partition(b"\n")[0]) for path in paths]

    def ends(self) -> dict[str, dict[str, Any]]:
        """The last entry of each epoch, in the order in which they were opened."""
        return {entry["epoch"]: entry for entry in self.registry()}

    def lines(self, epoch: str) -> list[bytes]:
        return (self.folder / "epochs" / epoch / "journal").read_bytes().split(b"\n")[:-1]

    def records(self, epoch: str | None = None) -> list[dict[str, Any]]:
        """The records of one epoch, or of all of them."""
        epochs = [epoch] if epoch is not None else list(self.ends())
        return [json.loads(line) for name in epochs for line in self.lines(name)]

    def requests(self) -> list[str]:
        return [record["request"] for record in self.records() if "request" in record]

    def report(self) -> Report:
        return verify(Places(self.folder), [SigningKey(NAME, bytes([7]) * 32).verifier])


@pytest.fixture
def written(tmp_path: Path) -> Seen:
    """What a journal of ``new_plan`` has written."""
    return Seen(tmp_path / "audit")


async def _until(true: Callable[[], bool]) -> None:
    for _ in range(2000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it did not come true")


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """``await until(true)`` waits for what comes true soon."""
    return _until
