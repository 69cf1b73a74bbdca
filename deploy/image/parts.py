"""Which packages go into the image? Lines of the project's own lock, chosen by name.

``python parts.py FILE.lock PART…`` prints the lines of the packages that the parts are made of. ``parts.json`` names
them, and `make image-parts` writes that (``resolve.py``): versions and hashes stand in the lock alone. It uses the
standard library only, since it runs before anything is installed.
"""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

PARTS: Final = Path(__file__).with_name("parts.json")
# What an image may be asked to hold beside `base`.
OPTIONAL: Final = ("embedded", "litellm", "ner")

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def canonical(name: str) -> str:
    """As package indexes compare names."""
    return re.sub(r"[-_.]+", "-", name).lower()


def entries(lock: str) -> Iterator[tuple[str, str]]:
    """Each package of a lock file: its name, and its lines with versions, markers and hashes."""
    for entry in re.split(r"\n(?=[A-Za-z0-9])", lock.strip()):
        name = _NAME.match(entry)
        if name is not None:
            yield canonical(name[0]), entry.rstrip("\n")


def chosen(lock: str, parts: Sequence[str], known: Path = PARTS) -> str:
    """The lines of ``lock`` that make up ``parts``.

    Raises:
        ValueError: there is no such part.
    """
    by_part: dict[str, list[str]] = json.loads(known.read_text(encoding="utf-8"))
    unknown = sorted(set(parts) - set(by_part))
    if unknown:
        raise ValueError(f"no part is called {', '.join(unknown)}; there are {', '.join(OPTIONAL)}")
    names = {name for part in parts for name in by_part[part]}
    return "".join(f"{entry}\n" for name, entry in entries(lock) if name in names)


def main(arguments: Sequence[str]) -> int:
    """Print what was asked for; 2 says that it cannot be."""
    lock, *parts = arguments
    try:
        sys.stdout.write(chosen(Path(lock).read_text(encoding="utf-8"), parts))
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
