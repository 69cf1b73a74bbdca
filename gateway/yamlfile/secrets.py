"""Where does a credential come from?

Only references stand in the file: ``env:NAME`` or ``file:PATH``. A literal is refused, and no message repeats it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Never

from gateway.domain.target import Secret

_MAX_BYTES: Final = 64 * 1024
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What references lead to: environment variables, and files counted from the folder of the file that holds them.

    ``offline`` follows none of them: for commands that show what would happen, on machines without the credentials.
    """

    environ: Mapping[str, str]
    folder: Path
    offline: bool = False


class Withheld(Secret):
    """Stands for a credential that was not read, where nothing is ever sent."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__("")

    def reveal(self) -> Never:
        """Fail: there is nothing to reveal.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("this credential was not read: only `splitgate serve` reads credentials")


def resolve(reference: str, surroundings: Surroundings, *, in_header: bool = True) -> Secret:
    """Read the credential that ``reference`` names; offline, check the reference's form alone.

    ``in_header`` False is for a credential that is a whole text and never stands in an HTTP header.

    Raises:
        ValueError: it is no reference, or leads to nothing usable; the message says what to set.
    """
    kind, _, name = reference.partition(":")
    is_variable = kind == "env" and _ENV_NAME.fullmatch(name) is not None
    if surroundings.offline and (is_variable or (kind == "file" and name)):
        return Withheld()
    if is_variable:
        text = surroundings.environ.get(name, "")
        what, fix = f"the environment variable {name}", f"set {name} to the key"
    elif kind == "file" and name:
        text, what, fix = _read(surroundings.folder / name), f"the file {name}", "put the key, and nothing else, in it"
    else:
        raise ValueError("must be a reference, `env:NAME` or `file:PATH`: a key is never written into this file")
    if not text:
        raise ValueError(f"{what} is missing or empty; {fix}")
    if in_header and not all("!" <= char <= "~" for char in text):
        raise ValueError(f"{what} holds characters that no HTTP header can carry; {fix}")
    return Secret(text)


def _read(path: Path) -> str:
    """The file's text without the line end that editors add; empty where there is nothing that could be a key."""
    try:
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return file.read(_MAX_BYTES).decode().strip("\r\n")
    except (OSError, ValueError):
        return ""
