from pathlib import Path

import pytest

from gateway.configuration.reference import BEGIN, END, main, splice, tables
from gateway.configuration.schema import SECTIONS, Section
from gateway.configuration.schema_cards import SECTIONS as CARD_SECTIONS

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


def test_the_documented_keys_are_the_schemas() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert splice(text) == text, "run: python -m gateway.configuration.reference docs/configuration.md"


@pytest.mark.rows
@pytest.mark.parametrize(("path", "section"), SECTIONS)
def test_every_key_says_what_it_means(path: tuple[str, ...], section: type[Section]) -> None:
    for name, field in section.model_fields.items():
        assert field.description, f"{path} {name}"
        assert f"| `{name}` | " in tables()


def test_every_section_of_the_schema_is_documented() -> None:
    assert {section for _, section in (*SECTIONS, *CARD_SECTIONS)} == set(Section.__subclasses__())


def test_the_tables_are_written_between_the_marks(tmp_path: Path) -> None:
    path = tmp_path / "doc.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    main([str(path)])
    text = path.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n### The whole file")
    assert text.endswith(f"{END}\nafter\n")
    assert "old\n" not in text
