"""Which records does a file hold, and what do they say?

A list of JSON objects, one object, or an object a line. The rule: what is wrong with a record is told with the record's
place and the names of its fields, never with what they hold, and nothing is guessed.
"""

from codecs import BOM_UTF8
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeGuard

import orjson

from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.strict_json import parse_object
from gateway.domain.value import value
from gateway.evaluation.case import Case
from gateway.yamlfile.regular import read_regular

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_RECORDS: Final = 50_000
MAX_TEXT: Final = 100_000


class UnusableDataSet(ValueError):
    """A file of cases cannot be read. The message says where, and what to do."""


@value
class Record:
    """An object, and where it stands: ``mails.jsonl:12``, ``cases.json[3]``."""

    where: str
    fields: JsonObject


@value
class LeftOut:
    """How many of a file's records or attacks are in no case, and why."""

    what: str
    count: int


@value
class Read:
    """The cases of a file, and what is in none."""

    cases: tuple[Case, ...]
    left_out: tuple[LeftOut, ...] = ()


def records_of(path: Path) -> tuple[Record, ...]:
    """The records of a file, at least one.

    Raises:
        UnusableDataSet: it cannot be read, is too large, or holds something else than JSON objects.
    """
    raw = _bytes(path).removeprefix(BOM_UTF8).strip()
    name = path.name
    found = _listed(name, raw) if raw.startswith(b"[") else _whole(name, raw) or _lines(name, raw)
    if not found:
        raise UnusableDataSet(f"{name} holds no record: give a list of JSON objects, or one object a line")
    if len(found) > MAX_RECORDS:
        raise UnusableDataSet(
            f"{name} holds {len(found):,} records, over {MAX_RECORDS:,}: split it, or give a part of it"
        )
    return found


def text_of(record: Record, field: str) -> str:
    """The text of a field.

    Raises:
        UnusableDataSet: there is none, or it is too long.
    """
    found = record.fields.get(field)
    if not isinstance(found, str):
        raise UnusableDataSet(f"{record.where}: {field} must be a text")
    return _fitting(found, f"{record.where}: {field}")


def texts_of(record: Record, field: str) -> tuple[str, ...]:
    """The texts of a field that holds a list of at least one.

    Raises:
        UnusableDataSet: it is none, or one of them is too long.
    """
    found = record.fields.get(field)
    if not is_texts(found) or not found:
        raise UnusableDataSet(f"{record.where}: {field} must be a list of texts, with one at least")
    return tuple(_fitting(one, f"{record.where}: {field}[{index}]") for index, one in enumerate(found))


def is_texts(found: JsonValue) -> TypeGuard[Sequence[str]]:
    """Whether a value is a list of texts and nothing else."""
    return isinstance(found, list) and all(isinstance(one, str) for one in found)


def _fitting(text: str, where: str) -> str:
    if len(text) > MAX_TEXT:
        raise UnusableDataSet(f"{where} has {len(text):,} characters, over {MAX_TEXT:,}: shorten it")
    return text


def _bytes(path: Path) -> bytes:
    try:
        raw = read_regular(path, MAX_BYTES + 1)
    except OSError as error:
        raise UnusableDataSet(f"{path} cannot be read ({error.strerror}): give a file that is there") from error
    if len(raw) > MAX_BYTES:
        raise UnusableDataSet(f"{path.name} has over {MAX_BYTES // 1024**2} MiB: split it, or give a part of it")
    return raw


def _listed(name: str, raw: bytes) -> tuple[Record, ...]:
    try:
        found: JsonValue = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UnusableDataSet(f"{name} begins as a JSON list and is none ({where}): mend it there") from error
    # It began with a bracket.
    listed = found if isinstance(found, list) else []
    return tuple(_object(f"{name}[{index}]", one) for index, one in enumerate(listed))


def _object(where: str, found: JsonValue) -> Record:
    if not isinstance(found, dict):
        raise UnusableDataSet(f"{where} is no JSON object: every record must be one")
    return Record(where=where, fields=found)


def _whole(name: str, raw: bytes) -> tuple[Record, ...]:
    """The one object that a file is, over however many lines; none where it is not."""
    try:
        return (Record(where=name, fields=parse_object(raw.decode())),)
    except ValueError:
        return ()


def _lines(name: str, raw: bytes) -> tuple[Record, ...]:
    lines = enumerate(raw.split(b"\n"), start=1)
    return tuple(_line(f"{name}:{number}", line) for number, line in lines if line.strip())


def _line(where: str, line: bytes) -> Record:
    try:
        return Record(where=where, fields=parse_object(line.decode()))
    except UnicodeError as error:
        raise UnusableDataSet(f"{where} is not UTF-8: save the file as UTF-8") from error
    except ValueError as error:
        raise UnusableDataSet(f"{where}: {error}; give one JSON object a line, or a list of them") from error
