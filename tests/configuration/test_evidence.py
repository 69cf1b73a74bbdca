from typing import Literal

import pytest

from gateway.configuration.evidence import Credit, credit
from gateway.domain.isolation import Isolation


@pytest.mark.rows
@pytest.mark.parametrize(
    ("known", "unproven", "trained", "probe", "expected"),
    [
        (True, Isolation.WRAPPED, "auto", "required", Credit(ceiling=Isolation.NATIVE, needs_probe=True)),
        (True, Isolation.WRAPPED, "auto", "off", Credit(ceiling=Isolation.NATIVE, assumed=True)),
        (True, Isolation.WRAPPED, False, "required", Credit(ceiling=Isolation.WRAPPED)),
        (False, Isolation.WRAPPED, "auto", "required", Credit(ceiling=Isolation.WRAPPED)),
        (False, Isolation.WRAPPED, "auto", "off", Credit(ceiling=Isolation.WRAPPED)),
        (False, Isolation.WRAPPED, True, "required", Credit(ceiling=Isolation.NATIVE, needs_probe=True, assumed=True)),
        (False, Isolation.WRAPPED, True, "off", Credit(ceiling=Isolation.NATIVE, assumed=True)),
        (False, Isolation.NONE, "auto", "required", Credit(ceiling=Isolation.NONE)),
    ],
)
def test_native_needs_training_and_a_probe_or_somebodys_word(
    known: bool,
    unproven: Isolation,
    trained: Literal["auto"] | bool,
    probe: Literal["required", "off"],
    expected: Credit,
) -> None:
    found = credit(best=Isolation.NATIVE, unproven=unproven, known=known, trained=trained, probe=probe)
    assert found == expected


@pytest.mark.rows
@pytest.mark.parametrize("best", [Isolation.CHANNEL, Isolation.WRAPPED, Isolation.NONE])
def test_lower_levels_need_no_evidence_and_no_word_raises_them(best: Isolation) -> None:
    found = credit(best=best, unproven=Isolation.NONE, known=False, trained=True, probe="off")
    assert found == Credit(ceiling=best)
