"""Which cases are asked?

Those of the built-in suite or of a file, all of them or a part. A case and its twin are drawn together, since one says
nothing without the other.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

from gateway.evaluation.builtin.suite import suite
from gateway.evaluation.case import Case
from gateway.evaluation.datasets import DataSet, dataset, digest, read
from gateway.evaluation.readers.record import UnusableDataSet
from gateway.evaluation.stopped import CannotMeasure

BUILTIN: Final = "builtin"


def all_cases(files: Sequence[Path]) -> DataSet:
    """The cases of ``files``, or of the built-in suite where none is named.

    Raises:
        CannotMeasure: a file cannot be read.
    """
    if not files:
        return dataset(BUILTIN, suite())
    try:
        return read(*files)
    except UnusableDataSet as error:
        raise CannotMeasure(str(error)) from error


def chosen(data: DataSet, *, kinds: Collection[str], roles: Collection[str], sample: int | None, seed: int) -> DataSet:
    """Those of the kinds and roles, all where none is named; of these ``sample`` or one more, drawn by ``seed``.

    Raises:
        CannotMeasure: nothing is left.
    """
    fitting = [case for case in data.cases if (not kinds or case.kind in kinds) and (not roles or case.role in roles)]
    if not fitting:
        raise CannotMeasure(
            f"none of the {len(data.cases)} cases is left; there are the kinds "
            f"{_listed(case.kind for case in data.cases)} and the roles {_listed(case.role for case in data.cases)}"
        )
    cases = tuple(fitting if sample is None else _drawn(fitting, sample, seed))
    return replace(data, cases=cases, digest=digest(cases))


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
