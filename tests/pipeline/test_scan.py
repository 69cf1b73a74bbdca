from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.domain.detection import Detection, Detections, Stage, Subject
from gateway.domain.identity import ANONYMOUS
from gateway.domain.prompt import Data, Instruction, Media, MediaKind, Prompt, Speaker, Tool, Trust, Turn
from gateway.domain.request import ClientRequest, Options
from gateway.pipeline.run import at_once
from gateway.pipeline.scan import common_facts, scan
from policies.engine.applicable import Applicable, applicable_of

SEEN = Detection(facts={"det.a.found": True})
ASKED = Detection(failed="timeout")


class Scanner:
    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:
        return {"a": SEEN} if "a" in wanted and "x" in subject.text else {}

    def asks(self, wanted: frozenset[str]) -> bool:
        return "slow" in wanted

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        assert wanted == {"a", "slow"}
        self.asked.append(tuple(subject.where for subject in subjects))
        return [{"slow": ASKED} for _ in subjects]


@pytest.fixture
def policies() -> Applicable:
    wanted = {
        Stage.INSTRUCTIONS: frozenset({"a"}),
        Stage.DATA: frozenset({"a", "slow"}),
        Stage.TOOLS: frozenset({"slow"}),
    }
    return replace(applicable_of((), "r"), wanted_keys={stage: wanted.get(stage, frozenset()) for stage in Stage})


def subject(stage: Stage, where: str, text: str) -> Subject:
    return Subject(stage=stage, where=where, text=text, facts={})


async def test_each_subject_is_looked_at_by_its_stages_detectors(policies: Applicable) -> None:
    scanner = Scanner()
    subjects = [
        subject(Stage.DATA, "d1", "x"),
        subject(Stage.INSTRUCTIONS, "i", "x"),
        subject(Stage.DATA, "d2", "y"),
    ]
    seen = await scan(subjects, policies, scanner, at_once)
    assert [dict(one.detections) for one in seen] == [{"a": SEEN, "slow": ASKED}, {"a": SEEN}, {"slow": ASKED}]
    assert [one.subject for one in seen] == subjects
    assert scanner.asked == [("d1", "d2")]


def test_the_facts_of_a_request_tell_of_all_of_it() -> None:
    media = Media(id="m", origin="image", kind=MediaKind.IMAGE, mime="image/png", content="aGk=", attributes={})
    segments = (
        Instruction(id="i", origin="user", text="four", trust=Trust.USER),
        Data(id="d", origin="web", text="sixsix"),
        media,
    )
    prompt = Prompt(turns=(Turn(speaker=Speaker.USER, segments=segments),), tools=(Tool(name="t"),))
    request = ClientRequest(dialect="split", model="m", messages=(), options=Options(stream=True))
    assert common_facts(request, ANONYMOUS, prompt, tainted=True) == {
        "request.tenant": "local",
        "request.key": "anonymous",
        "request.model": "m",
        "request.route": "split",
        "request.stream": True,
        "request.tools": 1,
        "request.segments": 3,
        "request.chars": 14,
        "tainted": True,
    }
