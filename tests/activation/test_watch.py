import asyncio
import threading
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from gateway.activation import watch
from gateway.activation.watch import moments


async def one(folders: Sequence[Path], every_s: float = 60.0) -> None:
    """Wait for one moment."""
    async with aclosing(moments(lambda: folders, every_s=every_s)) as looks, asyncio.timeout(20):
        await anext(looks)


async def test_a_change_is_a_moment(tmp_path: Path) -> None:
    waiting = asyncio.create_task(one([tmp_path]))
    await asyncio.sleep(0.3)
    (tmp_path / "a").touch()
    await waiting


async def test_time_makes_moments_without_changes(tmp_path: Path) -> None:
    await one([tmp_path], every_s=0.1)
    await one([], every_s=0.1)
    await one([tmp_path / "none"], every_s=0.1)


async def test_a_folder_that_came_in_anothers_place_is_watched(tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    async with aclosing(moments(lambda: [folder], every_s=0.2)) as looks, asyncio.timeout(20):
        await anext(looks)
        folder.rename(tmp_path / "old")
        folder.mkdir()
        await anext(looks)
        await anext(looks)
        waiting = asyncio.create_task(anext(looks))
        (folder / "a").touch()
        await waiting


async def test_where_the_kernel_will_not_watch_time_still_makes_moments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(28, "inotify watch limit reached")

    monkeypatch.setattr(watch, "watch", refuse)
    await one([tmp_path], every_s=0.1)


async def test_it_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    waiting = asyncio.create_task(one([tmp_path]))
    await asyncio.sleep(0.2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_the_thread_that_waits_ends_with_it(tmp_path: Path) -> None:
    waiting = asyncio.create_task(one([tmp_path]))
    await asyncio.sleep(0.2)
    assert any(thread.name.startswith("policies-watch") for thread in threading.enumerate())
    waiting.cancel()
    async with asyncio.timeout(10):
        while any(thread.name.startswith("policies-watch") for thread in threading.enumerate()):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
