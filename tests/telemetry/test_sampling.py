import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace.sampling import TraceIdRatioBased

from gateway.domain.trace import Trace
from gateway.telemetry.sampling import sampling

TRACE = Trace(id="a" * 32, span="b" * 16, call="c" * 16)


@pytest.mark.rows
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("said", [True, False])
def test_what_the_caller_says_counts(share: float, *, said: bool) -> None:
    assert sampling(share)(replace(TRACE, sampled=said, parent="d" * 16)) is said


def test_all_or_none_are_recorded_where_the_share_says_so() -> None:
    traces = [replace(TRACE, id=id_) for id_ in ("0" * 31 + "1", "f" * 32, secrets.token_hex(16))]
    assert all(map(sampling(1.0), traces))
    assert not any(map(sampling(0.0), traces))


@given(share=st.floats(0, 1), id_=st.integers(1, 2**128 - 1))
def test_a_share_picks_the_traces_that_every_other_service_picks(share: float, id_: int) -> None:
    theirs = TraceIdRatioBased(share).should_sample(None, id_, "span").decision.is_sampled()
    assert sampling(share)(replace(TRACE, id=f"{id_:032x}")) is theirs
