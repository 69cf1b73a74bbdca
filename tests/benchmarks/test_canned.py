import asyncio

import pytest

from benchmarks.canned import at_once


async def _ready() -> int:
    return 7


async def _waiting() -> None:
    await asyncio.sleep(0)


def test_what_never_waits_runs_at_once() -> None:
    assert at_once(_ready()) == 7


def test_what_waits_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="without waiting"):
        at_once(_waiting())
