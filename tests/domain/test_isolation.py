import pytest

from gateway.domain.isolation import LABELS, Isolation, isolation_from_label


def test_the_ladder_is_ordered() -> None:
    assert Isolation.NATIVE > Isolation.CHANNEL > Isolation.WRAPPED > Isolation.NONE
    assert LABELS == ("native", "channel", "wrapped", "none")


@pytest.mark.rows
@pytest.mark.parametrize("label", LABELS)
def test_a_label_names_its_level(label: str) -> None:
    assert isolation_from_label(label).label == label


@pytest.mark.rows
@pytest.mark.parametrize("label", ["", "NATIVE", "no-data", "no-instruction", "best"])
def test_other_words_are_refused_with_the_known_ones(label: str) -> None:
    with pytest.raises(ValueError, match="native, channel, wrapped, none"):
        isolation_from_label(label)
