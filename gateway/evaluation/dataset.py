"""Which cases are asked?

Those of a suite or of files, all of them or a part. A case and its twin are chosen together, since one says nothing
without the other. The same cases in the same order have the same digest.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from random import Random

import orjson
from pydantic import TypeAdapter, ValidationError

from gateway.evaluation.case import Case
from gateway.evaluation.stopped import CannotMeasure


def read(files: Sequence[Path]) -> tuple[Case, ...]:
    """The cases of ``files``, one a line.

    Raises:
        CannotMeasure: a file cannot be read, or two cases have one id.
    """
    cases = [case for file in files for case in _cases(file)]
    twice = sorted(name for name, count in Counter(case.id for case in cases).items() if count > 1)
    if twice:
        raise CannotMeasure(f"two cases have the id `{twice[0]}`: rename one, or leave out a file that repeats another")
    return tuple(cases)


def _cases(file: Path) -> Sequence[Case]:
    shape = TypeAdapter(Case)
    try:
        return [shape.validate_json(line) for line in file.read_bytes().splitlines() if line.strip()]
    except OSError as error:
        raise CannotMeasure(f"{file} cannot be read ({error.strerror}); name an existing file") from error
    except ValidationError as error:
        raise CannotMeasure(f"{file} holds a line that is no case; docs/evaluate.md says what a case holds") from error


def chosen(
    cases: Sequence[Case], *, kinds: Collection[str], roles: Collection[str], sample: int | None, seed: int
) -> tuple[Case, ...]:
    """Those of the kinds and roles, all where none is named; of these ``sample`` or one more, drawn by ``seed``.

    Raises:
        CannotMeasure: nothing is left.
    """
    fitting = [case for case in cases if (not kinds or case.kind in kinds) and (not roles or case.role in roles)]
    if not fitting:
        raise CannotMeasure(
            f"none of the {len(cases)} cases is left; kinds are {_listed(case.kind for case in cases)}, roles "
            f"{_listed(case.role for case in cases)}"
        )
    return tuple(fitting if sample is None else _drawn(fitting, sample, seed))


def _drawn(cases: Sequence[Case], sample: int, seed: int) -> list[Case]:
    together = list(dict.fromkeys(_group(case) for case in cases))
    Random(seed).shuffle(together)  # noqa: S311 -- the same draw every time is the point
    size = Counter(_group(case) for case in cases)
    taken, count = set[str](), 0
    for group in together:
        if count >= sample:
            break
        taken.add(group)
        count += size[group]
    return [case for case in cases if _group(case) in taken]


def _group(case: Case) -> str:
    return f"twin {case.twin}" if case.twin is not None else f"case {case.id}"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(sorted(set(words)))


def digest_of(cases: Sequence[Case]) -> str:
    """``sha256:`` and the digest over every case's content, in order."""
    lines = b"\n".join(orjson.dumps(asdict(case), option=orjson.OPT_SORT_KEYS) for case in cases)
    return f"sha256:{hashlib.sha256(lines).hexdigest()}"
