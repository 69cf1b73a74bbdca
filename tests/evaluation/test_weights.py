import hashlib
from pathlib import Path

import pytest

from gateway.domain.target import Target
from gateway.evaluation.stopped import CannotMeasure
from gateway.evaluation.weights import adapter_of, digest_of, weights_of


def target(provider: str, model: str) -> Target:
    return Target(id="t", provider=provider, base_url="http://a.example", model=model, format="plain", family="")


def test_a_files_digest_is_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"weights")
    assert digest_of(tmp_path / "w") == f"sha256:{hashlib.sha256(b'weights').hexdigest()}"


def test_of_a_model_elsewhere_nothing_is_known() -> None:
    assert weights_of(target("litellm", "m")) is None
    assert adapter_of(target("litellm", "smollm2-135m-split")) is None


def test_the_split_model_is_known_by_its_adapter_which_has_to_be_whole(tmp_path: Path) -> None:
    adapter, split = tmp_path / "a.gguf", target("embedded", "smollm2-135m-split")
    with pytest.raises(CannotMeasure, match="its adapter is missing"):
        adapter_of(split, adapter)
    adapter.write_bytes(b"low rank")
    with pytest.raises(CannotMeasure, match="does not match the digest"):
        adapter_of(split, adapter)
    digest = hashlib.sha256(b"low rank").hexdigest()
    adapter.with_suffix(".sha256").write_text(f"{digest}  a.gguf\n")
    assert adapter_of(split, adapter) == f"sha256:{digest}"
    assert adapter_of(target("embedded", "smollm2-135m-instruct"), adapter) is None


@pytest.mark.embedded
def test_the_embedded_models_weights_have_a_digest_and_as_it_came_it_has_no_adapter() -> None:
    told = weights_of(target("embedded", "smollm2-135m-instruct"))
    assert told is not None
    assert told.startswith("sha256:b179c952")
    assert adapter_of(target("embedded", "smollm2-135m-instruct")) is None
