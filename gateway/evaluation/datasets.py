"""Which cases does a file hold, and which digest do they have?

The rule: a digest is of the cases, not of the file, so that the same cases have the same wherever they came from. It is
the SHA-256 of what ``written`` gives.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal, TypeAlias

from gateway.audit.line import Fields, canonical
from gateway.domain.value import value
from gateway.evaluation.case import ORIGIN, Case, Expected
from gateway.evaluation.readers import bipia, injecagent, jsonl, notinject, sep
from gateway.evaluation.readers.record import LeftOut, Read, Record, UnusableDataSet, is_texts, records_of
from gateway.evaluation.sound import faults

Kind: TypeAlias = Literal["sep", "bipia", "injecagent", "notinject", "jsonl"]

KINDS: Final[tuple[Kind, ...]] = ("sep", "bipia", "injecagent", "notinject", "jsonl")


@value
class DataSet:
    """Cases, where they are from and their digest; how they are judged, and what of the file is in none."""

    name: str
    digest: str
    cases: tuple[Case, ...]
    judged: str = jsonl.JUDGED
    left_out: tuple[LeftOut, ...] = ()


@value
class _Reader:
    """How the records of a kind are read, and the keys by which it is known."""

    keys: tuple[str, ...]
    judged: str
    read: Callable[[Sequence[Record]], Read]


def read(*paths: Path, kind: Kind | None = None) -> DataSet:
    """The cases of a file, whose kind is told by its fields; of BIPIA's mails with the file of its attacks.

    Raises:
        UnusableDataSet: a file cannot be read, or is none of the kinds; which record it is, and what to do.
    """
    files = [records_of(path) for path in paths]
    attacks = [records for records in files if _is_attacks(records)]
    others = [records for records in files if not _is_attacks(records)]
    if len(others) != 1 or len(attacks) > 1:
        raise UnusableDataSet("give one file of cases; only BIPIA's mails need a second one, with its attacks")
    chosen = kind or _kind_of(others[0])
    found = _bipia(others[0], attacks) if chosen == "bipia" else _alone(chosen, others[0], attacks)
    name = "+".join(path.name for path in paths)
    for fault in faults(found.cases):
        raise UnusableDataSet(f"{name}: case {fault.case.id}: {fault.what}")
    judged = bipia.JUDGED if chosen == "bipia" else _READERS[chosen].judged
    return dataset(name, found.cases, judged=judged, left_out=found.left_out)


def dataset(
    name: str, cases: tuple[Case, ...], *, judged: str = jsonl.JUDGED, left_out: tuple[LeftOut, ...] = ()
) -> DataSet:
    """The cases under a name, with their digest."""
    return DataSet(name=name, digest=digest(cases), cases=cases, judged=judged, left_out=left_out)


def digest(cases: Iterable[Case]) -> str:
    """What a card has of the cases: ``sha256:`` and the digest of what ``written`` gives."""
    return f"sha256:{sha256(written(cases).encode()).hexdigest()}"


def written(cases: Iterable[Case]) -> str:
    """The cases as JSONL, which ``read`` reads: canonical JSON, in their order, fields at their defaults left out."""
    return "".join(f"{canonical(_fields(case)).decode()}\n" for case in cases)


def _fields(case: Case) -> Fields:
    told: Mapping[str, str | None] = {
        "attack": case.attack,
        "position": case.position,
        "twin": case.twin,
        "origin": case.origin if case.origin != ORIGIN else None,
    }
    return {
        **{key: getattr(case, key) for key in jsonl.KEYS},
        **{key: text for key, text in told.items() if text is not None},
        **({"witness": case.witness} if case.witness else {}),
        **({"expected": _expected(case.expected)} if case.expected is not None else {}),
    }


def _expected(expected: Expected) -> Fields:
    others = {"others": expected.others} if expected.others else {}
    return {"rule": expected.rule, "answers": expected.answers, **others}


_READERS: Final[Mapping[Kind, _Reader]] = {
    "sep": _Reader(keys=sep.KEYS, judged=sep.JUDGED, read=sep.read),
    "injecagent": _Reader(keys=injecagent.KEYS, judged=injecagent.JUDGED, read=injecagent.read),
    "notinject": _Reader(keys=notinject.KEYS, judged=notinject.JUDGED, read=notinject.read),
    "jsonl": _Reader(keys=jsonl.KEYS, judged=jsonl.JUDGED, read=jsonl.read),
}
_KEYS: Final[Mapping[Kind, tuple[str, ...]]] = {
    "bipia": bipia.KEYS,
    **{name: reader.keys for name, reader in _READERS.items()},
}


def _kind_of(records: Sequence[Record]) -> Kind:
    first = records[0]
    found: Kind | None = next((kind for kind in KINDS if set(_KEYS[kind]) <= set(first.fields)), None)
    if found is None:
        known = "; ".join(f"{kind}: {', '.join(keys)}" for kind, keys in _KEYS.items())
        raise UnusableDataSet(f"{first.where} has the fields of no known kind, which are {known}: give a file of one")
    return found


def _is_attacks(records: Sequence[Record]) -> bool:
    """Whether a file is BIPIA's attacks: lists of texts by their kind."""
    fields = records[0].fields
    return len(records) == 1 and bool(fields) and all(is_texts(found) for found in fields.values())


def _bipia(mails: Sequence[Record], attacks: Sequence[Sequence[Record]]) -> Read:
    if not attacks:
        raise UnusableDataSet(
            f"{mails[0].where}: BIPIA's mails need its attacks: give the file of them too (text_attack_*.json)"
        )
    return bipia.read(mails, attacks[0])


def _alone(kind: Kind, records: Sequence[Record], attacks: Sequence[Sequence[Record]]) -> Read:
    if attacks:
        raise UnusableDataSet(f"{attacks[0][0].where}: attacks by kind go with BIPIA's mails alone: leave the file out")
    return _READERS[kind].read(records)
