"""Where do answers wait until all are there, and whose are they?

A folder with ``answers.jsonl``, one line an answer in the order in which they came, and ``run.json``, which says what
was asked of whom. Answers of two different measurements never stand in one folder, and one run at a time writes there.
A line counts once it is whole: a run that is cut off loses at most the answers that had not come.
"""

import fcntl
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.evaluation.result import Result
from gateway.evaluation.stopped import CannotMeasure, MeasurementStopped

ANSWERS: Final = "answers.jsonl"
RUN: Final = "run.json"


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    case: str
    format: str
    text: str
    input_tokens: int | None
    output_tokens: int | None
    latency_s: float
    finish: str | None
    isolation: str | None
    refused: str | None
    failed: str | None


class Store:
    """The answers of one measurement; ``with`` closes the file, and ``lock``, by which the folder is this run's."""

    def __init__(self, folder: Path, kept: Sequence[Result], lock: int) -> None:
        self.file = folder / ANSWERS
        self._lock = lock
        self._answers = {answer.key: answer for answer in kept}
        # It holds what models said, which may be what the cases hold: for nobody else on this machine.
        self._sink = os.fdopen(os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "ab")

    @property
    def results(self) -> tuple[Result, ...]:
        """One for each case and format that was asked: of several the last."""
        return tuple(self._answers.values())

    def holds(self, case: str, name: str) -> bool:
        """Whether this need not be asked again; what failed is."""
        found = self._answers.get((case, name))
        return found is not None and found.failed is None

    def add(self, answer: Result) -> None:
        """Keep one.

        Raises:
            MeasurementStopped: it cannot be written.
        """
        self._answers[answer.key] = answer
        try:
            self._sink.write(orjson.dumps(asdict(answer)) + b"\n")
            self._sink.flush()
        except OSError as error:
            # What is left of the line would be tried again by whoever closes the file.
            with suppress(OSError):
                self._sink.close()
            raise MeasurementStopped(
                f"{self.file} cannot be written ({error.strerror}); what stands there is kept: make room, and run the "
                "same command again"
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sink.close()
        os.close(self._lock)


def opened(folder: Path, run: Mapping[str, JsonValue], *, fresh: bool) -> Store:
    """The store of the measurement ``run``; with ``fresh`` whatever stood there is forgotten.

    ``run`` has under ``formats`` what is set for each: those of earlier runs stay beside it.

    Raises:
        CannotMeasure: another measurement's answers stand there, another run writes there, or what stands there
            cannot be read.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = _locked(folder)
        try:
            return _opened(folder, run, lock, fresh=fresh)
        except BaseException:
            os.close(lock)
            raise
    except OSError as error:
        raise CannotMeasure(f"{folder} cannot be used ({error.strerror}); name another folder with --out") from error


def _locked(folder: Path) -> int:
    """A descriptor that keeps other runs out of the folder until it is closed, or its process has ended."""
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise CannotMeasure(
            f"another run writes to {folder} at present; wait until it has ended, or name another folder with --out"
        ) from error
    return lock


def _opened(folder: Path, run: JsonObject, lock: int, *, fresh: bool) -> Store:
    if fresh:
        (folder / ANSWERS).unlink(missing_ok=True)
        (folder / RUN).unlink(missing_ok=True)
    before = _described(folder / RUN)
    if before is None and (folder / ANSWERS).exists():
        raise CannotMeasure(
            f"{folder / ANSWERS} holds answers, and no {RUN} beside it says of which measurement; name another "
            "folder with --out, or forget them with --fresh"
        )
    _write(folder / RUN, run if before is None else _together(folder, before, run))
    return Store(folder, _read(folder / ANSWERS), lock)


def _together(folder: Path, before: JsonObject, run: JsonObject) -> JsonObject:
    formats, earlier = _formats(run), _formats(before)
    differing = sorted({key for key in {*before, *run} - {"formats"} if before.get(key) != run.get(key)})
    differing += [f"the settings of {name}" for name in formats if earlier.get(name, formats[name]) != formats[name]]
    if differing:
        raise CannotMeasure(
            f"{folder} holds answers of another measurement ({', '.join(differing)} differ); name another folder with "
            "--out, or forget them with --fresh"
        )
    return {**run, "formats": {**earlier, **formats}}


def _formats(run: JsonObject) -> Mapping[str, JsonValue]:
    found = run.get("formats")
    return found if isinstance(found, Mapping) else {}


def _described(file: Path) -> JsonObject | None:
    if not file.exists():
        return None
    try:
        found: JsonValue = orjson.loads(file.read_bytes())
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, Mapping):
        raise CannotMeasure(f"{file} cannot be read; begin anew with --fresh, or name another folder with --out")
    return found


def _write(file: Path, run: JsonObject) -> None:
    part = file.with_suffix(".part")
    part.write_bytes(orjson.dumps(run, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n")
    part.replace(file)


def _read(file: Path) -> Sequence[Result]:
    """Every whole line; half a line at the end is cut off, since the next is written behind it."""
    if not file.exists():
        return ()
    raw = file.read_bytes()
    whole = raw[: raw.rfind(b"\n") + 1]
    if len(whole) < len(raw):
        with file.open("r+b") as sink:
            sink.truncate(len(whole))
    try:
        return [Result(**_Line.model_validate_json(line).model_dump()) for line in whole.splitlines()]
    except ValidationError as error:
        raise CannotMeasure(f"{file} holds a line that is no answer; begin anew with --fresh") from error
