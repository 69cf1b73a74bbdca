from benchmarks.bench import MEASUREMENTS
from benchmarks.kinds.registry import KINDS


def test_each_kind_has_a_name_of_its_own_and_is_measured() -> None:
    names = [kind.name for kind in KINDS]
    assert len(set(names)) == len(names)
    assert set(names) < set(MEASUREMENTS)
