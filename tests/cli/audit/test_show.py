import re
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from typer.testing import Result

from gateway.audit.contents import Gone, Text
from gateway.cli.audit.show_view import Kept, Story, lines

Splitgate = Callable[..., Result]
Recorded: TypeAlias = Any
Show = Callable[..., Result]


@pytest.fixture
def show(splitgate: Splitgate, recorded: Recorded) -> Show:
    return lambda *more: splitgate("audit", "show", recorded.request[:6], "--config", str(recorded.config), *more)


def sections(told: str) -> dict[str, list[str]]:
    """The lines below each title; times are left out."""
    found: dict[str, list[str]] = {"": []}
    for line in re.sub(r"20\d\d-\d\d-\d\dT[0-9:.]+Z", "TIME", told).splitlines():
        title = re.fullmatch(r"── (.*) ──", line)
        if title is not None:
            found[title[1]] = []
        elif line:
            list(found.values())[-1].append(line)
    return found


def test_the_story_is_told_in_the_order_in_which_it_happened(show: Show, recorded: Recorded) -> None:
    result = show()
    assert (result.exit_code, result.stderr) == (0, "")
    told = sections(result.stdout)
    assert told[""] == [
        f"request {recorded.request} · trace {'cd' * 16}",
        "tenant  acme · key app-1 · api_key",
        "model   local · dialect split",
        f"subject {recorded.pseudonym}",
    ]
    assert told["what came"] == [
        "1 INSTRUCTION  operator · id s1 · origin client · 7 characters",
        "2 DATA  untrusted · id s2 · origin web · 19 characters · changed before it was sent",
    ]
    assert told["findings"] == ["base/secrets", "  data s2 · redact · 2 times · characters 3-9, 12-20"]
    assert told["decisions"] == [
        "TIME · the request: redact · by redact · watching rules would have said block · data stands in the context",
        "  policies base (enforce) · revision sha256:1",
        "TIME · the answer: allow · data stands in the context",
        "  policies base (enforce) · revision sha256:1",
    ]
    assert told["attempts"] == ["1  TIME · target t1 · model there big · format tool-envelope · isolation channel"]
    assert told["answer"] == [
        "status 200 · finish stop · held for approval app-7",
        "choice 0 · text · 21 characters",
        "choice 0 · tool call look_up · 12 characters of arguments · data may have steered it",
        "stream  9 events scanned, 8 sent on",
        "tokens  10 in, 5 out",
        "ms      gateway 0.250, total 1.500",
    ]
    assert [line.split(" · ")[1] for line in told["records"]] == ["intent", "outcome"]
    assert "planted" not in result.stdout


def test_texts_are_shown_where_they_are_asked_for(show: Show, recorded: Recorded) -> None:
    told = sections(show("--content").stdout)
    assert told["what came"][-1] == f"    │ {recorded.data}"
    assert told["answer"][2] == f"    │ {recorded.answer}"
    named = show("--content", "--master-key", "file:state/audit-master.key")
    assert f"    │ {recorded.data}" in named.stdout


