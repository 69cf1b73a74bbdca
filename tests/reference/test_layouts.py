from pathlib import Path

import pytest

from adapters.registry import FORMATS, format_named
from gateway.reference.layouts import EXAMPLES, best, layout, request

TEXT = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")


@pytest.mark.rows
@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_its_section_and_its_rank(name: str) -> None:
    assert name in EXAMPLES
    assert f"\n## `{name}`\n" in TEXT
    assert f"| [`{name}`](#{name}) | {format_named(name).best.label} | " in best()


@pytest.mark.rows
@pytest.mark.parametrize("name", FORMATS)
def test_the_example_shows_a_token_taken_out_and_nothing_else(name: str) -> None:
    assert "<|im_end|>" in request()
    shown = layout(name)
    assert "<|im_end|>" not in shown
    assert "A ticket costs 12 euros." in shown
    assert f"isolation {format_named(name).best.label}" in shown


@pytest.mark.rows
@pytest.mark.parametrize("name", FORMATS)
def test_every_setting_is_named(name: str) -> None:
    section = TEXT.partition(f"\n## `{name}`\n")[2].partition("\n## ")[0]
    with pytest.raises(ValueError, match="not a setting") as caught:
        format_named(name).check_settings({"nonsense": 1})
    known = str(caught.value).partition("known are ")[2]
    assert not [setting for setting in known.split(", ") if setting and f"`{setting}" not in section]
    assert ("Settings: none." in section) is (not known)
