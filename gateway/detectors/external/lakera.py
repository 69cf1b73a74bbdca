"""How does Lakera Guard want to be asked?

``POST /v2/guard`` with messages; it answers ``flagged`` and, asked for it, a ``breakdown`` by detector. The rule: what
a model wrote goes as the assistant's, all else as a user's, for a system message is trusted and never flagged.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gateway.detectors.external._call import NotAnAnswer, Piece, Question, Reading, at_path, flag, objects
from gateway.domain.detection import Stage
from gateway.domain.jsonvalue import JsonObject

_PATH: Final = "/v2/guard"
_WRITTEN_BY_MODEL: Final = frozenset({Stage.OUTPUT, Stage.TOOL_CALL})
# ``prompt_attack``, ``pii/iban_code``: anything else is nothing that a condition should compare with.
_KIND: Final = re.compile(r"[a-z0-9_./\-]{1,64}")


class LakeraGuard:
    """Lakera Guard's format. It says yes or no, so a score is 1 or 0; ``kinds`` are the detectors that saw it."""

    largest = 100_000

    def url(self, base: str) -> str:
        """Lakera's or one's own server, with the path that this file speaks."""
        return at_path(base, _PATH)

    def headers(self, key: str) -> Mapping[str, str]:
        """The API key."""
        return {"authorization": f"Bearer {key}"}

    def questions(self, pieces: Sequence[Piece]) -> Iterator[Question]:
        """A call for each: it flags a whole conversation, not a message."""
        for piece in pieces:
            role = "assistant" if piece.subject.stage in _WRITTEN_BY_MODEL else "user"
            body: JsonObject = {"messages": [{"role": role, "content": piece.text}], "breakdown": True}
            yield Question(body=body, pieces=(piece,))

    def read(self, question: Question, answer: JsonObject) -> Sequence[Reading]:  # noqa: ARG002 - one answer fits all
        """Flagged or not, and by which detectors."""
        flagged = flag(answer, "flagged")
        breakdown = objects(answer.get("breakdown", []))
        kinds = tuple(_kind(each) for each in breakdown if flag(each, "detected"))
        return [Reading(flagged=flagged, score=float(flagged), kinds=kinds)]


def _kind(detected: JsonObject) -> str:
    kind = detected.get("detector_type")
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise NotAnAnswer("garbled")
    return kind
