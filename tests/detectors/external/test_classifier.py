"""A configured classifier speaks its kind's format, over a real client and a real socket."""

from typing import Any, Literal

import pytest

from adapters.transport.aiohttp_client import AiohttpClient
from gateway.detectors.external.classifier import classifier, facts
from gateway.domain.address import Addresses
from gateway.domain.detection import Detection, Stage, Subject
from gateway.domain.target import Secret
from policies.engine.model import ExternalSettings

KINDS: dict[Literal["azure_prompt_shields", "lakera", "webhook"], tuple[str, dict[str, Any]]] = {
    "azure_prompt_shields": (
        "/contentsafety/text:shieldPrompt?api-version=2024-09-01",
        {"userPromptAnalysis": None, "documentsAnalysis": [{"attackDetected": True}]},
    ),
    "lakera": ("/v2/guard", {"flagged": True, "breakdown": [], "payload": []}),
    "webhook": ("", {"flagged": True, "score": 1}),
}


@pytest.fixture
def subject() -> Subject:
    return Subject(stage=Stage.DATA, where="mail", text="hello", facts={})


@pytest.mark.parametrize("kind", list(KINDS))
async def test_each_kind_asks_and_understands(
    kind: Literal["azure_prompt_shields", "lakera", "webhook"], upstream: Any, subject: Subject
) -> None:
    path, answer = KINDS[kind]
    upstream.answer(answer)
    settings = ExternalSettings(
        name="shield",
        kind=kind,
        url=upstream.url,
        key=Secret("planted"),
        addresses=Addresses(private=True),
        timeout_ms=5000,
    )
    client = AiohttpClient()
    try:
        [detection] = await classifier(settings, lambda: client).ask([subject])
    finally:
        await client.close()
    assert detection.facts["det.shield.found"] is True
    assert detection.facts["det.shield.score"] == 1.0
    assert upstream.paths[0].endswith(path)


async def test_without_a_client_every_question_fails(subject: Subject) -> None:
    settings = ExternalSettings(name="shield", kind="webhook", url="http://127.0.0.1:9")
    assert await classifier(settings, None).ask([subject]) == [Detection(failed="error")]


def test_the_facts_are_known_without_settings() -> None:
    names = [fact.name for fact in facts("shield")]
    assert names == ["det.shield.found", "det.shield.flagged", "det.shield.score", "det.shield.kinds"]
