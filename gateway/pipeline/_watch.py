"""By what is an answer judged?"""

from collections.abc import Callable

from gateway.domain.detection import Detections, Facts, FactValue, Stage, Subject
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.ports import Scanner
from gateway.domain.prompt import ToolCall
from gateway.domain.value import value
from gateway.pipeline.edits import Span
from gateway.pipeline.pseudonyms import Pseudonyms
from gateway.pipeline.seen import Looks, Seen
from policies.engine.applicable import Applicable


@value
class Watch:
    """What the guard needs to judge an answer.

    ``facts`` are those of the request, ``tainted`` among them. ``canary`` is its token among the instructions,
    ``schema`` what the answer's text must be valid against. ``choices`` is how many answers were asked for. ``epoch``
    is what turns the guard's times into seconds since the epoch, by which exceptions run out. ``seen`` is told what was
    looked at, where somebody keeps it; ``looks`` is its part for these rules.
    """

    applicable: Applicable
    scanner: Scanner
    facts: Facts
    call_facts: Callable[[ToolCall], Facts]
    canary: str | None = None
    schema: JsonObject | None = None
    pseudonyms: Pseudonyms | None = None
    choices: int = 1
    epoch: float = 0.0
    seen: Seen | None = None
    looks: dict[int, Looks] | None = None

    @property
    def acting(self) -> "Watch | None":
        """The same for the rules that count; None where there is nothing for them to judge or to restore."""
        applicable = self.applicable.acting
        if not (applicable.judges or self.pseudonyms):
            return None
        return self._under(applicable, None if self.seen is None else self.seen.acting)

    @property
    def watching(self) -> "Watch | None":
        """The same for the rules that only watch; None where none does."""
        applicable = self.applicable.watching
        if not applicable.judges:
            return None
        return self._under(applicable, None if self.seen is None else self.seen.watching)

    def _under(self, applicable: Applicable, looks: dict[int, Looks] | None) -> "Watch":
        return Watch(
            applicable=applicable, looks=looks, scanner=self.scanner, facts=self.facts, call_facts=self.call_facts,
            canary=self.canary, schema=self.schema, pseudonyms=self.pseudonyms, choices=self.choices,
            epoch=self.epoch, seen=self.seen,
        )  # fmt: skip

    @property
    def restores(self) -> bool:
        """Whether placeholders have to become values again."""
        return bool(self.pseudonyms)

    @property
    def stands(self) -> bool:
        """Whether there is anything to judge or to restore."""
        return self.restores or self.applicable.judges

    @property
    def rewrites_calls(self) -> bool:
        """Whether calls go on, or before an approver, as they were understood: never as the model wrote them."""
        return self.applicable.rewrites_calls

    def reads(self, stage: Stage) -> bool:
        """Whether anything is done with what comes at ``stage``."""
        return bool(self.applicable.parts[stage]) or self.restores

    def acts(self, stage: Stage) -> bool:
        """Whether any rule at ``stage`` counts, and does not only watch."""
        return stage in self.applicable.acted_at

    def asks(self, stage: Stage) -> bool:
        """Whether judging at ``stage`` takes another process or a service."""
        wanted = self.applicable.wanted(stage)
        return bool(wanted) and self.scanner.asks(wanted)

    def output(self, where: str, channel: str, text: str, schema: JsonObject | None = None) -> Subject:
        """A text of the answer as something to look at."""
        facts: dict[str, FactValue] = {**self.facts, "output.channel": channel}
        return Subject(stage=Stage.OUTPUT, where=where, text=text, facts=facts, canary=self.canary, schema=schema)

    def restored(self, text: str) -> tuple[str, tuple[Span, ...]]:
        """``text`` with values for its placeholders, and where in it they stand."""
        if self.pseudonyms is None:
            return text, ()
        return self.pseudonyms.restore(text, anywhere=self.applicable.restore_anywhere)

    def looks_at(self, choice: int) -> Looks | None:
        """Where to keep what is seen in a choice, if it is kept."""
        if self.looks is None:
            return None
        made = self.looks[choice] = Looks()
        return made

    def look(self, subject: Subject) -> Detections:
        """What the detectors see that only compute."""
        wanted = self.applicable.wanted(subject.stage)
        return self.scanner.scan(subject, wanted) if wanted else {}
