"""Does the check bite that no log of a gateway's holds what tests plant?"""

from collections.abc import Callable
from pathlib import Path

import pytest

NothingPlanted = Callable[..., None]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("request failed: planted-prompt.", "planted-prompt"),
        ("The Planted text", "Planted"),
        ("key AKIAQX7ZK2M4N6P3R5T7 is bad", "AKIAQX7ZK2M4N6P3R5T7"),
        ("mail to jane.doe@corp.example failed", "jane.doe@corp.example"),
    ],
)
def test_a_log_that_holds_a_planted_text_fails(
    tmp_path: Path, nothing_planted_in: NothingPlanted, text: str, told: str
) -> None:
    (tmp_path / "log").write_text(f"fine\n{text}\n")
    with pytest.raises(AssertionError, match=f"log holds what must never be written there: .*'{told}'"):
        nothing_planted_in(tmp_path / "log")


def test_a_folder_fails_for_any_file_below_it(tmp_path: Path, nothing_planted_in: NothingPlanted) -> None:
    deep = tmp_path / "epochs" / "one" / "journal"
    deep.parent.mkdir(parents=True)
    deep.write_bytes(b"\xff\x00planted-answer\x00")
    with pytest.raises(AssertionError, match="journal holds"):
        nothing_planted_in(tmp_path)


def test_names_that_a_test_gives_may_stand_there_and_nothing_longer(
    tmp_path: Path, nothing_planted_in: NothingPlanted
) -> None:
    (tmp_path / "log").write_text("the key planted-name")
    nothing_planted_in(tmp_path / "log", frozenset({"planted-name"}))
    (tmp_path / "log").write_text("the key planted-name-and-more")
    with pytest.raises(AssertionError):
        nothing_planted_in(tmp_path / "log", frozenset({"planted-name"}))


def test_a_log_that_holds_none_passes(tmp_path: Path, nothing_planted_in: NothingPlanted) -> None:
    (tmp_path / "log").write_text("transplant: replanting; AKIA; someone@example.org\n")
    nothing_planted_in(tmp_path)
