"""What of the model's answer may reach the client?

Sans-I/O: ``Guard.feed`` takes an event and gives those that are cleared. A whole reply passes through the same guard,
so that no check runs in one mode only. Text, reasoning, refusal and calls of each choice are held until rules cleared
them, and what was not judged is never released nor told as judged. Rules that only watch get copies of their own,
which a whole reply gives them without being told as events.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.domain.detection import Detections, Subject
from gateway.domain.exchange import Choice, Reply, Started, StreamEvent, UsageReport
from gateway.domain.verdict import RequireApproval, Verdict
from gateway.pipeline._beside import counts_of, fields_of
from gateway.pipeline._channel import place_of
from gateway.pipeline._choice import GuardedChoice, GuardEvent
from gateway.pipeline._choices import Choices
from gateway.pipeline._copies import Copies
from gateway.pipeline._ledger import beside, together
from gateway.pipeline._plain import Plain
from gateway.pipeline._reserved import WITHHELD, names_reserved_tool
from gateway.pipeline._unmark import Unmark
from gateway.pipeline._watch import Watch
from gateway.pipeline.collect import collected, events_of
from policies.engine.evaluate import CLEAR

__all__ = ["WITHHELD", "Guard", "GuardEvent", "Watch", "names_reserved_tool", "place_of"]

# A tuple: made once, where a union is made anew for every token.
_BESIDE: Final = (Started, UsageReport)
# For all answers without a datamark.
_UNMARKED: Final = Unmark(None)


class Guard:
    """Guards one answer: takes datamarks and reserved calls out of it, and under ``watch`` whatever policy forbids.

    Times are seconds by one clock that never goes back. The driver feeds events; it calls ``expire`` once ``deadline``
    has come; while there are ``questions`` it feeds nothing, asks the scanner, and brings the ``answer``; it stops
    reading once the answer is ``over``, and asks the ``late_questions`` when all else is done. Where every rule only
    watches, the answer passes as if there was none.
    """

    def __init__(self, datamark: str | None, watch: Watch | None = None) -> None:
        unmark = _UNMARKED if datamark is None else Unmark(datamark)
        self._plain = Plain(unmark)
        self._acting: Choices | None = None
        self._watching: Copies | None = None
        # Whether anything may be held, asked for or ended; where not, none of that need be asked for at each event.
        self.acts = False
        if watch is not None:
            acting, watching = watch.acting, watch.watching
            self._acting = None if acting is None else Choices(acting, unmark)
            self._watching = None if watching is None else Copies(watching, unmark)
            self.acts = acting is not None
        self._started: Started | None = None
        self._usage: UsageReport | None = None
        # The reply that came whole, and what of it is cleared.
        self._reply: Reply | None = None
        self._cleared: list[GuardEvent] = []

    def feed(self, event: StreamEvent, now: float) -> tuple[GuardEvent, ...]:
        """The events that may go on now that this one has come."""
        if isinstance(event, _BESIDE):
            return (self._beside(event, now),)
        cleared = self._plain.feed(event) if self._acting is None else self._acting.feed(event, now)
        if self._watching is not None:
            self._watching.feed(event, now)
        return cleared

    @property
    def deadline(self) -> float | None:
        """When the oldest of what is held has waited for as long as policy lets it; None while nothing is held."""
        return None if self._acting is None else self._acting.deadline

    def expire(self, now: float) -> tuple[GuardEvent, ...]:
        """Block the choices whose deadline has come."""
        return () if self._acting is None else self._told(self._acting.expire(now))

    def cut_off(self) -> tuple[GuardEvent, ...]:
        """Block the choices that have not ended, since what is still to come will not be waited for."""
        return () if self._acting is None else self._told(self._acting.cut_off())

    @property
    def questions(self) -> tuple[Subject, ...]:
        """What has to be asked of detectors that take another process or a service, of each by its subject's stage."""
        return () if self._acting is None else self._acting.questions

    def answer(self, answers: Sequence[Detections], now: float) -> tuple[GuardEvent, ...]:
        """The events that may go on now that all ``questions`` are answered, in their order; more may follow.

        Raises:
            ValueError: there is not one answer for each question.
        """
        return () if self._acting is None else self._told(self._acting.answer(answers, now))

    @property
    def late_questions(self) -> tuple[Subject, ...]:
        """The same for rules that only watch: nothing waits for it but the verdict."""
        return () if self._watching is None else self._watching.questions

    def answer_late(self, answers: Sequence[Detections], now: float) -> None:
        """All ``late_questions`` are answered, in their order; more may follow.

        Raises:
            ValueError: there is not one answer for each question.
        """
        if self._watching is not None:
            self._watching.answer(answers, now)

    @property
    def over(self) -> bool:
        """Whether every choice is blocked, so that the rest of the upstream's answer is of no use."""
        if self._acting is None:
            return False
        known = self._acting.known.values()
        return len(known) >= self._acting.watch.choices > 0 and all(choice.blocked for choice in known)

    @property
    def verdict(self) -> Verdict:
        """What policy decided of all that was judged so far, of all choices together."""
        sides = (self._acting, self._watching)
        if not [one for side in sides if side for one in side.known.values() if one.ledger.verdict is not CLEAR]:
            return CLEAR
        numbers = dict.fromkeys([number for side in sides if side for number in side.known])
        return together([beside(_verdict(self._acting, one), _verdict(self._watching, one)) for one in numbers])

    @property
    def withheld(self) -> Reply | None:
        """The whole answer, once it has ended, where an approver decides on it: where nothing of it is blocked."""
        if self._acting is None or not isinstance(self.verdict, RequireApproval):
            return None
        known = self._acting.known
        choices = [known[number] for number in sorted(known)]
        if not all(choice.ended for choice in choices):
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
        self._reply = reply
        if self._acting is not None:
            usage = counts_of(reply.usage, self._acting.watch)
            self._reply = replace(reply, extra=fields_of(reply.extra, self._acting.watch, now), usage=usage)
            self._judge(reply.choices, self._acting, now)
        if self._watching is not None:
            self._watching.whole(reply.choices, now)
        return self.reply

    @property
    def reply(self) -> Reply:
        """What of the whole answer is cleared by now.

        Raises:
            ValueError: the answer came as a stream.
        """
        if self._reply is None:
            raise ValueError("only an answer that came whole can be had whole: give it to whole() first")
        if self._acting is None:
            return self._plain.whole(self._reply)
        extras = {
            number: choice.extra
            for number, choice in self._acting.known.items()
            if choice.ended and not choice.blocked and not choice.approval
        }
        return collected(self._reply, self._cleared, extras)

    def _judge(self, choices: Sequence[Choice], acting: Choices, now: float) -> None:
        acting.come_whole()
        for number, choice in enumerate(choices):
            acting.annotate(number, choice.extra)
            for event in events_of(choice, number):
                self._cleared += acting.feed(event, now)

    def _beside(self, event: Started | UsageReport, now: float) -> Started | UsageReport:
        """What begins and ends a stream, less the fields that may not go on."""
        if self._acting is None:
            return event
        extra = fields_of(event.extra, self._acting.watch, now)
        if isinstance(event, Started):
            self._started = event if extra is event.extra else replace(event, extra=extra)
            return self._started
        self._usage = replace(event, usage=counts_of(event.usage, self._acting.watch), extra=extra)
        return self._usage

    def _told(self, events: Sequence[GuardEvent]) -> tuple[GuardEvent, ...]:
        if self._reply is not None:
            self._cleared += events
        return tuple(events)


def _verdict(side: Choices | Copies | None, number: int) -> Verdict:
    return CLEAR if side is None or number not in side.known else side.known[number].ledger.verdict


def _as_came(came: Choice, guarded: GuardedChoice) -> Choice:
    """A cleared choice under the index that it came with; a text that was absent stays absent, an empty one empty."""
    cleared = guarded.cleared
    return replace(
        cleared,
        index=came.index,
        text=None if came.text is None else cleared.text or "",
        reasoning=None if came.reasoning is None else cleared.reasoning or "",
        refusal=None if came.refusal is None else cleared.refusal or "",
    )
