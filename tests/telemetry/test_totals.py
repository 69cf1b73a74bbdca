import pytest

from gateway.telemetry import families
from gateway.telemetry.families import FAMILIES, OF_WORKERS, Kind
from gateway.telemetry.totals import Histogram, Totals


@pytest.mark.rows
@pytest.mark.parametrize(("seen", "slot"), [(0.0, 0), (1.0, 0), (1.5, 1), (2.0, 1), (2.1, 2), (1e9, 2)])
def test_what_is_observed_falls_below_the_first_bound_that_holds_it(seen: float, slot: int) -> None:
    histogram = Histogram((1.0, 2.0))
    histogram.observe(("a",), seen)
    assert histogram.rows[("a",)] == [*[float(at == slot) for at in range(3)], seen]


def test_what_has_no_labels_is_there_from_the_start() -> None:
    totals = Totals()
    assert totals.of(families.BREAK_GLASS) == {(): 0.0}
    assert totals.histogram(families.GUARD_HOLD_SECONDS).rows.keys() == {()}
    assert totals.of(families.REQUESTS) == {}


def test_every_family_is_known_by_one_name_of_its_kind_and_documented() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    for family in FAMILIES:
        assert family.name.startswith("splitgate_")
        assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
        assert family.name.endswith("_seconds") >= (family.kind is Kind.HISTOGRAM)
        assert bool(family.buckets) == (family.kind is Kind.HISTOGRAM)
        assert family.buckets == tuple(sorted(set(family.buckets)))
        assert family.help.endswith(".")


def test_totals_hold_what_workers_count() -> None:
    totals = Totals()
    assert {*totals.figures, *totals.histograms} == {family.name for family in OF_WORKERS}
