"""Which values does the chart take? The table of its README, made from the comments in its ``values.yaml``.

``python charts/readme.py charts/splitgate/README.md`` writes it anew between the file's two marks. A value is described
by the comment above it that begins with ``--``.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML

BEGIN: Final = "<!-- values: begin -->"
END: Final = "<!-- values: end -->"

_VALUES: Final = Path(__file__).parent / "splitgate" / "values.yaml"
_KEY: Final = re.compile(r"(?P<indent> *)(?P<name>[A-Za-z]+):")
_COMMENT: Final = re.compile(r" *# ?(?P<begins>-- )?(?P<text>.*)")
_STEP: Final = 2


def described(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each value that is described, with its description."""
    path: list[str] = []
    words: list[str] = []
    for line in text.splitlines():
        comment, key = _COMMENT.fullmatch(line), _KEY.match(line)
        if comment is not None:
            words = [comment["text"]] if comment["begins"] else [*words, comment["text"]] if words else []
        elif key is not None:
            path = [*path[: len(key["indent"]) // _STEP], key["name"]]
            if words:
                yield tuple(path), " ".join(words)
            words = []


def table(text: str) -> str:
    """The values with their defaults and meanings, as Markdown."""
    defaults: object = YAML(typ="safe").load(text)  # pyright: ignore[reportUnknownMemberType]
    rows = [f"| `{'.'.join(path)}` | {_default(defaults, path)} | {words} |" for path, words in described(text)]
    return "\n".join(["| value | default | meaning |", "|---|---|---|", *rows])


def splice(document: str) -> str:
    """``document`` with a fresh table between its marks."""
    head, _, rest = document.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n{table(_VALUES.read_text(encoding='utf-8'))}\n{END}{tail}"


def _default(values: object, path: tuple[str, ...]) -> str:
    for name in path:
        if not isinstance(values, dict):
            raise TypeError(f"{'.'.join(path)} is described, and no value")
        values = values[name]  # pyright: ignore[reportUnknownVariableType]
    return "—" if values in ("", [], {}) else f"`{json.dumps(values)}`"


def main(paths: Sequence[str]) -> None:
    """Rewrite the tables of the files that are named."""
    for path in map(Path, paths):
        path.write_text(splice(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
