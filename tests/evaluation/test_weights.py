import hashlib
from pathlib import Path

import pytest

from gateway.domain.target import Target
from gateway.evaluation.weights import adapter_of, digest_of, weights_of


def target(provider: str, model: str) -> Target:
    return Target(id="t", provider=provider, base_url="http://a.example", model=model, format="plain", family="")


def test_a_files_digest_is_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"weights")
    assert digest_of(tmp_path / "w") == f"sha256:{hashlib.sha256(b'weights').hexdigest()}"


def test_of_a_model_elsewhere_nothing_is_known() -> None:
    assert weights_of(target("litellm", "m")) is None
    assert adapter_of(target("litellm", "smollm2-135m-split")) is None


@pytest.mark.embedded
def test_the_embedded_models_weights_have_a_digest_and_as_it_came_it_has_no_adapter() -> None:
    told = weights_of(target("embedded", "smollm2-135m-instruct"))
    assert told is not None
    assert told.startswith("sha256:b179c952")
    assert adapter_of(target("embedded", "smollm2-135m-instruct")) is None
