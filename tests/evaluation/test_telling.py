from gateway.evaluation.intervals import share
from gateway.evaluation.telling import told


def test_a_score_is_told_with_its_interval_and_a_share_alone() -> None:
    assert told(share(4, 100)) == "4.0% (1.6 to 9.8)"
    assert told(0.8) == "80.0%"
    assert told(None) == "\u2013"
