"""What becomes of a choice, once all of it is there?

Its texts and calls are judged together, then values come back for their placeholders, and what they made of it is
judged again. Every passage is either cleared here or never goes on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from gateway.domain.detection import Detections, Scanned, Subject
from gateway.domain.verdict import Block, Edit, Findings
from gateway.pipeline._ledger import Ledger, without_edits
from gateway.pipeline._watch import Watch
from gateway.pipeline.apply import replacements
from gateway.pipeline.edits import Replacement, Span
from gateway.pipeline.seen import Looks
from policies.engine.evaluate import evaluate


class Passage(Protocol):
    """A text, a call or other words of a choice."""

    def subject(self, watch: Watch) -> Subject:
        """The passage as it is now."""
        ...

    def counted(self, detections: Detections) -> Detections:
        """What of ``detections`` still counts."""
        ...

    def edit(self, put: Sequence[Replacement]) -> bool:
        """Carry out edits in the subject's text; False where that cannot be done."""
        ...

    def restore(self, watch: Watch) -> tuple[Span, ...]:
        """Bring values back for their placeholders, and say where in the subject's text they stand now."""
        ...


class Asks(Protocol):
    """What waits for answers."""

    @property
    def questions(self) -> Sequence[Subject]: ...


@dataclass(slots=True, kw_only=True)
class _Look:
    """One passage in one round; ``asked`` says that a question about it is open."""

    passage: Passage
    subject: Subject
    detections: Detections
    restored: tuple[Span, ...]
    asked: bool


class Judgement:
    """Judges the passages of one choice. While there are ``questions`` it waits for their ``answer``.

    ``seen`` is told of every look, where somebody keeps that.
    """

    def __init__(
        self,
        passages: Sequence[Passage],
        watch: Watch,
        ledger: Ledger,
        *,
        continues: bool,
        seen: Looks | None = None,
    ) -> None:
        self._watch = watch
        self._ledger = ledger
        self._seen = seen
        # Earlier pieces of the same passages were judged before: counts add up.
        self._continues = continues
        self._restored = not watch.pseudonyms
        # Values stand in the passages for their placeholders: what was judged before is judged again.
        self._again = False
        self._looks: list[_Look] = []
        # Whether there are questions.
        self.waits = False
        for passage in passages:
            self._look(passage, ())

    @property
    def questions(self) -> tuple[Subject, ...]:
        """What must be asked before anything is decided."""
        return tuple([look.subject for look in self._looks if look.asked])

    def answer(self, answers: Sequence[Detections]) -> None:
        """What was said to ``questions``, one for each."""
        asked = [look for look in self._looks if look.asked]
        for look, detections in zip(asked, answers, strict=True):
            look.detections = {**look.detections, **detections}
            look.asked = False
        self.waits = False

    def settle(self, now: float) -> bool:
        """Decide; False where it takes answers first. The ledger has the verdict."""
        while not self.waits:
            found = self._evaluate(now)
            if found.hits:
                self._ledger.add(found, more=self._continues and any(look.detections for look in self._looks))
            blocked = isinstance(self._ledger.verdict, Block) or (found.edits and not self._edit(found.edits))
            if blocked or self._restored or not self._restore():
                if self._seen is not None:
                    # Where values were to come back, what would have been made of that was not seen.
                    self._seen.whole = self._restored
                return True
        return False

    def _look(self, passage: Passage, restored: tuple[Span, ...]) -> None:
        watch = self._watch
        subject = passage.subject(watch)
        wanted = watch.applicable.wanted_keys[subject.stage]
        asked = bool(wanted) and watch.scanner.asks(wanted)
        seen: Detections = watch.scanner.scan(subject, wanted) if wanted else {}
        self._looks.append(_Look(passage=passage, subject=subject, detections=seen, restored=restored, asked=asked))
        self.waits = self.waits or asked

    def _evaluate(self, now: float) -> Findings:
        scanned: list[Scanned] = []
        for look in self._looks:
            seen = look.passage.counted(look.detections) if self._continues else look.detections
            one = Scanned(subject=look.subject, detections=seen)
            scanned.append(one)
            if self._seen is not None:
                self._seen.take(one, again=self._again, restored=look.restored)
        found = evaluate(self._watch.applicable, scanned, now + self._watch.epoch).found
        if not self._again:
            return found
        spans = {(look.subject.stage, look.subject.where): look.restored for look in self._looks}
        # What came back on purpose is not taken out again.
        edits = tuple([edit for edit in found.edits if not _within(edit, spans[edit.stage, edit.where])])
        return without_edits(found, edits)

    def _edit(self, edits: Sequence[Edit]) -> bool:
        for look in self._looks:
            stage, where = look.subject.stage, look.subject.where
            mine = [edit for edit in edits if edit.stage is stage and edit.where == where]
            if mine and not look.passage.edit(replacements(mine, look.subject.text, None)):
                self._ledger.refuse("uneditable", stage, where)
                return False
        return True

    def _restore(self) -> bool:
        """Bring values back, which is done once; whether there is something new to judge."""
        self._restored = True
        spans = [look.passage.restore(self._watch) for look in self._looks]
        if not any(spans):
            return False
        self._again = True
        looks, self._looks = self._looks, []
        for look, back in zip(looks, spans, strict=True):
            self._look(look.passage, back)
        return True


def dealt(answers: Sequence[Detections], waiting: Sequence[Asks]) -> list[Sequence[Detections]]:
    """The answers to the questions of each of ``waiting``, which come in their order.

    Raises:
        ValueError: there is not one answer for each question.
    """
    counts = [len(one.questions) for one in waiting]
    if len(answers) != sum(counts):
        raise ValueError(f"{len(answers)} answers do not fit {sum(counts)} questions: ask again")
    given = iter(answers)
    return [list(islice(given, count)) for count in counts]


def _within(edit: Edit, spans: Sequence[Span]) -> bool:
    return any(start <= edit.start and edit.end <= end for start, end in spans)
