import hashlib
import json
from pathlib import Path

import pytest

from gateway.activation.last_good import LastGood
from gateway.activation.sources import PolicyFile
from gateway.activation.state_folder import StateFolder
from gateway.domain.errors import StateUnusable

FILES = (
    PolicyFile(file="baseline.yaml", raw=b"\x00\xff bytes", listed=False, fallback=True),
    PolicyFile(file="a.yaml", raw=b"a"),
)


@pytest.fixture
def folder(tmp_path: Path) -> StateFolder:
    return StateFolder(tmp_path / "state")


def copy_of(folder: StateFolder) -> Path:
    (path,) = folder.path.glob("policies-*.json")
    return path


def test_nothing_kept_is_nothing_found(folder: StateFolder) -> None:
    assert LastGood(folder).find() is None


def test_what_was_kept_last_is_found_whole_and_alone(folder: StateFolder) -> None:
    kept = LastGood(folder)
    kept.keep("sha256:1", FILES[:1])
    kept.keep("sha256:2", FILES)
    found = LastGood(folder).find()
    assert found is not None
    assert (found.revision, found.files) == ("sha256:2", FILES)
    assert copy_of(folder).is_file()


def test_a_crash_between_copy_and_record_leaves_the_one_before(
    folder: StateFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = LastGood(folder)
    kept.keep("sha256:1", FILES[:1])
    write = folder.write

    def write_copies_only(name: str, content: bytes) -> None:
        if name == "activated.json":
            raise KeyboardInterrupt
        write(name, content)

    monkeypatch.setattr(folder, "write", write_copies_only)
    with pytest.raises(KeyboardInterrupt):
        kept.keep("sha256:2", FILES)
    found = LastGood(StateFolder(folder.path)).find()
    assert found is not None
    assert found.revision == "sha256:1"


def test_a_copy_that_was_changed_is_refused(folder: StateFolder) -> None:
    LastGood(folder).keep("sha256:1", FILES)
    path = copy_of(folder)
    path.write_bytes(path.read_bytes().replace(b"a.yaml", b"b.yaml"))
    with pytest.raises(StateUnusable, match="damaged and not used"):
        LastGood(folder).find()


def test_a_copy_that_is_gone_is_refused(folder: StateFolder) -> None:
    LastGood(folder).keep("sha256:1", FILES)
    copy_of(folder).unlink()
    with pytest.raises(StateUnusable, match="damaged"):
        LastGood(folder).find()


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{}",
        b"not json",
        b'{"revision": "r", "copy_sha256": "../../../etc/passwd"}',
        b'{"revision": 1, "copy_sha256": "%s"}' % (b"a" * 64),
    ],
)
def test_a_record_that_is_none_is_refused(folder: StateFolder, record: bytes) -> None:
    LastGood(folder).keep("sha256:1", FILES)
    folder.write("activated.json", record)
    with pytest.raises(StateUnusable, match="damaged"):
        LastGood(folder).find()


@pytest.mark.parametrize("change", ["no fallback", "two fallbacks", "no base64"])
def test_a_copy_that_says_nothing_sensible_is_refused(folder: StateFolder, change: str) -> None:
    files = {
        "no fallback": FILES[1:],
        "two fallbacks": (FILES[0], FILES[0]),
        "no base64": FILES,
    }[change]
    kept = LastGood(folder)
    kept.keep("sha256:1", files)
    if change == "no base64":
        rewrite(folder)
    with pytest.raises(StateUnusable, match="damaged"):
        kept.find()


def rewrite(folder: StateFolder) -> None:
    """A copy whose digest is right and whose content is not."""
    content = json.dumps({"files": [{"file": "a", "raw": "%%%", "listed": True, "fallback": True}]}).encode()
    digest = hashlib.sha256(content).hexdigest()
    folder.write(f"policies-{digest}.json", content)
    folder.write("activated.json", json.dumps({"revision": "sha256:1", "copy_sha256": digest}).encode())
