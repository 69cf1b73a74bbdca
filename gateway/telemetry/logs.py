"""How is a log line written?

As text for people, or as one JSON object for machines. An exception is told by its class and the place where it was
raised: never by its message, its values or a traceback, in which prompt text may stand. What others' libraries say is
never shown: their authors write values into it.
"""

import json
import logging
import os
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Literal, TypeAlias

from gateway.telemetry.request_id import request_of

Kind: TypeAlias = Literal["json", "text"]

_TEXT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
# Whose messages may be shown with their values: our own, and those of the server, which knows no prompts.
_TRUSTED: Final = ("splitgate", "gateway", "adapters", "policies", "uvicorn")
_log: Final = logging.getLogger("splitgate")


def set_up_logs(kind: Kind) -> None:
    """Have this process log to stderr, from INFO on; also what ends it or one of its threads unexpectedly."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if kind == "json" else TextLines(_TEXT))
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    # It tells of every file that changed anywhere in a watched folder, this log's own among them.
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    # It tells of every call that it makes.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    sys.excepthook = _ended
    threading.excepthook = _thread_ended


def place_of(error: BaseException) -> str:
    """``file:line`` of where it was raised."""
    trace = error.__traceback__
    if trace is None:
        return "an unknown place"
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def message_of(record: logging.LogRecord) -> str:
    """What a line may say."""
    if record.name.partition(".")[0] in _TRUSTED:
        return record.getMessage()
    if record.name == "asyncio":
        # Its messages hold the representations of tasks, arguments and exceptions.
        return (
            "the event loop met an error that nobody handled" if record.levelno >= logging.ERROR else "told by asyncio"
        )
    # Also the text before its values are put in: many write them in with an f-string.
    return f"told by a library at {record.pathname}:{record.lineno}"


class TextLines(logging.Formatter):
    """Lines for people."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, as a message of ours and the exception's class and place."""
        record.asctime = self.formatTime(record)
        line = _TEXT % {**vars(record), "message": message_of(record)}
        error = _error_of(record)
        return line if error is None else f"{line} ({type(error).__name__} at {place_of(error)})"


class JsonLines(logging.Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The object: ``request``, ``exception`` and ``place`` only where there are any."""
        told = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": message_of(record),
            "pid": record.process,
        }
        request = request_of.get()
        if request is not None:
            told["request"] = request
        error = _error_of(record)
        if error is not None:
            told |= {"exception": type(error).__name__, "place": place_of(error)}
        return json.dumps(told)


def supervisor_says(kind: Kind) -> Callable[[str], None]:
    """How the supervisor, which logs nothing, says a line on stderr."""

    def say(text: str) -> None:
        if kind == "json":
            told = {
                "time": _time(datetime.now(UTC).timestamp()),
                "level": "info",
                "logger": "splitgate.supervisor",
                "message": text,
                "pid": os.getpid(),
            }
            line = json.dumps(told)
        else:
            line = f"splitgate: {text}"
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()

    return say


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _error_of(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    _log.critical("the process ended unexpectedly; report it", exc_info=(kind, error, trace))


def _thread_ended(told: threading.ExceptHookArgs) -> None:
    if told.exc_value is not None:
        _log.critical(
            "a thread ended unexpectedly; report it", exc_info=(told.exc_type, told.exc_value, told.exc_traceback)
        )
