import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.target import Secret
from gateway.rotation import Rotation
from gateway.yamlfile.mounted import Looked, Mounted
from gateway.yamlfile.secrets import Surroundings, resolve

EVERY_S = 0.01
PATIENCE_S = 15.0


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - what it waits for is told by nobody
            await asyncio.sleep(EVERY_S)


@pytest.fixture
def around(tmp_path: Path) -> Surroundings:
    return Surroundings(environ={"KEY": "planted-env"}, folder=tmp_path)


def mounted(around: Surroundings, name: str, content: str) -> Secret:
    (around.folder / name).write_text(content)
    return resolve(f"file:{name}", around, at=("models", name, "api_key"))


async def test_a_changed_file_is_taken_up_and_told_by_its_name_alone(
    around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = mounted(around, "one", "planted-1\n"), mounted(around, "other", "planted-2")
    told: list[str] = []
    caplog.set_level(logging.INFO)
    async with Rotation(
        lambda: [(each.name, each) for each in around.mounted], told.append, every_s=EVERY_S
    ) as rotation:
        # As Kubernetes does it: the name leads elsewhere at once.
        (around.folder / "next").write_text("planted-3\n")
        (around.folder / "next").rename(around.folder / "one")
        await until(lambda: one.reveal() == "planted-3")
        await until(lambda: told == ["models.one.api_key"])
        assert other.reveal() == "planted-2"
        assert set(rotation.changed()) == {"models.one.api_key"}
        assert rotation.stale() == {"models.one.api_key": False, "models.other.api_key": False}
    assert "models.one.api_key: its file changed" in caplog.text
    assert "planted" not in caplog.text


async def test_a_file_that_cannot_be_used_keeps_what_was_last_good_and_is_told_once(
    around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    one = mounted(around, "one", "planted-1")
    async with Rotation(
        lambda: [(each.name, each) for each in around.mounted], pytest.fail, every_s=EVERY_S
    ) as rotation:
        for wrong in ("", "two words", "zwölf"):
            (around.folder / "one").write_text(wrong)
            await until(lambda: rotation.stale()["models.one.api_key"])
            await asyncio.sleep(10 * EVERY_S)
        (around.folder / "one").unlink()
        await asyncio.sleep(10 * EVERY_S)
        assert (one.reveal(), caplog.text.count("cannot be used, and what was last good")) == ("planted-1", 1)
        (around.folder / "one").write_text("planted-1")
        await until(lambda: not rotation.stale()["models.one.api_key"])
        await until(lambda: "can be used again" in caplog.text)


class Failing:
    name = "failing"
    stale = False

    def refresh(self) -> Looked:
        raise MemoryError


async def test_one_that_cannot_be_looked_at_keeps_no_other_from_being(
    around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    one = mounted(around, "one", "planted-1")

    def watched() -> list[tuple[str, Mounted]]:
        return [("failing", Failing()), *[(each.name, each) for each in around.mounted]]

    async with Rotation(watched, lambda _: None, every_s=EVERY_S):
        (around.folder / "one").write_text("planted-2")
        await until(lambda: one.reveal() == "planted-2")
    assert "failing: its file cannot be looked at (MemoryError)" in caplog.text


def test_what_comes_from_elsewhere_or_is_fixed_is_not_followed(around: Surroundings) -> None:
    (around.folder / "fixed").write_text("planted-1")
    assert resolve("env:KEY", around).reveal() == "planted-env"
    assert resolve("file:fixed", around, fixed=True).reveal() == "planted-1"
    assert around.mounted == []
