"""What of the model's answer may reach the client?

Sans-I/O: ``Guard.feed`` takes an event and gives those that are cleared. A whole reply passes through the same guard,
so that no check runs in one mode only. Text, reasoning, refusal and calls of each choice are held until rules cleared
them, and what was not judged is never released nor told as judged.
"""

from collections.abc import Sequence
from dataclasses import replace

from gateway.domain.detection import Detections, Stage, Subject
from gateway.domain.exchange import Choice, Reply, Started, StreamEvent, UsageReport
from gateway.domain.verdict import Verdict
from gateway.pipeline._choice import GuardedChoice, GuardEvent, Release
from gateway.pipeline._ledger import together
from gateway.pipeline._plain import Plain
from gateway.pipeline._reserved import WITHHELD, names_reserved_tool
from gateway.pipeline._unmark import Unmark
from gateway.pipeline._watch import Watch
from gateway.pipeline.collect import collected, events_of
from gateway.pipeline.subjects import Places
from policies.engine.evaluate import CLEAR

__all__ = ["WITHHELD", "Guard", "GuardEvent", "Watch", "names_reserved_tool"]


class Guard:
    """Guards one answer: takes datamarks and reserved calls out of it, and under ``watch`` whatever policy forbids.

    Times are seconds since the epoch, all by one clock. The driver feeds events; it calls ``expire`` once ``deadline``
    has come; while there are ``questions`` it feeds nothing, asks the scanner, and brings the ``answer``; it stops
    reading once the answer is ``over``. Where every rule only watches, the answer passes as if there was none.
    """

    def __init__(self, datamark: str | None, watch: Watch | None = None) -> None:
        self._unmark = Unmark(datamark)
        self._plain = Plain(self._unmark)
        self._watch = watch if watch is not None and watch.stands else None
        self._acts = self._watch is not None and (
            self._watch.restores or self._watch.acts(Stage.OUTPUT) or self._watch.acts(Stage.TOOL_CALL)
        )
        self._release: Release = "at_once" if self._watch is None else _release(self._watch)
        self._choices: dict[int, GuardedChoice] = {}
        self._places: Places | None = None
        self._started: Started | None = None
        self._usage: UsageReport | None = None
        # The reply that came whole, and what of it is cleared.
        self._reply: Reply | None = None
        self._cleared: list[GuardEvent] = []

    def feed(self, event: StreamEvent, now: float) -> tuple[GuardEvent, ...]:
        """The events that may go on now that this one has come."""
        if self._watch is None:
            return self._plain.feed(event)
        if isinstance(event, Started):
            self._started = event
            return (event,)
        if isinstance(event, UsageReport):
            self._usage = event
            return (event,)
        judged = self._choice(event.choice, self._watch).feed(event, now)
        return judged if self._acts else self._plain.feed(event)

    @property
    def deadline(self) -> float | None:
        """When the oldest of what is held has waited for as long as policy lets it; None while nothing is held."""
        if not self._acts:
            return None
        return min([at for choice in self._choices.values() if (at := choice.deadline) is not None], default=None)

    def expire(self, now: float) -> tuple[GuardEvent, ...]:
        """Block the choices whose deadline has come."""
        if not self._acts:
            return ()
        return self._told([event for choice in self._choices.values() for event in choice.expire(now)])

    @property
    def questions(self) -> tuple[Subject, ...]:
        """What has to be asked of detectors that take another process or a service, of each by its subject's stage."""
        return tuple([subject for choice in self._choices.values() for subject in choice.questions])

    def answer(self, answers: Sequence[Detections], now: float) -> tuple[GuardEvent, ...]:
        """The events that may go on now that all ``questions`` are answered, in their order; more may follow.

        Raises:
            ValueError: there is not one answer for each question.
        """
        if len(answers) != len(self.questions):
            raise ValueError(f"{len(answers)} answers do not fit {len(self.questions)} questions: ask again")
        events: list[GuardEvent] = []
        at = 0
        for choice in self._choices.values():
            mine = len(choice.questions)
            events += choice.answer(answers[at : at + mine], now)
            at += mine
        return self._told(events) if self._acts else ()

    @property
    def over(self) -> bool:
        """Whether every choice is blocked, so that the rest of the upstream's answer is of no use."""
        wanted = 0 if self._watch is None else self._watch.choices
        return len(self._choices) >= wanted > 0 and all(choice.blocked for choice in self._choices.values())

    @property
    def verdict(self) -> Verdict:
        """What policy decided of all that was judged so far."""
        return together([choice.ledger.verdict for choice in self._choices.values()]) if self._choices else CLEAR

    @property
    def withheld(self) -> Reply | None:
        """The whole answer, less what is blocked, where some of it waits for an approver; None before its end."""
        choices = [self._choices[number] for number in sorted(self._choices)]
        if not all(choice.ended for choice in choices) or not any(choice.approval for choice in choices):
            return None
        if self._reply is not None:
            return replace(self._reply, choices=tuple(map(_as_came, self._reply.choices, choices)))
        started = self._started or Started(id="", model="", created=0)
        usage = self._usage or UsageReport(usage=None)
        return Reply(
            id=started.id,
            model=started.model,
            created=started.created,
            choices=tuple([choice.cleared for choice in choices]),
            usage=usage.usage,
            extra={**started.extra, **usage.extra},
        )

    def whole(self, reply: Reply, now: float) -> Reply:
        """What of a whole answer may go on; while there are ``questions``, choices that wait for them hold nothing."""
        if self._watch is None:
            return self._plain.whole(reply)
        self._reply = reply
        self._release = "hold" if self._release == "window" else self._release
        for number, choice in enumerate(reply.choices):
            guarded = self._choice(number, self._watch)
            guarded.annotate(choice.extra)
            for event in events_of(choice, number):
                self._cleared += guarded.feed(event, now)
        return self.reply

    @property
    def reply(self) -> Reply:
        """What of the whole answer is cleared by now.

        Raises:
            ValueError: the answer came as a stream.
        """
        if self._reply is None:
            raise ValueError("only an answer that came whole can be had whole: give it to whole() first")
        if not self._acts:
            return self._plain.whole(self._reply)
        extras = {
            number: choice.extra
            for number, choice in self._choices.items()
            if choice.ended and not choice.blocked and not choice.approval
        }
        return collected(self._reply, self._cleared, extras)

    def _choice(self, number: int, watch: Watch) -> GuardedChoice:
        choice = self._choices.get(number)
        if choice is None:
            self._places = self._places or Places()
            choice = GuardedChoice(number, watch, self._unmark, self._places, self._release)
            self._choices[number] = choice
        return choice

    def _told(self, events: Sequence[GuardEvent]) -> tuple[GuardEvent, ...]:
        if self._reply is not None:
            self._cleared += events
        return tuple(events)


def _release(watch: Watch) -> Release:
    """How text goes on: values come back, and detectors are asked, only once all of it is there."""
    if not watch.restores and not watch.acts(Stage.OUTPUT):
        return "at_once"
    windowed = watch.applicable.streaming.mode == "window" and not watch.restores and not watch.asks(Stage.OUTPUT)
    return "window" if windowed else "hold"


def _as_came(came: Choice, guarded: GuardedChoice) -> Choice:
    """A cleared choice under the index that it came with; a text that was absent stays absent, an empty one empty."""
    cleared = replace(guarded.cleared, index=came.index)
    if guarded.blocked:
        return cleared
    return replace(
        cleared,
        text=None if came.text is None else cleared.text or "",
        reasoning=None if came.reasoning is None else cleared.reasoning or "",
        refusal=None if came.refusal is None else cleared.refusal or "",
    )
