import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.audit.places import Places
from gateway.audit.ship.batch import MOST_BYTES
from gateway.audit.ship.cursor import Mark
from gateway.audit.ship.gathering import Gathering
from gateway.audit.ship.source import EpochSeen

MARK = Mark(bytes=1000, records=10)


@pytest.fixture
def seen(tmp_path: Path) -> EpochSeen:
    """Nine records behind the mark."""
    places = Places(tmp_path).epoch("20260102T030405Z-0123abcd")
    return EpochSeen(places=places, size=2000, whole=2000, records=19)


def test_a_few_records_wait_and_a_full_batch_does_not(seen: EpochSeen) -> None:
    gathering = Gathering(10, 3600.0)
    assert not gathering.is_time(seen, MARK)
    assert gathering.is_time(replace(seen, records=20), MARK)
    assert not gathering.is_time(replace(seen, whole=999 + MOST_BYTES), MARK)
    assert gathering.is_time(replace(seen, whole=1000 + MOST_BYTES), MARK)


def test_what_is_over_does_not_wait(seen: EpochSeen) -> None:
    gathering = Gathering(10, 3600.0)
    assert gathering.is_time(replace(seen, settled=True), MARK)
    gathering.hurry()
    assert gathering.is_time(seen, MARK)


def test_without_a_wait_everything_goes_at_once(seen: EpochSeen) -> None:
    gathering = Gathering(10)
    assert gathering.is_time(seen, MARK)
    assert gathering.is_time(seen, MARK)


def test_the_wait_begins_with_the_first_record_and_anew_once_it_went(seen: EpochSeen) -> None:
    gathering, begun = Gathering(10, 0.05), time.monotonic()
    assert not gathering.is_time(seen, MARK)
    while not gathering.is_time(seen, MARK):
        time.sleep(0.001)
    assert time.monotonic() >= begun + 0.05
    assert not gathering.is_time(seen, MARK)
