"""How is a classifier of one's own asked?

A POST of ``{"stage", "where", "text", "facts"}``, answered with status 200 by ``{"flagged": true, "score": 0.93}``. The
rule: both fields must be there; what stands beside them is not read.
"""

from collections.abc import Iterator, Mapping, Sequence

from gateway.detectors.external._call import Piece, Question, Reading, flag, score
from gateway.domain.detection import FactValue
from gateway.domain.jsonvalue import JsonObject, JsonValue


class Webhook:
    """The format that a service of one's own speaks. ``facts`` are what is known beside the text, by dotted name."""

    largest = 1_000_000

    def url(self, base: str) -> str:
        """The URL as it was configured."""
        return base

    def headers(self, key: str) -> Mapping[str, str]:
        """The key, as a bearer's."""
        return {"authorization": f"Bearer {key}"}

    def questions(self, pieces: Sequence[Piece]) -> Iterator[Question]:
        """A call for each."""
        for piece in pieces:
            subject = piece.subject
            facts: JsonObject = {name: _json(fact) for name, fact in subject.facts.items()}
            body: JsonObject = {
                "stage": subject.stage.value,
                "where": subject.where,
                "text": piece.text,
                "facts": facts,
            }
            yield Question(body=body, pieces=(piece,))

    def read(self, question: Question, answer: JsonObject) -> Sequence[Reading]:  # noqa: ARG002 - one answer fits all
        """Flagged or not, and how surely."""
        return [Reading(flagged=flag(answer, "flagged"), score=score(answer, "score"))]


def _json(fact: FactValue) -> JsonValue:
    return list(fact) if isinstance(fact, tuple) else fact
