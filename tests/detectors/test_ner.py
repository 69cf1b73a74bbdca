"""The language model's processes: what they find, and what is said when they are late, hang, die or lie."""

import asyncio
import io
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from gateway.detectors._ner_worker import Seen, answer_all
from gateway.detectors.ner import MAX_CHARS, NamedEntities
from gateway.detectors.pii import Pii
from gateway.domain.detection import Mark, Stage, Subject
from gateway.domain.errors import ConfigError
from policies.engine.model import PiiSettings, Recognizer

PERSONS = frozenset({"PERSON"})

# Answers as the real program does; each text says what to do.
STAND_IN = """
import json, os, sys, time
while len(header := sys.stdin.buffer.read(4)) == 4:
    text = json.loads(sys.stdin.buffer.read(int.from_bytes(header)))
    if text == "die":
        os._exit(1)
    if text.startswith("sleep "):
        time.sleep(float(text[6:]))
    answer = {"lie": [["PERSON"]], "pid": [["PERSON", 0, os.getpid()]], "env": [["PERSON", 0, len(os.environ)]]}
    if text == "secret":
        answer[text] = [["PERSON", 0, int("PLANTED_SECRET" in os.environ)]]
    body = b"no json" if text == "garble" else json.dumps(answer.get(text, [["PERSON", 0, 1], ["NRP", 0, 1]])).encode()
    sys.stdout.buffer.write(len(body).to_bytes(4) + body)
    sys.stdout.buffer.flush()
"""

Start = Callable[..., NamedEntities]


@pytest.fixture
async def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    tmp_path.joinpath("stand_in.py").write_text(STAND_IN)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    async with AsyncExitStack() as stack:

        def start(timeout: float = 30.0, *, workers: int = 1, hangs: float = 30.0) -> NamedEntities:
            made = NamedEntities(PERSONS, timeout, model="json", worker="stand_in", workers=workers, hangs=hangs)
            stack.push_async_callback(made.close)
            return made

        yield start


async def test_one_who_goes_away_before_a_failure_hears_nothing_of_it(start: Start) -> None:
    named = start(0.1, hangs=0.5)
    assert await named.ask(["sleep 60"]) == ["timeout"]
    await asyncio.sleep(0.8)
    assert await named.ask([" "]) == [()]


async def test_only_the_wanted_kinds_are_reported(start: Start) -> None:
    assert await start().ask(["Ann", " ", "Bob"]) == [
        [Mark(kind="PERSON", start=0, end=1)],
        (),
        [Mark(kind="PERSON", start=0, end=1)],
    ]


async def test_nothing_asked_starts_nothing(start: Start) -> None:
    assert await start().ask([]) == []


async def test_one_process_serves_text_after_text(start: Start) -> None:
    named = start()
    assert await named.ask(["pid"]) == await named.ask(["pid"])


async def test_two_processes_work_side_by_side(start: Start) -> None:
    named = start(workers=2)
    first, second = await named.ask(["pid", "pid"])
    assert first != second


async def test_a_text_that_is_too_long_is_not_read(start: Start) -> None:
    assert await start().ask(["a" * (MAX_CHARS + 1)]) == ["too_long"]
    assert await start().ask(["a" * MAX_CHARS]) != ["too_long"]


async def test_whoever_asks_waits_until_the_deadline_alone(start: Start) -> None:
    named = start(1.0)
    await named.ask(["warm"])
    before = await named.ask(["pid"])
    assert await named.ask(["sleep 1.2", "waits behind it"]) == ["timeout", "timeout"]
    # The process was not ended for it: the next question waits for the rest of its work and is answered.
    assert await named.ask(["pid"]) == before


async def test_a_dead_process_is_an_error_and_is_replaced(start: Start) -> None:
    named = start()
    before = await named.ask(["pid"])
    assert await named.ask(["die"]) == ["error"]
    after = await named.ask(["pid"])
    assert after != before
    assert not isinstance(after[0], str)


