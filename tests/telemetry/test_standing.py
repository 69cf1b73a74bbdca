import pytest

from gateway.domain.activation import GlassState, Grant, PolicyState
from gateway.domain.target import HealthCheck, Target
from gateway.pipeline.breaker import Outcome
from gateway.pipeline.condition import Conditions
from gateway.telemetry import families
from gateway.telemetry.audit import AuditFigures
from gateway.telemetry.standing import GlassFigures, LimitFigures, PolicyFigures, TargetFigures
from gateway.telemetry.totals import Totals

GRANT = Grant(id="g", reason="planted-reason", granted_by="ops", granted_at=0.0, expires=1.0)


@pytest.fixture
def totals() -> Totals:
    return Totals()


def test_the_revision_in_force_is_one_and_those_before_it_are_zero(totals: Totals) -> None:
    states = iter(
        [
            PolicyState(),
            PolicyState(revision="a", source="files", activations=1),
            PolicyState(revision="b", source="last_known_good", activations=2, failures=3),
        ]
    )
    figures = PolicyFigures(totals, "2", lambda: next(states))
    figures.read()
    assert totals.of(families.POLICY_INFO) == {("2", "", ""): 1.0}
    figures.read()
    figures.read()
    assert totals.of(families.POLICY_INFO) == {
        ("2", "", ""): 0.0,
        ("2", "a", "files"): 0.0,
        ("2", "b", "last_known_good"): 1.0,
    }
    assert totals.of(families.POLICY_LOADS) == {("activated",): 2.0, ("failed",): 3.0}


def test_loads_of_the_processes_before_this_one_are_kept(totals: Totals) -> None:
    totals.of(families.POLICY_LOADS)[("failed",)] = 5.0
    PolicyFigures(totals, "1", lambda: PolicyState(revision="a", activations=1, failures=1)).read()
    assert totals.of(families.POLICY_LOADS) == {("activated",): 1.0, ("failed",): 6.0}


def test_a_grant_in_force_and_the_requests_under_it_are_told_and_its_reason_is_not(totals: Totals) -> None:
    totals.of(families.BREAK_GLASS_REQUESTS)[()] = 10.0
    states = iter([GlassState(grant=GRANT, requests=2), GlassState(requests=3)])
    figures = GlassFigures(totals, lambda: next(states))
    figures.read()
    assert totals.of(families.BREAK_GLASS) == {(): 1.0}
    assert totals.of(families.BREAK_GLASS_REQUESTS) == {(): 12.0}
    figures.read()
    assert totals.of(families.BREAK_GLASS) == {(): 0.0}
    assert totals.of(families.BREAK_GLASS_REQUESTS) == {(): 13.0}
    assert "planted" not in repr(totals.figures)


def test_how_full_a_limit_was_is_of_the_last_second(totals: Totals) -> None:
    fullest = {"r": 0.5, "s": 1.0}
    figures = LimitFigures(totals, fullest)
    figures.read()
    assert totals.of(families.LIMIT_FULLEST) == {("r",): 0.5, ("s",): 1.0}
    fullest["r"] = 0.75
    figures.read()
    assert totals.of(families.LIMIT_FULLEST) == {("r",): 0.75, ("s",): 0.0}


def test_the_journals_keeper_tells_of_its_records_and_of_how_it_stands(totals: Totals) -> None:
    audit = AuditFigures(totals, enabled=True)
    audit.records["intent",] += 1
    audit.records["outcome",] += 4
    audit.appended(0.001, 0.002)
    audit.stands(lag_s=1.5, writable=False)
    assert totals.of(families.AUDIT_RECORDS) == {("intent",): 1.0, ("outcome",): 4.0}
    assert totals.histogram(families.AUDIT_APPEND_SECONDS).rows[()][-1] == 0.003
    assert totals.of(families.AUDIT_LAG_SECONDS) == {(): 1.5}
    assert totals.of(families.AUDIT_UNWRITABLE) == {(): 1.0}
    audit.stands(lag_s=0.0, writable=True)
    assert totals.of(families.AUDIT_UNWRITABLE) == {(): 0.0}


@pytest.mark.parametrize("enabled", [True, False])
def test_whether_there_is_a_journal_at_all_is_told(totals: Totals, *, enabled: bool) -> None:
    AuditFigures(totals, enabled=enabled)
    assert totals.of(families.AUDIT_ENABLED) == {(): float(enabled)}


def test_a_targets_state_is_one_and_what_is_in_progress_is_told(totals: Totals) -> None:
    target = Target(id="m/1", provider="p", base_url="", model="m", format="f", family="all")
    conditions = Conditions([target])
    figures = TargetFigures(totals, conditions.standings)
    held = conditions.of(target).begin(again=False)
    figures.read()
    states = {("m/1", "closed"): 1.0, ("m/1", "open"): 0.0, ("m/1", "half-open"): 0.0}
    assert totals.of(families.TARGET_STATE) == states
    assert totals.of(families.TARGET_PENDING) == {("m/1",): 1.0}
    assert held is not None
    held.end(Outcome.NEITHER, "upstream_overloaded", rest_s=60.0)
    conditions.of(target).probed(HealthCheck(path="/", failures=1), well=False)
    figures.read()
    assert totals.of(families.TARGET_STATE) == {**states, ("m/1", "closed"): 0.0, ("m/1", "open"): 1.0}
    assert totals.of(families.TARGET_PENDING) == {("m/1",): 0.0}
    assert totals.of(families.TARGET_RESTING) == {("m/1",): 1.0}
