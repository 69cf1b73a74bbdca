"""Where does a credential come from, and what becomes of one whose file changes?

Only references stand in the file: ``env:NAME`` or ``file:PATH``. A literal is refused, and no message repeats it. A
credential from a file is read again while the gateway runs; one that cannot be used any more stays what it was.
"""

import re
from collections.abc import Mapping
from dataclasses import field
from functools import partial
from pathlib import Path
from typing import Final, Never

from gateway.domain.target import Secret
from gateway.domain.value import value
from gateway.yamlfile.mounted import Following, Looked, Mounted
from gateway.yamlfile.problems import Loc
from gateway.yamlfile.regular import read_regular

_MAX_BYTES: Final = 64 * 1024
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@value
class Surroundings:
    """What references lead to: environment variables, and files counted from the folder of the file that holds them.

    ``offline`` follows none of them: for commands that show what would happen, on machines without the credentials.
    ``mounted`` collects what was read from files of its own, and may change there.
    """

    environ: Mapping[str, str]
    folder: Path
    offline: bool = False
    mounted: list[Mounted] = field(default_factory=list[Mounted])


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


class MountedSecret(Secret):
    """A credential from a file; ``reveal`` gives what stood there when it was looked at last, if that was usable."""

    __slots__ = ("_following", "name")

    def __init__(self, value: str, path: Path, name: str, *, in_header: bool) -> None:
        super().__init__(value)
        self.name = name
        self._following = Following(value, partial(_read, path), partial(self._take, in_header=in_header))

    @property
    def stale(self) -> bool:
        """Whether the file cannot be used at present."""
        return self._following.stale

    def refresh(self) -> Looked:
        """Look at the file again."""
        return self._following.refresh()

    def _take(self, found: str, *, in_header: bool) -> bool:
        if not _usable(found, in_header=in_header):
            return False
        self._value = found
        return True


def resolve(
    reference: str, surroundings: Surroundings, *, at: Loc = (), in_header: bool = True, fixed: bool = False
) -> Secret:
    """Read the credential that ``reference`` names; offline, check the reference's form alone.

    ``at`` is where the reference stands. ``in_header`` False is for a credential that is a whole text and never stands
    in an HTTP header, ``fixed`` for one that keeps its value for as long as the process lives.

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
    if not _usable(text, in_header=in_header):
        raise ValueError(f"{what} holds characters that no HTTP header can carry; {fix}")
    if is_variable or fixed:
        return Secret(text)
    mounted = MountedSecret(text, surroundings.folder / name, ".".join(map(str, at)), in_header=in_header)
    surroundings.mounted.append(mounted)
    return mounted


def _usable(text: str, *, in_header: bool) -> bool:
    return bool(text) and (not in_header or all("!" <= char <= "~" for char in text))


def _read(path: Path) -> str:
    """The file's text without the line end that editors add; empty where there is nothing that could be a key."""
    try:
        return read_regular(path, _MAX_BYTES).decode().strip("\r\n")
    except (OSError, ValueError):
        return ""
