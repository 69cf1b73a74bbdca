import asyncio
import os

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.litellm.news import News, listen
from adapters.litellm.targets import Target


def line(name: str, key: str) -> bytes:
    told: dict[str, object] = {
        "id": name, "model": "v/m", "embeddings": "v/m", "address": None, "private": False, "networks": [],
        "credentials": {"api_key": key}, "fields": [],
    }  # fmt: skip
    return orjson.dumps([told]) + b"\n"


def known() -> dict[str, Target]:
    return {"one": Target(id="one", model="v/m", embeddings="v/m", credentials={"api_key": "planted-1"})}


@given(st.lists(st.integers(1, 40)))
def test_a_line_counts_once_it_is_whole_however_it_is_cut(sizes: list[int]) -> None:
    targets = known()
    news = News(targets)
    rest = line("one", "planted-2")
    for size in [*sizes, len(rest)]:
        assert targets["one"].credentials["api_key"] == ("planted-1" if rest else "planted-2")
        piece, rest = rest[:size], rest[size:]
        news.feed(piece)
    assert targets["one"].credentials == {"api_key": "planted-2"}


@pytest.mark.rows
@pytest.mark.parametrize("wrong", [b"\n", b"{}\n", b"not json\n", b'[{"id": "one"}]\n', line("two", "planted-3")])
def test_what_is_no_such_line_or_of_another_target_changes_nothing(wrong: bytes) -> None:
    targets = known()
    news = News(targets)
    news.feed(wrong)
    assert targets == known()
    news.feed(line("one", "planted-2"))
    assert targets["one"].credentials == {"api_key": "planted-2"}


async def test_a_pipe_is_followed_until_whoever_tells_goes_away() -> None:
    near, far = os.pipe()
    targets = known()
    listen(near, targets)
    os.write(far, line("one", "planted-2"))
    async with asyncio.timeout(15):
        while targets["one"].credentials["api_key"] != "planted-2":  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        os.close(far)
        while True:
            try:
                os.fstat(near)
            except OSError:
                break
            await asyncio.sleep(0.01)
