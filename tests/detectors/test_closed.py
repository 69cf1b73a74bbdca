"""Which facts may a record hold?"""

import pytest

from gateway.configuration.packs import PACKS, POLICY, shipped
from gateway.detectors.build import build, closed_facts, keys_of, vocabulary
from gateway.detectors.external._call import facts as external_facts
from gateway.domain.detection import FactType
from policies.engine.load import load_policy
from policies.engine.model import DetectorSettings

WORDS = frozenset({FactType.STRING, FactType.STRINGS})
# What a record says of a detection beside its facts.
TAKEN = frozenset({"hidden", "failed", "marks", "kept"})


def test_every_fact_that_holds_words_is_classified() -> None:
    facts = vocabulary(DetectorSettings()).values()
    assert {fact.name for fact in facts if fact.type in WORDS and not fact.closed} == {"det.urls.hosts"}
    assert all(fact.type in WORDS for fact in facts if fact.closed)
    assert closed_facts() == {fact.name for fact in facts if fact.closed}


def test_what_a_service_says_is_never_taken_for_a_word_of_ours() -> None:
    assert not any(fact.closed for fact in external_facts("lakera"))


def test_no_fact_is_called_as_what_records_say_beside_facts() -> None:
    facts = (*vocabulary(DetectorSettings()).values(), *external_facts("judge"))
    assert TAKEN.isdisjoint([fact.name.rpartition(".")[2] for fact in facts])


@pytest.mark.rows
@pytest.mark.parametrize("name", shipped())
def test_keys_are_those_of_the_detectors_that_are_built(name: str) -> None:
    path = PACKS / name / POLICY
    policy = load_policy(str(path), path.read_bytes(), vocabulary, {})
    assert keys_of([policy]) == build([policy], None)[1]
