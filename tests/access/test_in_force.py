import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.access.in_force import KeysInForce
from gateway.access.key_file import KeyFile, KeySet
from gateway.activation.state_folder import StateFolder
from gateway.settings import Settings

Digest = Callable[[str], str]
Line = Callable[..., str]
Eventually = Callable[[Callable[[], bool]], Awaitable[None]]


@dataclass(kw_only=True)
class Site:
    """A configuration with the key ``fixed``, a key file, and what a worker makes of them."""

    settings: Settings
    path: Path
    state: Path
    changes: list[KeySet] = field(default_factory=list[KeySet])

    def write(self, *lines: str) -> None:
        draft = self.path.with_name("draft")
        draft.write_text("\n".join(lines))
        draft.rename(self.path)

    def worker(self, every_s: float = 0.2) -> KeysInForce:
        file = KeyFile(self.path, self.settings)
        folder = StateFolder(self.state)
        return KeysInForce(self.settings.keys, file, folder, every_s=every_s, on_change=self.changes.append)


@pytest.fixture
def site(settings_of: Callable[..., Settings], tmp_path: Path, digest: Digest) -> Site:
    settings = settings_of(f"keys_file: keys.jsonl\nkeys: [{{name: fixed, sha256: {digest('fixed')}}}]\n")
    assert settings.keys_file is not None
    return Site(settings=settings, path=settings.keys_file, state=tmp_path / "state" / "keys")


@pytest.fixture
def opens(digest: Digest) -> Callable[[KeysInForce, str], bool]:
    """Whether a key is known and not taken back."""

    def known(keys: KeysInForce, key: str) -> bool:
        found = keys.find(bytes.fromhex(digest(key)))
        return found is not None and not found.revoked

    return known


Opens = Callable[[KeysInForce, str], bool]


async def test_the_configurations_keys_and_the_files_open_alike(site: Site, line: Line, opens: Opens) -> None:
    site.write(line("a"), line("b"))
    async with site.worker() as keys:
        assert keys.ready
        assert [opens(keys, name) for name in ("fixed", "a", "b", "c")] == [True, True, True, False]
    assert [len(one.keys) for one in site.changes] == [2]


async def test_without_a_key_file_there_is_nothing_to_follow(site: Site, opens: Opens) -> None:
    async with KeysInForce(site.settings.keys, None, StateFolder(site.state)) as keys:
        assert keys.ready
        assert opens(keys, "fixed")
        await keys.reload()
    assert not site.state.exists()


async def test_a_change_is_followed_by_itself(site: Site, line: Line, opens: Opens, eventually: Eventually) -> None:
    site.write(line("a"))
    async with site.worker() as keys:
        site.write(line("a"), line("b"))
        await eventually(lambda: opens(keys, "b"))
        site.write(line("a", revoked="2020-01-01T00:00:00Z"), line("b"))
        await eventually(lambda: not opens(keys, "a"))
        assert opens(keys, "b")
        assert opens(keys, "fixed")


async def test_a_reload_does_not_wait_for_anybody_to_notice(site: Site, line: Line, opens: Opens) -> None:
    site.write(line("a"))
    async with site.worker(every_s=60.0) as keys:
        site.path.write_text(line("b"))
        await keys.reload()
        assert [opens(keys, name) for name in ("a", "b")] == [False, True]
        before = len(site.changes)
        await keys.reload()
        assert len(site.changes) == before


async def test_a_file_that_breaks_changes_nothing_and_is_told_once(
    site: Site, line: Line, opens: Opens, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "splitgate.keys")
    site.write(line("a"))
    async with site.worker(every_s=60.0) as keys:
        site.write(line("a", revoked="2020-01-01T00:00:00Z"), "planted nonsense", "planted too")
        for _ in range(3):
            await keys.reload()
        assert keys.ready
        assert opens(keys, "a")
        errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
        (said,) = errors
        assert "the 1 from before stay as they were" in said
        assert f"{site.path}:2:1: is no entry" in said
        assert "(and 1 more" in said
        assert "planted" not in said
        # What was wrong is mended: it counts, and that is told.
        site.write(line("b"))
        await keys.reload()
        assert [opens(keys, name) for name in ("a", "b")] == [False, True]
        assert caplog.records[-1].getMessage() == "the key file can be used again"


async def test_a_file_that_goes_away_takes_no_key_back(
    site: Site, line: Line, opens: Opens, caplog: pytest.LogCaptureFixture
) -> None:
    site.write(line("a"))
    async with site.worker(every_s=60.0) as keys:
        site.path.unlink()
        await keys.reload()
        assert opens(keys, "a")
        assert "is gone" in caplog.text
        site.write("")
        await keys.reload()
        assert not opens(keys, "a")


async def test_a_file_that_comes_later_is_taken(
    site: Site, line: Line, opens: Opens, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    async with site.worker() as keys:
        assert keys.ready
        assert "no key in it opens until there is" in caplog.text
        await keys.reload()
        assert opens(keys, "fixed")
        site.write(line("a"))
        await eventually(lambda: opens(keys, "a"))


async def test_a_worker_that_starts_on_a_broken_file_has_what_was_last_good(
    site: Site, line: Line, opens: Opens, caplog: pytest.LogCaptureFixture
) -> None:
    site.write(line("a"), line("b"))
    async with site.worker(every_s=60.0) as keys:
        site.write(line("b"))
        await keys.reload()
    site.write("broken")
    async with site.worker() as keys:
        assert keys.ready
        assert [opens(keys, name) for name in ("fixed", "a", "b")] == [True, False, True]
    assert "is no entry" in caplog.text


async def test_a_worker_that_starts_on_a_broken_file_without_a_copy_is_not_ready(
    site: Site, line: Line, opens: Opens, eventually: Eventually
) -> None:
    site.write(line("a"), "broken")
    async with site.worker() as keys:
        assert not keys.ready
        assert [opens(keys, name) for name in ("fixed", "a")] == [True, False]
        site.write(line("a"))
        await eventually(lambda: keys.ready)
        assert opens(keys, "a")


async def test_a_copy_that_others_could_have_written_is_not_believed(site: Site, line: Line) -> None:
    site.write(line("a"))
    async with site.worker():
        pass
    site.write("broken")
    site.state.chmod(0o777)
    async with site.worker() as keys:
        assert not keys.ready


async def test_where_no_copy_can_be_kept_the_keys_open_all_the_same(
    site: Site, line: Line, opens: Opens, caplog: pytest.LogCaptureFixture
) -> None:
    site.state.parent.mkdir()
    site.state.write_text("no folder")
    site.write(line("a"))
    async with site.worker() as keys:
        assert opens(keys, "a")
    assert "no copy of the keys is kept" in caplog.text


async def test_after_a_start_without_the_file_the_copy_does_not_bring_its_keys_back(
    site: Site, line: Line, opens: Opens
) -> None:
    site.write(line("a"))
    async with site.worker():
        pass
    site.path.unlink()
    async with site.worker() as keys:
        assert keys.ready
        assert not opens(keys, "a")
    site.write("broken")
    async with site.worker() as keys:
        assert not opens(keys, "a")
