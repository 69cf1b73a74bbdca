"""Which keys does the key file hold?

One entry of ``keys:`` a line, as JSON; blank lines and lines that begin with ``#`` mean nothing. A file is good or not
as a whole: of one that has a mistake nothing counts.
"""

import hashlib
import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn, TypeAlias

from pydantic import BaseModel, ConfigDict

from gateway.configuration.callers import Known, build_keys
from gateway.configuration.schema_callers import PATTERNS, DigestSection, KeySection
from gateway.configuration.values import Settings
from gateway.domain.identity import Key
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.strict_json import parse_object
from gateway.domain.value import value
from gateway.yamlfile.nodes import Position
from gateway.yamlfile.problems import Loc, Problem, refuse
from gateway.yamlfile.report import Report
from gateway.yamlfile.source import Source
from gateway.yamlfile.validate import Shape, validate

MAX_BYTES: Final = 64 * 1024 * 1024
COMMENT: Final = "#"

# What tells that a file is another one, or was written: where its path leads, and the inode's own marks.
Signature: TypeAlias = tuple[str, int, int, int, int]


class _Lines(BaseModel):
    """The file as a list of entries, so that it is checked as the configuration is."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)

    keys: tuple[KeySection, ...]


_SHAPE: Final = Shape(
    document=_Lines,
    sections=(((), _Lines), (("keys", "*"), KeySection), (("keys", "*", "digests", "*"), DigestSection)),
    patterns=PATTERNS,
)


@value
class KeySet:
    """The keys of a file; ``digest`` is that of its bytes, ``raw``."""

    keys: tuple[Key, ...]
    digest: str
    raw: bytes


NO_KEYS: Final = KeySet(keys=(), digest=hashlib.sha256(b"").hexdigest(), raw=b"")


class KeyFile:
    """The key file of a configuration."""

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self._settings = settings

    def signature(self) -> Signature | None:
        """What changes when the file does, be it by a link further up; None while there is none."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return (os.path.realpath(self.path), found.st_dev, found.st_ino, found.st_size, found.st_ctime_ns)

    def read(self) -> bytes | None:
        """The file's bytes; None where there is no such file.

        Raises:
            ConfigError: it cannot be read, is no file, or anybody may write it.
        """
        try:
            # A pipe would otherwise hold the reader for ever.
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                mode = os.fstat(descriptor).st_mode
                if not stat.S_ISREG(mode):
                    self._refuse("is no regular file; name one")
                if mode & stat.S_IWOTH:
                    self._refuse("can be written by anybody, who could let themselves in; chmod o-w it")
                raw = file.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            self._refuse(f"cannot be read ({error.strerror}); let the gateway's user read it", error)
        if len(raw) > MAX_BYTES:
            self._refuse(f"is larger than {MAX_BYTES} bytes; take out keys that were revoked")
        return raw

    def parse(self, raw: bytes) -> KeySet:
        """What the bytes say.

        Raises:
            ConfigError: all that is wrong with them, with lines.
        """
        source = _source(str(self.path), raw)
        document, faults = validate(source, _SHAPE)
        report = Report(source=source, faults=faults)
        settings = self._settings
        known = Known(models=settings.models, issuers=[one.name for one in settings.oidc], strict=False)
        # Those of the configuration's own keys are taken.
        known.names |= {key.caller.key for key in settings.keys}
        known.digests |= {key.sha256 for key in settings.keys}
        known.ids |= {key.caller.secret for key in settings.keys if key.caller.secret is not None}
        keys = () if document is None else build_keys(document.keys, report, known)
        report.finish()
        return KeySet(keys=keys, digest=hashlib.sha256(raw).hexdigest(), raw=raw)

    def _refuse(self, message: str, cause: Exception | None = None) -> NoReturn:
        refuse([Problem(file=str(self.path), message=message)], cause=cause)


def lines_of(raw: bytes) -> Sequence[str]:
    """The lines, which end with line feeds alone.

    Raises:
        UnicodeDecodeError: they are no UTF-8.
    """
    return raw.decode("utf-8-sig").split("\n")


def means_something(line: str) -> bool:
    """Whether a line is an entry."""
    return bool(line.strip()) and not line.startswith(COMMENT)


def _source(file: str, raw: bytes) -> Source:
    """The entries, each with its line: what is wrong inside one is told of its line.

    Raises:
        ConfigError: the lines that are no JSON objects.
    """
    try:
        lines = tuple(lines_of(raw))
    except UnicodeDecodeError:
        refuse([Problem(file=file, message="is not UTF-8 text; save it as UTF-8")])
    entries: list[JsonValue] = []
    places: dict[Loc, Position] = {(): (1, 1), ("keys",): (1, 1)}
    problems: list[Problem] = []
    for number, line in enumerate(lines, start=1):
        if not means_something(line):
            continue
        try:
            entry = parse_object(line)
        except ValueError:
            problems.append(Problem(file=file, line=number, column=1, message=_NO_ENTRY))
            continue
        places["keys", len(entries)] = (number, 1)
        entries.append(_frozen(entry))
    if problems:
        refuse(problems)
    return Source(file=file, lines=lines, value={"keys": tuple(entries)}, keys={}, values=places)


_NO_ENTRY: Final = "is no entry: write one JSON object a line, as `splitgate keys new` does"


def _frozen(entry: JsonObject) -> JsonObject:
    """With tuples for lists, as the configuration is read."""
    return {name: _tuples(inner) for name, inner in entry.items()}


def _tuples(inner: JsonValue) -> JsonValue:
    if isinstance(inner, list | tuple):
        return tuple([_tuples(one) for one in inner])
    return _frozen(inner) if isinstance(inner, dict) else inner
