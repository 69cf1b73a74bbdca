"""Which keys does the configuration have? The tables of ``docs/configuration.md``, made from the schema itself.

``python -m gateway.configuration.reference docs/configuration.md`` writes them anew between the file's two marks.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from gateway.configuration.schema import SECTIONS
from gateway.configuration.schema_cards import SECTIONS as CARD_SECTIONS

BEGIN: Final = "<!-- keys: begin -->"
END: Final = "<!-- keys: end -->"

# Mappings by names that whoever writes the file gives, or that stand for one of several.
_NAMED: Final = {"models": "NAME", "prices": "MODEL", "scores": "SCORE", "attack_success_by": "ATTACK"}
_WORDS: Final[Mapping[object, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "`true` `false`",
    tuple: "list",
    dict: "mapping",
}


def tables() -> str:
    """Every section with its keys, defaults and meanings, as Markdown."""
    return "\n\n".join(_section(path, section) for path, section in SECTIONS)


def card_tables() -> str:
    """The same of a card file."""
    return "\n\n".join(_section(path, section, whole="The card file") for path, section in CARD_SECTIONS)


def splice(document: str) -> str:
    """``document`` with fresh tables between its marks."""
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{tables()}\n{END}{tail}"


def _section(path: tuple[str, ...], section: type[BaseModel], *, whole: str = "The whole file") -> str:
    title = ".".join(path)
    for name, named in _NAMED.items():
        title = title.replace(f"{name}.*", f"{name}.{named}")
    title = title.replace(".*", "[]")
    heading = f"### `{title}`" if path else f"### {whole}"
    rows = (
        f"| `{name}` | {_values(field.annotation)} | {_default(field)} | {field.description} |"
        for name, field in section.model_fields.items()
    )
    about = (section.__doc__ or "").strip()
    return "\n".join([heading, "", about, "", "| key | value | default | meaning |", "|---|---|---|---|", *rows])


def _values(annotation: object) -> str:
    """What may stand there, in a person's words."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " ".join(f"`{json.dumps(value).strip(chr(34))}`" for value in arguments)
    if origin in (Union, UnionType, Annotated):
        return _values(arguments[0])
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    return _WORDS[origin or annotation]


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value: object = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return "see below"
    return "—" if value is None or value in ((), {}) else f"`{json.dumps(value).strip(chr(34))}`"


def main(arguments: Sequence[str]) -> None:
    """Rewrite the tables of the file that is named."""
    path = Path(arguments[0])
    path.write_text(splice(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
