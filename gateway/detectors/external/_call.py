"""How is a classifier asked over HTTP, and when is its answer one?

One budget of time for everything that is asked at once, a bound on calls under way, and strict reading: what is not
exactly an answer is a failure. The rule: texts and keys stand in requests only; nothing of them is logged or kept, and
nothing is raised.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, Protocol

import orjson

from gateway.domain.detection import Detection, Fact, FactType, FactValue, Subject
from gateway.domain.errors import UpstreamError, UpstreamTimeout
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import UpstreamClient
from gateway.domain.strict_json import parse_object
from gateway.domain.target import Timeouts
from gateway.domain.value import value
from policies.engine.model import ExternalSettings

# A text is asked about in at most so many pieces, everything at once in so many calls, so many of them at a time.
MAX_PIECES: Final = 8
MAX_CALLS: Final = 32
_AT_A_TIME: Final = 8
# What lies on the border of two pieces is whole in one of them, up to so many characters.
OVERLAP: Final = 200
_ANSWER_LIMIT: Final = 1 << 18
_MAX_KINDS: Final = 32


class NotAnAnswer(Exception):
    """The service did not answer the question; ``why`` is the detection's word: ``garbled``, ``nan``, ``error``."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@value
class Piece:
    """A text, or a part of one that is too long for one call."""

    subject: Subject
    text: str


@value
class Question:
    """One call's body, and the pieces that it asks about."""

    body: JsonObject
    pieces: tuple[Piece, ...]


@value
class Reading:
    """What the service said of one piece; ``score`` is 0 to 1, ``kinds`` what it calls it."""

    flagged: bool
    score: float
    kinds: tuple[str, ...] = ()


class Wire(Protocol):
    """One vendor's format: pure."""

    @property
    def largest(self) -> int:
        """How many characters a piece may have at most."""
        ...

    def url(self, base: str) -> str:
        """Where to send, given the configured URL."""
        ...

    def headers(self, key: str) -> Mapping[str, str]:
        """The headers that carry the key."""
        ...

    def questions(self, pieces: Sequence[Piece]) -> Iterator[Question]:
        """What to send to ask about all of them."""
        ...

    def read(self, question: Question, answer: JsonObject) -> Sequence[Reading]:
        """One reading for each piece; raises ``NotAnAnswer``."""
        ...


def facts(name: str) -> tuple[Fact, ...]:
    """The facts of the classifier ``name``; only a whole text can be asked about."""
    return (
        Fact(name=f"det.{name}.found", type=FactType.BOOL, doc=f"Whether {name} flags the text."),
        Fact(name=f"det.{name}.flagged", type=FactType.BOOL, doc="The same, in the classifiers' own word."),
        Fact(name=f"det.{name}.score", type=FactType.DOUBLE, doc="How sure it is, 0 to 1; of yes or no, 1 or 0."),
        Fact(name=f"det.{name}.kinds", type=FactType.STRINGS, doc="What it calls what it saw, where it says so."),
    )


