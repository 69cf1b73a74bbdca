import pickle

import pytest

from gateway.domain.errors import ConfigError, GatewayError
from gateway.domain.isolation import Isolation
from gateway.domain.target import Endpoint, Layout, Secret


def test_no_representation_of_a_secret_shows_it() -> None:
    secret = Secret("planted")
    assert "planted" not in f"{secret!r}{secret!s}{secret}{[secret]!r}"
    assert secret.reveal() == "planted"


def test_a_secret_is_not_pickled_by_accident() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("planted"), protocol=pickle.HIGHEST_PROTOCOL)


@pytest.mark.parametrize(("isolation", "label"), [(None, "no-data"), (Isolation.NATIVE, "native")])
def test_a_layout_without_data_claims_no_level(isolation: Isolation | None, label: str) -> None:
    layout = Layout(format="f", endpoint=Endpoint.CHAT, body={}, isolation=isolation)
    assert layout.isolation_label == label


def test_what_is_only_embedded_claims_no_level_and_has_a_word_of_its_own() -> None:
    layout = Layout(format="f", endpoint=Endpoint.EMBEDDINGS, body={}, isolation=None)
    assert layout.isolation_label == "no-instruction"


def test_a_configuration_error_points_at_its_place() -> None:
    assert str(ConfigError("no", file="a.yaml", line=3, column=7)) == "a.yaml:3:7: no"
    assert str(ConfigError("no", file="a.yaml")) == "a.yaml: no"


def test_an_error_keeps_its_field() -> None:
    assert GatewayError("m", param="messages[0]").param == "messages[0]"
