"""Which checkpoints did others keep?

A folder of anchors may be laid out in any way: every file in it that is a checkpoint of this log counts.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from gateway.audit.note import BadNote, Checkpoint, VerifierKey, checkpoint
from gateway.audit.places import EPOCH
from gateway.audit.read import judged
from gateway.audit.verdict import REGISTRY, Finding, Kind
from gateway.domain.value import value

# A note of 64 signatures is far smaller.
_LARGEST: Final = 65_536


@value
class Anchored:
    """A checkpoint that was kept elsewhere; ``source`` says where."""

    said: Checkpoint
    source: str


@value
class Anchors:
    """The anchors of each log, by ``registry`` or the epoch; ``findings`` are those that are not to be trusted."""

    of: Mapping[str, Sequence[Anchored]]
    findings: tuple[Finding, ...]


def read_anchors(folders: Sequence[Path], keys: Sequence[VerifierKey]) -> Anchors:
    """Read all anchors of these keys' logs.

    Raises:
        OSError: a folder or a file cannot be read.
    """
    of: defaultdict[str, list[Anchored]] = defaultdict(list)
    findings: list[Finding] = []
    names = "|".join(re.escape(key.name) for key in keys)
    form = re.compile(rf"(?:{names})/({REGISTRY}|{EPOCH.pattern})")
    for path in _files(folders):
        note = _read(path)
        origin = None if note is None else _origin(note)
        match = None if origin is None else form.fullmatch(origin)
        if note is None or match is None:
            continue
        found = judged(note, match[1], keys)
        if found.said is None:
            told = f"the anchor {path} is not to be trusted: {found.fault}"
            findings.append(Finding(kind=Kind.BAD_SIGNATURE, epoch=match[1], position=found.size, message=told))
        else:
            of[match[1]].append(Anchored(said=found.said, source=f"the anchor {path}"))
    return Anchors(of=of, findings=tuple(findings))


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        # Raised here, since a walk passes over a folder that is not there.
        os.scandir(folder).close()
        for root, _, files in os.walk(folder):
            yield from (Path(root) / name for name in sorted(files))


def _read(path: Path) -> bytes | None:
    if not path.is_file() or path.stat().st_size > _LARGEST:
        return None
    return path.read_bytes()


def _origin(note: bytes) -> str | None:
    """The origin of what has the form of a checkpoint, whoever signed it."""
    try:
        return checkpoint(note.rpartition(b"\n\n")[0] + b"\n").origin
    except BadNote:
        return None
