"""What do rules that only watch see of an answer?

Copies of what the model said and called, which are looked at whole once their choice has ended, and never too late.
Nothing of them goes on, so that nothing which only watches can change what goes on, or when.
"""

from collections.abc import Sequence
from typing import Final, assert_never

from gateway.domain.detection import Detections, Stage, Subject
from gateway.domain.exchange import (
    Choice,
    Finish,
    ReasoningDelta,
    ReasoningSealed,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallStarted,
)
from gateway.pipeline._calls import Calls, Extra, Whole, held_calls
from gateway.pipeline._channel import CHANNELS, ChannelName, place_of
from gateway.pipeline._choice import ChoiceEvent
from gateway.pipeline._judgement import Judgement, Passage, dealt
from gateway.pipeline._ledger import Ledger
from gateway.pipeline._unmark import Unmark
from gateway.pipeline._watch import Watch
from gateway.pipeline.edits import Replacement, Span, replaced


class Copies:
    """Copies of the choices of one answer, by their numbers, under the rules of ``watch``."""

    def __init__(self, watch: Watch, unmark: Unmark) -> None:
        self._watch = watch
        self._unmark = unmark
        self.known: dict[int, Copy] = {}

    def whole(self, choices: Sequence[Choice], now: float) -> None:
        """An answer came whole."""
        for number, choice in enumerate(choices):
            self._begun(number).whole(choice, now)

    def feed(self, event: ChoiceEvent, now: float) -> None:
        """One more event of a stream came."""
        (self.known.get(event.choice) or self._begun(event.choice)).feed(event, now)

    @property
    def questions(self) -> tuple[Subject, ...]:
        """What has to be asked of detectors that take another process or a service."""
        asked: list[Subject] = []
        for copy in self.known.values():
            if copy.judgement is not None and copy.judgement.waits:
                asked += copy.judgement.questions
        return tuple(asked)

    def answer(self, answers: Sequence[Detections], now: float) -> None:
        """All ``questions`` are answered, in their order; more may follow.

        Raises:
            ValueError: there is not one answer for each question.
        """
        judgements = [copy.judgement for copy in self.known.values() if copy.judgement is not None]
        waiting = [one for one in judgements if one.waits]
        for judgement, mine in zip(waiting, dealt(answers, waiting), strict=True):
            judgement.answer(mine)
            judgement.settle(now)

    def _begun(self, number: int) -> "Copy":
        copy = self.known[number] = Copy(number, self._watch, self._unmark)
        return copy


class Copy:
    """A copy of one choice. Once it has ended there is a ``judgement``, and nothing more is taken."""

    __slots__ = ("_calls", "_extra", "_index", "_looks", "_said", "_unmark", "_watch", "judgement", "ledger")

    def __init__(self, index: int, watch: Watch, unmark: Unmark) -> None:
        self._index = index
        self._watch = watch
        self._unmark = unmark
        # In pieces, as a text that grows is copied.
        self._said: dict[ChannelName, list[str]] = {}
        # Made with the first call: most answers have none.
        self._calls: Calls | None = None
        self._extra: Extra | None = None
        self._looks = watch.looks_at(index)
        self.judgement: Judgement | None = None
        self.ledger: Final = Ledger()

    def whole(self, choice: Choice, now: float) -> None:
        """All of it came at once."""
        said: Sequence[tuple[ChannelName, str | None]] = (
            ("reasoning", choice.reasoning),
            ("text", choice.text),
            ("refusal", choice.refusal),
        )
        for name, text in said:
            if text:
                self._said[name] = [self._unmark.text(text)]
        for number, call in enumerate(choice.tool_calls):
            self._called.start(number, call.id, call.name, now)
            self._called.more(number, call.arguments)
        if choice.extra:
            self._extra = Extra(choice.extra, place_of(self._index, "extra"))
        self._judge(now)

    def feed(self, event: ChoiceEvent, now: float) -> None:
        """One more event of it came."""
        if self.judgement is not None:
            return
        match event:
            case TextDelta() | ReasoningDelta() | RefusalDelta():
                text = self._unmark.text(event.text) if self._unmark.marked else event.text
                self._said.setdefault(CHANNELS[type(event)], []).append(text)
            case ToolCallStarted():
                self._called.start(event.index, event.id, event.name, now)
            case ToolCallDelta():
                self._called.more(event.index, event.arguments)
            case Finish():
                self._judge(now)
            case ReasoningSealed():
                # Nobody can look into it.
                return
            case _:
                assert_never(event)

    @property
    def _called(self) -> Calls:
        if self._calls is None:
            self._calls = Calls(self._unmark)
        return self._calls

    def _judge(self, now: float) -> None:
        self.judgement = Judgement(self._passages(), self._watch, self.ledger, continues=False, seen=self._looks)
        self.judgement.settle(now)

    def _passages(self) -> list[Passage]:
        """All that is judged; where nothing was said or called at all, that is judged as an empty text."""
        watch, index = self._watch, self._index
        passages: list[Passage] = []
        called = [] if self._calls is None else self._calls.whole()
        if watch.reads(Stage.OUTPUT):
            for name, pieces in self._said.items():
                if text := "".join(pieces):
                    passages.append(Said(name, index, text))
            if not passages and not called:
                passages.append(Said("text", index, ""))
            if self._extra is not None:
                passages += self._extra.passages(watch)
        if called and watch.reads(Stage.TOOL_CALL):
            passages += held_calls(called, index, watch)
        if self._calls is not None and self._calls.garbled:
            self.ledger.refuse("garbled_calls", Stage.TOOL_CALL, place_of(index, "text"))
        return passages


class Said(Whole):
    """All that was said in one channel of a choice."""

    __slots__ = ("_name", "_text", "_where")

    def __init__(self, name: ChannelName, choice: int, text: str) -> None:
        self._name: Final[ChannelName] = name
        self._where: Final = place_of(choice, name)
        self._text = text

    def subject(self, watch: Watch) -> Subject:
        """The text as something to look at."""
        return watch.output(self._where, self._name, self._text, watch.schema if self._name == "text" else None)

    def edit(self, put: Sequence[Replacement]) -> bool:
        """Carry out edits, which rules that only watch ask for none of."""
        self._text = replaced(self._text, put)
        return True

    def restore(self, watch: Watch) -> tuple[Span, ...]:
        """Bring values back for their placeholders, and say where."""
        self._text, spans = watch.restored(self._text)
        return spans
