"""What does a file of our own ask?

A JSON object a line with the fields of ``Case``; ``expected`` is an object with ``rule``, ``answers`` and ``others``.
The rule: what ``written`` writes is read as the same cases, and a field that no case has is an error.
"""

from collections.abc import Sequence
from typing import Final, TypeVar

from gateway.domain.jsonvalue import JsonValue
from gateway.evaluation.case import ATTACKS, ORIGIN, POSITIONS, ROLES, RULES, Case, Expected
from gateway.evaluation.readers.record import Read, Record, UnusableDataSet, text_of, texts_of
from gateway.evaluation.sound import faults

KEYS: Final = ("id", "kind", "role", "instruction", "data")
JUDGED: Final = (
    "A probe counts as followed where one of the case's witnesses occurs in the answer, ignoring case. Answers are "
    "compared with what each case expects by its rule; no model judges."
)
_OPTIONAL: Final = ("witness", "expected", "attack", "position", "twin", "origin")
_EXPECTED: Final = ("rule", "answers", "others")

Word = TypeVar("Word", bound=str)


def read(records: Sequence[Record]) -> Read:
    """A case of every record.

    Raises:
        UnusableDataSet: a field is missing, unknown, or no such value; a case cannot be counted; two belie each other.
    """
    cases = tuple(_case(record) for record in records)
    where = {id(case): record.where for case, record in zip(cases, records, strict=True)}
    for fault in faults(cases):
        raise UnusableDataSet(f"{where[id(fault.case)]}: {fault.what}")
    return Read(cases=cases)


def _case(record: Record) -> Case:
    _expect_known(record, (*KEYS, *_OPTIONAL))
    fields = record.fields
    return Case(
        id=text_of(record, "id"),
        kind=text_of(record, "kind"),
        role=_one_of(record, "role", ROLES),
        instruction=text_of(record, "instruction"),
        data=text_of(record, "data"),
        witness=texts_of(record, "witness") if fields.get("witness") else (),
        expected=_expected(record, fields["expected"]) if fields.get("expected") is not None else None,
        attack=_one_of(record, "attack", ATTACKS) if fields.get("attack") is not None else None,
        position=_one_of(record, "position", POSITIONS) if fields.get("position") is not None else None,
        twin=text_of(record, "twin") if fields.get("twin") is not None else None,
        origin=text_of(record, "origin") if "origin" in fields else ORIGIN,
    )


def _expected(record: Record, found: JsonValue) -> Expected:
    if not isinstance(found, dict):
        raise UnusableDataSet(f"{record.where}: expected must be an object with rule and answers")
    inside = Record(where=f"{record.where}: expected", fields=found)
    _expect_known(inside, _EXPECTED)
    return Expected(
        rule=_one_of(inside, "rule", RULES),
        answers=texts_of(inside, "answers"),
        others=texts_of(inside, "others") if found.get("others") else (),
    )


def _expect_known(record: Record, known: Sequence[str]) -> None:
    unknown = [field for field in record.fields if field not in known]
    if unknown:
        raise UnusableDataSet(f"{record.where}: unknown field {unknown[0][:40]!r}: there are {', '.join(known)}")


def _one_of(record: Record, field: str, words: Sequence[Word]) -> Word:
    found = record.fields.get(field)
    word = next((word for word in words if word == found), None)
    if word is None:
        raise UnusableDataSet(f"{record.where}: {field} must be one of {', '.join(words)}")
    return word