@pytest.mark.parametrize("text", ["garble", "lie"])
async def test_an_answer_that_is_none_is_an_error(start: Start, text: str) -> None:
    named = start()
    assert await named.ask([text, "Ann"]) == ["error", [Mark(kind="PERSON", start=0, end=1)]]


async def test_a_process_that_hangs_is_ended(start: Start) -> None:
    named = start(hangs=0.5)
    assert await named.ask(["sleep 60"]) == ["error"]


async def test_no_secret_of_the_gateway_reaches_a_process(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_SECRET", "x")
    assert await start().ask(["secret"]) == [[Mark(kind="PERSON", start=0, end=0)]]


async def test_closing_ends_what_is_under_way_and_starts_nothing_again(start: Start) -> None:
    named = start(30.0)
    asked = asyncio.create_task(named.ask(["sleep 60"]))
    await named.ask([])
    await asyncio.sleep(0.2)
    await named.close()
    assert await asked == ["error"]
    assert await named.ask(["Ann"]) == ["error"]


async def test_closing_ends_a_process_that_is_being_started(start: Start) -> None:
    named = start(0.001)
    assert await named.ask(["sleep 60"]) == ["timeout"]
    async with asyncio.timeout(20):
        await named.close()


async def test_one_who_goes_away_leaves_the_process_to_others(start: Start) -> None:
    named = start()
    await named.ask(["warm"])
    asked = asyncio.create_task(named.ask(["sleep 0.3"]))
    await asyncio.sleep(0.1)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert await named.ask(["Ann"]) == [[Mark(kind="PERSON", start=0, end=1)]]


def test_without_the_model_the_load_says_what_to_install() -> None:
    with pytest.raises(ConfigError, match=r"pip install splitgate\[ner\]"):
        NamedEntities(PERSONS, 1.0, model="no_such_model")


def test_the_program_answers_until_its_input_ends() -> None:
    asked = [json.dumps(text).encode() for text in ("a", "ü")]
    source = io.BytesIO(b"".join(len(each).to_bytes(4) + each for each in asked) + b"\0")
    sink = io.BytesIO()

    def see(text: str) -> Seen:
        return [("PERSON", 0, ord(text))]

    answer_all(source, sink, see)
    answers = [json.dumps([["PERSON", 0, ord(text)]]).encode() for text in "aü"]
    assert sink.getvalue() == b"".join(len(each).to_bytes(4) + each for each in answers)


def _subject(text: str) -> Subject:
    return Subject(stage=Stage.DATA, where="mail", text=text, facts={})


async def test_the_real_model_and_the_patterns_are_reported_together() -> None:
    detector = Pii(PiiSettings(ner=True, ner_timeout_ms=60_000))
    assert detector.slow
    text = "Barack Obama lives in Berlin: obama@example.com"
    try:
        found, much = await detector.ask([_subject(text), _subject("4111 1111 1111 1112 " * 6_000)])
        # Once the first process is idle: a second one would load the model as well.
        [quiet] = await detector.ask([_subject("The report is late.")])
    finally:
        await detector.close()
    assert [(mark.kind, text[mark.start : mark.end]) for mark in found.marks] == [
        ("PERSON", "Barack Obama"),
        ("LOCATION", "Berlin"),
        ("EMAIL_ADDRESS", "obama@example.com"),
    ]
    assert quiet.facts == {}
    assert much.failed == "too_many"
    assert "spacy.lang.en" not in sys.modules


async def test_what_the_patterns_found_stays_beside_the_models_failure() -> None:
    detector = Pii(PiiSettings(ner=True, ner_timeout_ms=1, recognizers=(Recognizer(entity="A", pattern="mark"),)))
    try:
        [late] = await detector.ask([_subject("a mark")])
    finally:
        await detector.close()
    assert late.failed == "timeout"
    assert late.facts["det.pii.kinds"] == ("A",)
