import contextlib
import io
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal

import pytest

from gateway.telemetry.logs import JsonLines, TextLines, place_of, set_up_logs, supervisor_says
from gateway.telemetry.request_id import request_of

Kind = Literal["json", "text"]
SetUp = Callable[[Kind], io.StringIO]


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[SetUp]:
    """Set logs up as a worker does, into a text; everything is as it was afterwards."""
    root = logging.getLogger()
    watchfiles = logging.getLogger("watchfiles")
    handlers, level, hooks = root.handlers[:], root.level, (sys.excepthook, threading.excepthook)

    def set_up(kind: Kind) -> io.StringIO:
        sink = io.StringIO()
        monkeypatch.setattr(sys, "stderr", sink)
        set_up_logs(kind)
        return sink

    yield set_up
    root.handlers[:] = handlers
    root.setLevel(level)
    watchfiles.setLevel(logging.NOTSET)
    sys.excepthook, threading.excepthook = hooks


def lines(sink: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sink.getvalue().splitlines()]


def fail() -> None:
    planted = "planted-value"
    raise ValueError(planted)


def test_a_json_line_says_when_who_and_what(logged: SetUp) -> None:
    sink = logged("json")
    logging.getLogger("splitgate.web").warning("request %s is late", 7)
    [line] = lines(sink)
    assert set(line) == {"time", "level", "logger", "message", "pid"}
    assert (line["level"], line["logger"], line["message"]) == ("warning", "splitgate.web", "request 7 is late")
    assert line["time"].endswith("Z")
    assert len(line["time"]) == len("2030-01-01T00:00:00.000Z")
    assert abs(datetime.fromisoformat(line["time"]).timestamp() - datetime.now(UTC).timestamp()) < 60


def test_a_json_line_names_the_request_that_it_belongs_to(logged: SetUp) -> None:
    sink = logged("json")
    token = request_of.set("r1")
    logging.getLogger("splitgate.web").info("in")
    request_of.reset(token)
    logging.getLogger("splitgate.web").info("out")
    assert [line.get("request") for line in lines(sink)] == ["r1", None]


def test_what_is_below_info_is_not_written(logged: SetUp) -> None:
    sink = logged("json")
    logging.getLogger("splitgate.web").debug("planted-detail")
    assert sink.getvalue() == ""


def test_lines_for_people_stay_as_they_are(logged: SetUp) -> None:
    sink = logged("text")
    logging.getLogger("splitgate.policies").info("policies in force: %s", "sha256:1")
    assert sink.getvalue().endswith(" INFO splitgate.policies: policies in force: sha256:1\n")
    assert sink.getvalue()[:2] == "20"


@pytest.mark.parametrize("kind", ["json", "text"])
def test_an_exception_is_told_by_class_and_place_alone(logged: SetUp, kind: Kind) -> None:
    sink = logged(kind)
    try:
        fail()
    except ValueError:
        logging.getLogger("splitgate.web").exception("it failed")
    assert sink.getvalue().count("\n") == 1
    assert "ValueError" in sink.getvalue()
    assert f"{__file__}:{fail.__code__.co_firstlineno + 2}" in sink.getvalue()
    assert "it failed" in sink.getvalue()
    assert "planted" not in sink.getvalue()


@pytest.mark.parametrize("kind", ["json", "text"])
def test_values_in_the_messages_of_others_are_left_out(logged: SetUp, kind: Kind) -> None:
    sink = logged(kind)
    planted = "planted-body"
    logging.getLogger("some.library").error("cannot parse %r", "planted-prompt")
    # With the values in it before the logger sees it.
    logging.getLogger("some.library").error(f"cannot parse {planted}")  # noqa: G004
    assert sink.getvalue().count("\n") == 2
    assert sink.getvalue().count("some.library") == 2
    assert sink.getvalue().upper().count("ERROR") == 2
    assert sink.getvalue().count(f"{__file__}:") == 2
    assert "planted" not in sink.getvalue()


def test_files_that_changed_are_not_told_of_one_by_one(logged: SetUp) -> None:
    sink = logged("json")
    logging.getLogger("watchfiles.main").info("%d change%s detected", 1, "")
    assert sink.getvalue() == ""
    logging.getLogger("watchfiles.main").warning("it ends")
    assert len(lines(sink)) == 1


@pytest.mark.parametrize("kind", ["json", "text"])
def test_what_the_event_loop_says_of_tasks_and_arguments_is_left_out(logged: SetUp, kind: Kind) -> None:
    sink = logged(kind)
    logging.getLogger("asyncio").error("Exception in callback f('planted-prompt')", exc_info=ValueError("planted"))
    logging.getLogger("asyncio").warning("Executing <Task 'planted-prompt'>")
    assert sink.getvalue().count("\n") == 2
    assert "the event loop met an error that nobody handled" in sink.getvalue()
    assert "planted" not in sink.getvalue()


@pytest.mark.parametrize("kind", ["json", "text"])
def test_what_ends_the_process_or_a_thread_is_told_so_too(logged: SetUp, kind: Kind) -> None:
    sink = logged(kind)
    try:
        fail()
    except ValueError as error:
        sys.excepthook(ValueError, error, error.__traceback__)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    assert sink.getvalue().count("ValueError") == 2
    assert "the process ended unexpectedly" in sink.getvalue()
    assert "a thread ended unexpectedly" in sink.getvalue()
    assert "planted" not in sink.getvalue()


def test_who_ends_the_process_on_purpose_is_told_nothing(logged: SetUp) -> None:
    sink = logged("text")
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert sink.getvalue() == ""


def test_setting_up_again_writes_each_line_once(logged: SetUp) -> None:
    logged("text")
    sink = logged("json")
    logging.getLogger("splitgate.web").info("once")
    assert len(lines(sink)) == 1


def test_an_exception_that_was_never_raised_has_no_place() -> None:
    assert place_of(ValueError()) == "an unknown place"


@pytest.mark.parametrize("formatter", [JsonLines(), TextLines()])
def test_a_line_without_an_exception_says_nothing_of_one(formatter: logging.Formatter) -> None:
    record = logging.LogRecord("splitgate", logging.INFO, "f.py", 1, "fine", None, (None, None, None))
    assert "exception" not in formatter.format(record)
    assert " at " not in formatter.format(record)


def test_the_supervisors_lines_follow_the_kind() -> None:
    with contextlib.redirect_stderr(io.StringIO()) as sink:
        supervisor_says("text")("worker 1 died")
        supervisor_says("json")("worker 2 died")
    first, second = sink.getvalue().splitlines()
    assert first == "splitgate: worker 1 died"
    told = json.loads(second)
    assert set(told) == {"time", "level", "logger", "message", "pid"}
    assert (told["logger"], told["message"]) == ("splitgate.supervisor", "worker 2 died")
