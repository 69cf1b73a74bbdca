"""Prompt Shields: exchanges as Microsoft documents them, its limits, and which text each analysis is about."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.detectors.external._call import External, Piece
from gateway.detectors.external.azure_prompt_shields import PromptShields
from gateway.domain.detection import Detection, Stage, Subject
from gateway.domain.jsonvalue import JsonObject, JsonValue

RECORDINGS: dict[str, dict[str, Any]] = {
    path.stem: json.loads(path.read_text(encoding="utf-8"))
    for path in sorted(Path(__file__).with_name("recordings").glob("azure_prompt_shields/*.json"))
}


class Service(Protocol):
    reply: Callable[[JsonObject], bytes]
    status: int
    delay_s: float
    urls: list[str]
    headers: list[Mapping[str, str]]
    bodies: list[JsonObject]
    at_once: int
    most_at_once: int


Classifier = Callable[..., External]
Subjects = Callable[..., Subject]


@pytest.mark.parametrize("name", RECORDINGS)
async def test_a_recorded_exchange_is_asked_and_understood_alike(
    name: str, classifier: Classifier, service: Service, subject: Subjects
) -> None:
    told = RECORDINGS[name]
    service.status = told["answered"]["status"]
    service.reply = lambda _: orjson.dumps(told["answered"]["body"])
    asked = [subject(text, Stage(stage)) for stage, text in told["asked"]]
    answers = await classifier(PromptShields(), url="https://resource.cognitiveservices.test/").ask(asked)
    assert service.urls == [told["sent"]["url"]]
    assert service.bodies == [told["sent"]["body"]]
    assert service.headers[0]["ocp-apim-subscription-key"] == "planted-key"
    assert [answer.failed for answer in answers] == [told.get("failed")] * len(asked)
    assert [bool(answer.facts.get("det.shield.found")) for answer in answers] == told["found"]


def _azure(body: JsonObject) -> bytes:
    """Prompt Shields as documented: an analysis of what was sent, flagging what says so."""
    documents = body["documents"]
    assert isinstance(documents, list)
    analyses = [{"attackDetected": "attack" in str(text)} for text in documents]
    said = {"attackDetected": "attack" in str(body["userPrompt"])}
    return orjson.dumps({"userPromptAnalysis": said, "documentsAnalysis": analyses})


async def test_it_takes_instructions_as_its_prompt_and_data_as_documents_in_one_call(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    service.reply = _azure
    asked = [subject("one"), subject("summarise", Stage.INSTRUCTIONS), subject("an attack"), subject("x", Stage.TOOLS)]
    answers = await classifier(PromptShields()).ask(asked)
    assert service.urls == ["https://shield.test/contentsafety/text:shieldPrompt?api-version=2024-09-01"]
    assert service.bodies == [{"userPrompt": "summarise", "documents": ["one", "an attack", "x"]}]
    assert [answer.facts.get("det.shield.score") for answer in answers] == [None, None, 1.0, None]


async def test_it_is_asked_about_instructions_alone_without_documents(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    service.reply = _azure
    answers = await classifier(PromptShields()).ask([subject(text, Stage.INSTRUCTIONS) for text in ("attack", "x")])
    assert service.bodies == [{"userPrompt": "attack", "documents": []}, {"userPrompt": "x", "documents": []}]
    assert [answer.facts.get("det.shield.found") for answer in answers] == [True, None]


async def test_it_takes_five_documents_and_ten_thousand_characters_a_call(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    service.reply = _azure
    await classifier(PromptShields()).ask([subject("x")] * 6 + [subject("a" * 15_000)])
    sizes: list[list[int]] = []
    for body in service.bodies:
        documents = body["documents"]
        assert isinstance(documents, list)
        sizes.append([len(str(text)) for text in documents])
    assert sizes == [[1] * 5, [1], [10_000], [5_200]]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"documentsAnalysis": []},
        {"documentsAnalysis": [{"attackDetected": False}] * 2},
        {"documentsAnalysis": [{"attackDetected": "false"}]},
        {"documentsAnalysis": [None]},
        {"documentsAnalysis": {"attackDetected": False}},
        {"userPromptAnalysis": {"attackDetected": False}},
    ],
)
async def test_its_answer_must_be_about_what_was_sent(
    classifier: Classifier, service: Service, subject: Subjects, answer: JsonValue
) -> None:
    service.reply = lambda _: orjson.dumps(answer)
    assert await classifier(PromptShields()).ask([subject("hello")]) == [Detection(failed="garbled")]


async def test_a_version_in_the_configured_url_stays(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    service.reply = _azure
    url = "https://shield.test/contentsafety/text:shieldPrompt?api-version=2026-01-01"
    await classifier(PromptShields(), url=url).ask([subject("x")])
    assert service.urls == [url]


@given(sizes=st.lists(st.tuples(st.sampled_from(list(Stage)), st.integers(1, 10_000)), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_piece_is_asked_about_once_and_within_the_limits(
    sizes: list[tuple[Stage, int]], subject: Subjects
) -> None:
    pieces = [Piece(subject=subject("", stage), text=chr(97 + at) * size) for at, (stage, size) in enumerate(sizes)]
    asked: list[Piece] = []
    for question in PromptShields().questions(pieces):
        prompt, documents = question.body["userPrompt"], question.body["documents"]
        assert isinstance(documents, list)
        assert len(str(prompt)) <= 10_000
        assert len(documents) <= 5
        assert sum(len(str(text)) for text in documents) <= 10_000
        texts = [*([prompt] if prompt else []), *documents]
        assert texts == [piece.text for piece in question.pieces]
        assert [piece.subject.stage is Stage.INSTRUCTIONS for piece in question.pieces] == (
            [True] * bool(prompt) + [False] * len(documents)
        )
        asked += question.pieces
    assert sorted(piece.text for piece in asked) == sorted(piece.text for piece in pieces)
