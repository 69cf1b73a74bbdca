"""How is the story of a request told, so that its texts cannot pass for ours?

In the order in which it happened. What a client or a model wrote stands behind a gutter, escaped.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, assert_never

from rich.cells import chop_cells
from rich.text import Text as Line

from gateway.audit.contents import Erased, Gone, Text
from gateway.audit.line import Fields, canonical
from gateway.audit.search import number_of, object_of, objects_of, tenant_of, text_of, time_of, values_of
from gateway.cli.audit.when import shown, shown_exactly
from gateway.cli.terminal import one_line, visible

_GUTTER: Final = "    │ "
_STYLES: Final = {"instruction": "green", "data": "yellow", "media": "yellow", "history": "cyan"}
_NO_OUTCOME: Final = "No outcome is recorded: the request is still under way, or its process ended before."


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The text of a ``part`` (a segment or an output) of a ``record``."""

    record: Fields
    part: Fields
    content: Text | Erased | Gone


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The records of one request, those of decisions on its held answers, and when subjects of it were erased."""

    records: tuple[Fields, ...]
    decided: tuple[Fields, ...] = ()
    erased: Mapping[str, int] = field(default_factory=dict[str, int])
    kept: tuple[Kept, ...] = ()

    def of(self, phase: str) -> list[Fields]:
        """The request's records of one phase."""
        return [record for record in self.records if record.get("phase") == phase]


def lines(story: Story, width: int | None) -> Iterator[Line]:
    """The story, line by line; texts are cut into lines of at most ``width`` cells, if one is given."""
    first = story.records[0]
    outcome = next(iter(story.of("outcome")), None)
    yield from _heading(first, story)
    came = next((record for record in story.records if "segments" in record), None)
    yield _title("what came")
    yield from _segments(came, story, width) if came is not None else [Line("No segments are recorded.")]
    yield _title("findings")
    yield from _findings(story)
    yield _title("decisions")
    for record in story.records:
        yield from _decision(record)
    for record in story.decided:
        yield _approved(record)
    yield _title("attempts")
    yield from [_attempt(record) for record in story.of("intent")] or [Line("Nothing was sent to a model.")]
    yield from [_tried(one) for one in objects_of(outcome, "attempts")] if outcome is not None else ()
    yield _title("answer")
    yield from _answer(outcome, story, width) if outcome is not None else [Line(_NO_OUTCOME, style="bold red")]
    yield _title("records")
    for record in (*story.records, *story.decided):
        yield _joined(shown_exactly(time_of(record)), text_of(record, "phase"), text_of(record, "event"))


def _heading(first: Fields, story: Story) -> Iterator[Line]:
    actor = object_of(first, "actor")
    yield _joined(f"request {text_of(first, 'request')}", _named("trace", text_of(first, "trace")))
    yield _joined(f"tenant  {tenant_of(first)}", _named("key", text_of(actor, "key")), text_of(actor, "method"))
    yield _joined(f"model   {text_of(first, 'model')}", _named("dialect", text_of(first, "dialect")))
    if text_of(first, "subject"):
        yield _joined(f"subject {text_of(first, 'subject')}", _erased(text_of(first, "subject"), story))


def _segments(record: Fields, story: Story, width: int | None) -> Iterator[Line]:
    for number, segment in enumerate(objects_of(record, "segments"), start=1):
        channel = text_of(segment, "channel")
        subject = text_of(segment, "subject")
        head = Line.assemble(
            (f"{number} {one_line(channel).upper()}", f"bold {_STYLES.get(channel, '')}".strip()), "  "
        )
        yield head + _joined(
            text_of(segment, "trust"),
            _named("id", text_of(segment, "id")),
            _named("origin", text_of(segment, "origin")),
            _counted(number_of(segment, "length"), "character"),
            "changed before it was sent" if "sent" in segment else "",
            _named("subject", subject),
            _erased(subject, story),
        )
        yield from _content(story, record, segment, width)


def _findings(story: Story) -> Iterator[Line]:
    by_rule: dict[tuple[str, str], dict[bytes, Fields]] = {}
    for record in story.records:
        for finding in objects_of(record, "findings"):
            rule = (text_of(finding, "policy"), text_of(finding, "rule"))
            # Later records repeat what earlier ones told.
            by_rule.setdefault(rule, {})[canonical(finding)] = finding
    if not by_rule:
        yield Line("None.")
    for (policy, rule), findings in by_rule.items():
        yield Line(one_line(f"{policy}/{rule}" if policy else rule), style="bold")
        for finding in findings.values():
            acts = text_of(finding, "weight") == "acts"
            yield Line("  ") + _joined(
                f"{text_of(finding, 'stage')} {text_of(finding, 'where')}".strip(),
                text_of(finding, "action") + ("" if acts else f", but only {text_of(finding, 'weight')}"),
                _counted(number_of(finding, "count"), "time"),
                _named("characters", _spans(finding)),
                _named("exception", text_of(finding, "exception")),
                style="red" if acts else "dim",
            )


def _spans(finding: Fields) -> str:
    """``3-9, 20-31``."""
    pairs = [pair for pair in values_of(finding, "spans") if not isinstance(pair, str | int | Mapping)]
    return ", ".join(["-".join([str(end) for end in pair if isinstance(end, int)]) for pair in pairs])