class External:
    """One classifier: a slow detector. ``client`` is called at the first question, when the event loop runs."""

    def __init__(self, settings: ExternalSettings, wire: Wire, client: Callable[[], UpstreamClient]) -> None:
        self.name = settings.name
        self.facts = facts(settings.name)
        self._wire = wire
        self._client = client
        self._url = wire.url(settings.url)
        self._addresses = settings.addresses
        self._headers = {
            "content-type": "application/json",
            "accept": "application/json",
            "accept-encoding": "identity",
        }
        self._key = settings.key
        self._size = min(settings.max_chars, wire.largest)
        self._budget = settings.timeout_ms / 1000
        self._timeouts = Timeouts(connect=self._budget, first_byte=self._budget, idle=self._budget, total=self._budget)
        self._places = asyncio.Semaphore(_AT_A_TIME)

    async def ask(self, subjects: Sequence[Subject]) -> Sequence[Detection]:
        """One detection for each.

        ``failed`` is ``timeout``, ``error``, ``garbled``, ``nan``, ``too_long`` or ``too_many``.
        """
        cut = [self._pieces(subject) for subject in subjects]
        whole = [index for index, pieces in enumerate(cut) if pieces is not None]
        questions = list(self._wire.questions([piece for index in whole for piece in cut[index] or ()]))
        if len(questions) > MAX_CALLS:
            return [Detection(failed="too_many")] * len(subjects)
        said = await self._answers(questions)
        return [
            Detection(failed="too_long") if pieces is None else self._detection([said[id(piece)] for piece in pieces])
            for pieces in cut
        ]

    def _pieces(self, subject: Subject) -> list[Piece] | None:
        """The subject's text in pieces that overlap; none for a blank one, None where there would be too many."""
        text, size = subject.text, self._size
        if not text.strip():
            return []
        step = max(1, size - min(OVERLAP, size // 2))
        starts = [0, *range(step, max(step, len(text) - size + step), step)]
        if len(starts) > MAX_PIECES:
            return None
        return [Piece(subject=subject, text=text[start : start + size]) for start in starts]

    async def _answers(self, questions: Sequence[Question]) -> Mapping[int, Reading | str]:
        """By the identity of each piece, what was said of it, or the word for why nothing was."""
        said: dict[int, Reading | str] = {id(piece): "timeout" for one in questions for piece in one.pieces}
        if not questions:
            return said
        asking = {asyncio.create_task(self._answer(one)): one for one in questions}
        try:
            done, _ = await asyncio.wait(asking, timeout=self._budget)
        finally:
            for task in asking:
                task.cancel()
        for task in done:
            said |= zip(map(id, asking[task].pieces), task.result(), strict=True)
        return said

    async def _answer(self, question: Question) -> Sequence[Reading | str]:
        try:
            async with self._places:
                return self._wire.read(question, await self._exchange(orjson.dumps(question.body)))
        except NotAnAnswer as no:
            return [no.why] * len(question.pieces)
        except UpstreamTimeout:
            return ["timeout"] * len(question.pieces)
        except (UpstreamError, ValueError, TypeError):
            return ["error"] * len(question.pieces)

    async def _exchange(self, body: bytes) -> JsonObject:
        exchange = self._client().request(
            "POST",
            self._url,
            target=self.name,
            # What the key is now: its file may have changed.
            headers={**self._headers, **({} if self._key is None else self._wire.headers(self._key.reveal()))},
            body=body,
            timeouts=self._timeouts,
            addresses=self._addresses,
        )
        async with exchange as response:
            if response.status != 200:
                raise NotAnAnswer("error")
            raw = await response.read(_ANSWER_LIMIT)
        try:
            return parse_object(raw.decode())
        except ValueError:
            raise NotAnAnswer("nan" if _names_no_number(raw) else "garbled") from None

    def _detection(self, said: Sequence[Reading | str]) -> Detection:
        """A piece without an answer makes the whole fail, whatever was said of the others."""
        readings = [each for each in said if not isinstance(each, str)]
        failed = next((each for each in said if isinstance(each, str)), None)
        flagged = any(reading.flagged for reading in readings)
        score = max((reading.score for reading in readings), default=0.0)
        seen: dict[str, FactValue] = {}
        if flagged or score:
            kinds = tuple(sorted({kind for reading in readings for kind in reading.kinds})[:_MAX_KINDS])
            seen = {"found": flagged, "flagged": flagged, "score": score, "kinds": kinds}
        return Detection(facts={f"det.{self.name}.{word}": fact for word, fact in seen.items()}, failed=failed)


def flag(answer: JsonObject, field: str) -> bool:
    """A field that is true or false, and nothing like it; raises ``NotAnAnswer``."""
    found = answer.get(field)
    if not isinstance(found, bool):
        raise NotAnAnswer("garbled")
    return found


def score(answer: JsonObject, field: str) -> float:
    """A number from 0 to 1; raises ``NotAnAnswer``."""
    found = answer.get(field)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise NotAnAnswer("garbled")
    if not 0 <= found <= 1:
        raise NotAnAnswer("garbled")
    return float(found)


def objects(found: JsonValue) -> Sequence[JsonObject]:
    """A list of objects; raises ``NotAnAnswer``."""
    if not isinstance(found, list):
        raise NotAnAnswer("garbled")
    made = [each for each in found if isinstance(each, dict)]
    if len(made) != len(found):
        raise NotAnAnswer("garbled")
    return made


def at_path(base: str, path: str) -> str:
    """``base`` followed by ``path``, unless it says the path itself."""
    return base if path in base else base.rstrip("/") + path


def _names_no_number(raw: bytes) -> bool:
    return any(word in raw for word in (b"NaN", b"Infinity"))
