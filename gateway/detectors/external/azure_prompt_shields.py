"""How does Azure AI Content Safety's Prompt Shields want to be asked?

``POST /contentsafety/text:shieldPrompt`` in version 2024-09-01, which takes a user's prompt of 10,000 characters, and
up to five documents with 10,000 characters together. Both fields are always there, the prompt empty and the documents
none where there is nothing to ask. The rule: instructions are its prompt, all else are its documents, and each is
judged by the analysis in its own place.
Source: Microsoft, "Quickstart: Use Prompt Shields" and "Input requirements", Azure AI Content Safety documentation.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Final

from gateway.detectors.external._call import NotAnAnswer, Piece, Question, Reading, at_path, flag, objects
from gateway.domain.detection import Stage
from gateway.domain.jsonvalue import JsonObject

_PATH: Final = "/contentsafety/text:shieldPrompt"
_VERSION: Final = "?api-version=2024-09-01"
_CHARS: Final = 10_000
_DOCUMENTS: Final = 5


class PromptShields:
    """Prompt Shields' format. It says yes or no, so a score is 1 or 0."""

    largest = _CHARS

    def url(self, base: str) -> str:
        """The resource's endpoint, with the path and version that this file speaks unless it says its own."""
        return base if _PATH in base else at_path(base, _PATH + _VERSION)

    def headers(self, key: str) -> Mapping[str, str]:
        """The key of the resource."""
        return {"ocp-apim-subscription-key": key}

    def questions(self, pieces: Sequence[Piece]) -> Iterator[Question]:
        """A prompt and as many documents as go into a call."""
        prompts = [piece for piece in pieces if piece.subject.stage is Stage.INSTRUCTIONS]
        documents = [piece for piece in pieces if piece.subject.stage is not Stage.INSTRUCTIONS]
        for prompt, batch in zip_longest(prompts, _batches(documents)):
            body: JsonObject = {
                "userPrompt": "" if prompt is None else prompt.text,
                "documents": [piece.text for piece in batch or ()],
            }
            yield Question(body=body, pieces=(*([prompt] if prompt else ()), *(batch or ())))

    def read(self, question: Question, answer: JsonObject) -> Sequence[Reading]:
        """An analysis for what was sent, in its order."""
        analyses: list[JsonObject] = []
        if question.body["userPrompt"]:
            analyses.extend(objects([answer.get("userPromptAnalysis")]))
        if question.body["documents"]:
            analyses.extend(objects(answer.get("documentsAnalysis")))
        if len(analyses) != len(question.pieces):
            raise NotAnAnswer("garbled")
        return [_reading(flag(analysis, "attackDetected")) for analysis in analyses]


def _reading(detected: bool) -> Reading:
    return Reading(flagged=detected, score=float(detected))


def _batches(documents: Sequence[Piece]) -> Iterator[list[Piece]]:
    batch: list[Piece] = []
    chars = 0
    for piece in documents:
        if batch and (len(batch) == _DOCUMENTS or chars + len(piece.text) > _CHARS):
            yield batch
            batch, chars = [], 0
        batch.append(piece)
        chars += len(piece.text)
    if batch:
        yield batch
