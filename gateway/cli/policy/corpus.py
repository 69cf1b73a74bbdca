"""Which requests and texts does a corpus hold?

JSONL, one entry a line; JSON, a list of entries or lists of them by name; anything else is one text, a folder a text in
each file. An entry is a text, an object whose field holds one, a request, or a text that says where it stands
(``{stage, text, …}``, see ``sample.py``). What cannot be read is told and left out, never taken for something else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import orjson

from gateway.cli.policy.sample import Sample, read_sample
from gateway.cli.requests import read_body, read_bytes
from gateway.cli.told import WRONG, CommandFailed, say
from gateway.domain.detection import Stage
from gateway.domain.errors import RequestError
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.request import ClientRequest

_FIELDS: Final = ("text", "prompt")
_REQUEST_FIELDS: Final = frozenset({"messages", "body", "instructions", "data", "input"})
# Unreadable entries beyond these are counted, not told one by one.
_TOLD: Final = 5

Entry: TypeAlias = ClientRequest | Sample


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One entry, and where it stands: ``corpus.jsonl:12``."""

    where: str
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How entries are read: which field holds the text (None: a usual one), and where bare texts stand."""

    field: str | None = None
    stage: Stage = Stage.DATA
    dialect: str = "auto"
    model: str | None = None


def read_corpora(paths: Iterable[Path], reading: Reading) -> tuple[Item, ...]:
    """Every entry of every corpus that can be read.

    Raises:
        CommandFailed: a file is not there or is no JSON, or nothing in them can be read.
    """
    items: list[Item] = []
    wrong: list[str] = []
    for path in paths:
        for where, value in _values(path):
            try:
                items.append(Item(where=where, entry=read_entry(value, reading)))
            except (ValueError, RequestError) as error:
                said = error.message if isinstance(error, RequestError) else str(error)
                wrong.append(f"{where}: {said}")
    _tell(wrong)
    if not items:
        raise CommandFailed("nothing in the corpus can be read", code=WRONG)
    return tuple(items)


def read_entry(value: JsonValue, reading: Reading) -> Entry:
    """One entry.

    Raises:
        ValueError: it holds no text; the message names its fields, never what they hold.
        RequestError: what the gateway would answer to this request.
    """
    if isinstance(value, str):
        return Sample(stage=reading.stage, text=value)
    if not isinstance(value, Mapping):
        raise ValueError("is neither a text nor an object")  # noqa: TRY004 - told as the others
    if reading.field is not None:
        return Sample(stage=reading.stage, text=_text(value, reading.field))
    if "stage" in value:
        return read_sample(value)
    if not _REQUEST_FIELDS.isdisjoint(value):
        return _request(value, reading)
    found = next((name for name in _FIELDS if isinstance(value.get(name), str)), None)
    if found is None:
        raise ValueError(f"no field holds a text; choose one with --field: {', '.join(map(str, value))}")
    return Sample(stage=reading.stage, text=_text(value, found))


def _request(value: JsonObject, reading: Reading) -> ClientRequest:
    body, dialect = value.get("body"), reading.dialect
    if isinstance(body, Mapping):
        named = value.get("dialect")
        dialect = named if dialect == "auto" and isinstance(named, str) else dialect
        return read_body(body, dialect=dialect, model=reading.model)
    return read_body(value, dialect=dialect, model=reading.model)


def _text(value: JsonObject, field: str) -> str:
    text = value.get(field)
    if not isinstance(text, str):
        raise ValueError(f"the field {field} holds no text; there are {', '.join(map(str, value))}")  # noqa: TRY004
    return text


def _values(path: Path) -> Iterator[tuple[str, JsonValue]]:
    if path.is_dir():
        inside = sorted(one for one in path.rglob("*") if one.is_file() and not one.name.startswith("."))
        for one in inside:
            yield str(one), _decoded(read_bytes(one))
        return
    raw, name = read_bytes(path), "<stdin>" if str(path) == "-" else str(path)
    match "." + path.name.rpartition(".")[2].lower():
        case ".json":
            yield from _listed(name, _parsed(name, raw))
        case ".jsonl" | ".ndjson" | ".-":
            for number, line in enumerate(raw.split(b"\n"), start=1):
                if line.strip():
                    yield f"{name}:{number}", _parsed(f"{name}:{number}", line)
        case _:
            yield name, _decoded(raw)


def _listed(name: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    """The entries of a list, or of lists by name."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        yield from ((f"{name}[{index}]", entry) for index, entry in enumerate(value))
    elif isinstance(value, Mapping) and value and all(isinstance(inner, list) for inner in value.values()):
        for key, inner in value.items():
            yield from _listed(f"{name}.{key}", inner)
    else:
        yield name, value


def _parsed(name: str, raw: bytes) -> JsonValue:
    try:
        value: JsonValue = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise CommandFailed(
            f"{name} is no JSON ({where}); mend it, or name it .txt if it is text", code=WRONG
        ) from error
    return value


def _decoded(raw: bytes) -> str:
    return raw.decode("utf-8", errors="replace")


def _tell(wrong: Sequence[str]) -> None:
    for message in wrong[:_TOLD]:
        say(f"warning: left out {message}")
    if len(wrong) > _TOLD:
        say(f"warning: and {len(wrong) - _TOLD} more were left out")