def test_another_master_key_opens_nothing(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER", "A" * 43 + "=")
    refused = show("--content", "--master-key", "env:OTHER")
    assert (refused.exit_code, "another master key" in refused.stderr, refused.stdout) == (1, True, "")


def test_what_was_erased_says_when(splitgate: Splitgate, show: Show, recorded: Recorded) -> None:
    erased = splitgate(
        "audit", "erase", "--config", str(recorded.config), "--tenant", "acme", "--subject", "bob", "--yes"
    )
    assert erased.exit_code == 0
    for result in (show(), show("--content")):
        assert f"subject {recorded.pseudonym} · erased at TIME" in sections(result.stdout)[""]
        assert "planted" not in result.output
    told = sections(show("--content").stdout)
    assert told["what came"][-1] == "    erased at TIME"
    assert told["answer"][2] == "    erased at TIME"


def test_what_an_approver_decided_belongs_to_the_story(show: Show, recorded: Recorded) -> None:
    decided = {"approval": "app-7", "decision": "approved", "what": "approval.decided"}
    recorded.write(
        ("decision", {**decided, "actor": {"key": "boss"}}),
        ("decision", {"approval": "app-8", "decision": "denied", "actor": {"key": "chief"}}),
        ("erasure", {"subject": "f" * 32, "tenant": "acme"}),
    )  # fmt: skip
    result = show()
    told = sections(result.stdout)
    assert told["decisions"][-1] == "TIME · the held answer app-7: approved · approval.decided · by boss"
    assert "app-8" not in result.stdout
    assert len(told["records"]) == 3


def test_a_count_and_vectors_are_shown_by_their_numbers(splitgate: Splitgate, recorded: Recorded) -> None:
    embedded = {"vectors": {"count": 3, "dimensions": 576}, "usage": {"input": 13, "output": 0}}
    for request, more in (("77", {"counted": 31}), ("78", embedded)):
        recorded.write(
            ("intent", {"request": request, "attempt": 1}), ("outcome", {"request": request, "status": 200, **more})
        )
    counted = sections(splitgate("audit", "show", "77", "--dir", str(recorded.places.root)).stdout)
    assert counted["answer"] == ["status 200", "counted 31 tokens"]
    told = sections(splitgate("audit", "show", "78", "--dir", str(recorded.places.root)).stdout)
    assert told["answer"] == ["status 200", "tokens  13 in, 0 out", "vectors 3, each of 576 numbers"]


def test_how_each_attempt_ended_is_shown(splitgate: Splitgate, recorded: Recorded) -> None:
    failed = {"target": "t1", "took": 1500, "error": "upstream_failed"}
    answered = {"target": "t2", "took": 20, "waited": 250_000}
    recorded.write(
        ("intent", {"request": "79", "attempt": 1, "target": "t1"}),
        ("intent", {"request": "79", "attempt": 2, "target": "t2"}),
        ("outcome", {"request": "79", "status": 200, "attempts": [failed, answered]}),
    )
    told = sections(splitgate("audit", "show", "79", "--dir", str(recorded.places.root)).stdout)
    assert told["attempts"] == [
        "1  TIME · target t1",
        "2  TIME · target t2",
        "   t1 · upstream_failed · after 1.500 ms",
        "   t2 · answered · after 0.020 ms · waited 250.000 ms before it",
    ]


def test_a_request_of_which_little_is_known_is_shown_too(splitgate: Splitgate, recorded: Recorded) -> None:
    result = splitgate("audit", "show", "ef", "--dir", str(recorded.places.root))
    told = sections(result.stdout)
    assert told["what came"] == ["No segments are recorded."]
    assert told["findings"] == ["None."]
    assert told["attempts"] == ["Nothing was sent to a model."]
    assert told["answer"] == ["status 404"]
    recorded.write(("intent", {"request": "99", "attempt": 2, "decision": "allow", "target": "t2"}))
    told = sections(splitgate("audit", "show", "99", "--dir", str(recorded.places.root)).stdout)
    assert told["answer"] == ["No outcome is recorded: the request is still under way, or its process ended before."]
    assert (told["attempts"], told["decisions"]) == (["2  TIME · target t2"], [])


def test_a_request_that_was_refused_says_by_what(splitgate: Splitgate, recorded: Recorded) -> None:
    findings = [
        {"rule": "reserved", "where": "s1", "action": "redact", "weight": "acts", "count": 1},
        {"policy": "p", "rule": "r", "where": "s1", "action": "block", "weight": "shadow", "exception": "e1"},
    ]
    decided = {"request": "99", "decision": "block", "decision_id": "99/in", "bypass": "fire"}
    recorded.write(
        ("decision", {**decided, "findings": findings}),
        ("outcome", {"request": "99", "status": 403, "error": "splitgate_blocked", "findings": findings[:1],
                     "stream": {"scanned": 1, "released": 0, "truncated": 1}}),
    )  # fmt: skip
    told = sections(splitgate("audit", "show", "99", "--dir", str(recorded.places.root)).stdout)
    assert told["findings"] == [
        "reserved", "  s1 · redact · 1 time", "p/r", "  s1 · block, but only shadow · exception e1",
    ]  # fmt: skip
    assert told["decisions"] == ["TIME · the request: block", "  ", "  break-glass grant fire"]
    assert told["answer"] == [
        "status 403 · error splitgate_blocked", "stream  1 events scanned, 0 sent on, something was cut",
    ]  # fmt: skip


def test_an_unknown_request_is_no_and_an_ambiguous_one_is_asked_for(splitgate: Splitgate, recorded: Recorded) -> None:
    recorded.write(("outcome", {"request": "abcd", "status": 200}))
    folder = str(recorded.places.root)
    for request, code, words in (
        ("99", 1, "no record"), ("ab", 2, "2 requests begin so"), ("xyz", 2, "hexadecimal"), ("", 2, "hexadecimal"),
    ):  # fmt: skip
        result = splitgate("audit", "show", request, "--dir", folder)
        assert (result.exit_code, words in result.stderr, result.stdout) == (code, True, "")


def test_no_text_of_a_record_passes_for_ours() -> None:
    record = {"request": "99", "phase": "outcome", "time": 0, "event": "e", "error": "x\n── answer ──\x1b[31m"}
    told = [line.plain for line in lines(Story(records=(record,)), 40)]
    assert "status  · error" not in told
    assert "error x\\n── answer ──\\x1b[31m" in told


def test_long_texts_stay_behind_their_gutter() -> None:
    part = {"channel": "text", "choice": 0}
    record = {"request": "99", "phase": "outcome", "time": 0, "event": "e", "output": [part]}
    for content, expected in (
        (Text(text="x" * 50 + "\n\ny"), ["    │ " + "x" * 33, "    │ " + "x" * 17, "    │ ", "    │ y"]),
        (Gone(why="lost"), ["    not readable: lost"]),
    ):
        story = Story(records=(record,), kept=(Kept(record=record, part=part, content=content),))
        told = [line.plain for line in lines(story, 40)]
        at = told.index("choice 0 · text")
        assert told[at + 1 : at + 1 + len(expected)] == expected