def _decision(record: Fields) -> Iterator[Line]:
    decision = text_of(record, "decision")
    if not decision or (record.get("phase") == "intent" and number_of(record, "attempt") not in (None, 1)):
        return
    about = "the answer" if text_of(record, "decision_id").endswith("/out") else "the request"
    actions = ", ".join([one for one in values_of(record, "actions") if isinstance(one, str)])
    shadow = text_of(record, "shadow")
    yield _joined(
        shown_exactly(time_of(record)),
        f"{about}: {decision}",
        _named("by", actions),
        _named("watching rules would have said", "" if shadow == decision else shadow),
        "data stands in the context" if number_of(record, "tainted") else "",
        style="bold red" if decision == "block" else "bold",
    )
    policies = [f"{text_of(one, 'name')} ({text_of(one, 'mode')})" for one in objects_of(record, "policies")]
    yield Line("  ") + _joined(_named("policies", ", ".join(policies)), _named("revision", text_of(record, "revision")))
    if text_of(record, "bypass"):
        yield Line("  ") + _joined(_named("break-glass grant", text_of(record, "bypass")), style="bold yellow")


def _approved(record: Fields) -> Line:
    return _joined(
        shown_exactly(time_of(record)),
        f"the held answer {text_of(record, 'approval')}: {text_of(record, 'decision')}",
        text_of(record, "what"),
        _named("by", text_of(object_of(record, "actor"), "key")),
        style="bold",
    )


def _attempt(record: Fields) -> Line:
    return _joined(
        f"{number_of(record, 'attempt') or 1}  {shown_exactly(time_of(record))}",
        _named("target", text_of(record, "target")),
        _named("model there", text_of(record, "upstream")),
        _named("format", text_of(record, "format")),
        _named("isolation", text_of(record, "isolation")),
    )


def _tried(attempt: Fields) -> Line:
    """How an attempt ended, where the outcome says it of each."""
    waited = number_of(attempt, "waited")
    return _joined(
        f"   {text_of(attempt, 'target')}",
        text_of(attempt, "error") or "answered",
        _named("after", f"{(number_of(attempt, 'took') or 0) / 1000:.3f} ms"),
        "" if waited is None else f"waited {waited / 1000:.3f} ms before it",
    )


def _answer(outcome: Fields, story: Story, width: int | None) -> Iterator[Line]:
    finish = values_of(outcome, "finish")
    yield _joined(
        _named("status", str(outcome.get("status", ""))),
        _named("error", text_of(outcome, "error")),
        _named("limit", text_of(object_of(outcome, "limit"), "rule")),
        _named("finish", ", ".join([one for one in finish if isinstance(one, str)]) or text_of(outcome, "finish")),
        _named("held for approval", text_of(outcome, "approval")),
    )
    for part in objects_of(outcome, "output"):
        yield _joined(
            f"choice {number_of(part, 'choice') or 0}",
            text_of(part, "channel"),
            _counted(number_of(part, "length"), "character"),
        )
        yield from _content(story, outcome, part, width)
    for call in objects_of(outcome, "calls"):
        yield _joined(
            f"choice {number_of(call, 'choice') or 0}",
            f"tool call {text_of(call, 'name')}",
            _counted(number_of(call, "length"), "character of arguments", "characters of arguments"),
            "data may have steered it" if number_of(call, "tainted") else "",
        )
    yield from [Line(line) for line in (_stream(outcome), *_numbers(outcome), _times(outcome)) if line]


def _stream(outcome: Fields) -> str:
    stream = object_of(outcome, "stream")
    if not stream:
        return ""
    cut = ", something was cut" if number_of(stream, "truncated") else ""
    return (
        f"stream  {number_of(stream, 'scanned') or 0} events scanned, {number_of(stream, 'released') or 0} sent on{cut}"
    )


def _numbers(outcome: Fields) -> Iterator[str]:
    """What was used, and what came in place of an answer where the request asked for a count or for vectors."""
    usage, vectors, counted = object_of(outcome, "usage"), object_of(outcome, "vectors"), number_of(outcome, "counted")
    if usage:
        yield f"tokens  {number_of(usage, 'input') or 0} in, {number_of(usage, 'output') or 0} out"
    if vectors:
        yield f"vectors {number_of(vectors, 'count') or 0}, each of {number_of(vectors, 'dimensions') or 0} numbers"
    if counted is not None:
        yield f"counted {counted} tokens"


def _times(outcome: Fields) -> str:
    times = object_of(outcome, "times")
    told = [f"{name} {time / 1000:.3f}" for name, time in times.items() if isinstance(time, int)]
    return one_line(f"ms      {', '.join(told)}") if told else ""


def _content(story: Story, record: Fields, part: Fields, width: int | None) -> Iterator[Line]:
    found = next((kept.content for kept in story.kept if kept.record is record and kept.part is part), None)
    match found:
        case None:
            return
        case Text():
            for line in visible(found.text).split("\n"):
                pieces = [line] if width is None else chop_cells(line, max(20, width - len(_GUTTER) - 1))
                for piece in pieces or [""]:
                    yield Line(_GUTTER + piece)
        case Erased():
            yield Line(f"    erased at {shown(found.time)}", style="bold")
        case Gone():
            yield Line(f"    not readable: {one_line(found.why)}", style="red")
        case _:
            assert_never(found)


def _erased(subject: str, story: Story) -> str:
    time = story.erased.get(subject)
    return "" if time is None else f"erased at {shown(time)}"


def _title(name: str) -> Line:
    return Line(f"\n── {name} ──", style="bold")


def _named(name: str, said: str) -> str:
    return f"{name} {said}" if said else ""


def _counted(count: int | None, one: str, more: str = "") -> str:
    return "" if count is None else f"{count} {one if count == 1 else more or f'{one}s'}"


def _joined(*parts: str, style: str = "") -> Line:
    return Line(" · ".join([one_line(part) for part in parts if part]), style=style)
