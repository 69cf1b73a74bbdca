from pathlib import Path

import pytest

from adapters.embedded.shipped_cards import card_of


def test_a_card_is_found_by_its_model_and_format(tmp_path: Path) -> None:
    path = tmp_path / "tiny.secalign.yaml"
    path.write_text("card: 1\n", encoding="utf-8")
    assert card_of("tiny", "secalign", tmp_path) == path
    assert card_of("tiny", "plain", tmp_path) is None
    assert card_of("other", "secalign", tmp_path) is None


@pytest.mark.parametrize("model", ["../tiny", "a/tiny", "", ".."])
def test_a_name_leads_nowhere_else(tmp_path: Path, model: str) -> None:
    (tmp_path / "cards").mkdir()
    (tmp_path / "tiny.secalign.yaml").write_text("card: 1\n", encoding="utf-8")
    assert card_of(model, "secalign", tmp_path / "cards") is None
