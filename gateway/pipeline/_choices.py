"""What of an answer's choices may go on, as far as the rules that act are concerned?

Each choice is held, judged and let go by itself, and for no longer than policy lets it.
"""

from collections.abc import Iterable, Sequence
from itertools import chain

from gateway.domain.detection import Detections, Stage, Subject
from gateway.domain.jsonvalue import JsonObject
from gateway.pipeline._choice import ChoiceEvent, GuardedChoice, GuardEvent, Release
from gateway.pipeline._judgement import dealt
from gateway.pipeline._unmark import Unmark
from gateway.pipeline._watch import Watch


class Choices:
    """The choices of one answer, by their numbers, under the rules of ``watch``."""

    def __init__(self, watch: Watch, unmark: Unmark) -> None:
        self.watch = watch
        self._unmark = unmark
        self._release: Release = _release(watch)
        self._patience_s = watch.applicable.streaming.max_hold_ms / 1000
        self.known: dict[int, GuardedChoice] = {}
        # Those that have not ended: nothing else has a deadline or questions, which are asked for at every event.
        self._open: dict[int, GuardedChoice] = {}

    def come_whole(self) -> None:
        """The answer is there whole: windows are for streams."""
        self._release = "hold" if self._release == "window" else self._release

    def feed(self, event: ChoiceEvent, now: float) -> tuple[GuardEvent, ...]:
        """The events that may go on now that this one has come."""
        choice = self.known.get(event.choice) or self._begun(event.choice)
        cleared = choice.feed(event, now)
        if choice.ended:
            self._open.pop(event.choice, None)
        return cleared

    def annotate(self, number: int, extra: JsonObject) -> None:
        """The other words of a choice that came whole."""
        if extra:
            self._begun(number).annotate(extra)

    @property
    def deadline(self) -> float | None:
        """When the oldest of what is held has waited for as long as it may."""
        return min([at for choice in self._open.values() if (at := choice.deadline) is not None], default=None)

    def expire(self, now: float) -> tuple[GuardEvent, ...]:
        """Block the choices whose deadline has come."""
        return self._ending([choice.expire(now) for choice in self._open.values()])

    def cut_off(self) -> tuple[GuardEvent, ...]:
        """Block the choices that have not ended."""
        return self._ending([choice.cut_off() for choice in self._open.values()])

    @property
    def questions(self) -> tuple[Subject, ...]:
        """What has to be asked of detectors that take another process or a service."""
        return tuple([subject for choice in self._open.values() for subject in choice.questions])

    def answer(self, answers: Sequence[Detections], now: float) -> tuple[GuardEvent, ...]:
        """The events that may go on now that ``questions`` are answered, in their order.

        Raises:
            ValueError: there is not one answer for each question.
        """
        waiting = list(self._open.values())
        pairs = zip(waiting, dealt(answers, waiting), strict=True)
        return self._ending([choice.answer(mine, now) for choice, mine in pairs])

    def _begun(self, number: int) -> GuardedChoice:
        choice = GuardedChoice(number, self.watch, self._unmark, self._release, self._patience_s)
        self.known[number] = self._open[number] = choice
        return choice

    def _ending(self, events: Iterable[Sequence[GuardEvent]]) -> tuple[GuardEvent, ...]:
        """The events of all choices, of which some may have ended."""
        self._open = {number: choice for number, choice in self._open.items() if not choice.ended}
        return tuple(chain.from_iterable(events))


def _release(watch: Watch) -> Release:
    """How text goes on: values come back, and detectors are asked, only once all of it is there."""
    if not watch.restores and not watch.acts(Stage.OUTPUT):
        return "at_once"
    windowed = watch.applicable.streaming.mode == "window" and not watch.restores and not watch.asks(Stage.OUTPUT)
    return "window" if windowed else "hold"
