"""What every external classifier shares: budget, pieces, strict reading, and the words for what went wrong."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

import orjson
import pytest

from gateway.detectors.external._call import MAX_CALLS, MAX_PIECES, OVERLAP, External, Wire, facts
from gateway.detectors.external.azure_prompt_shields import PromptShields
from gateway.detectors.external.lakera import LakeraGuard
from gateway.detectors.external.webhook import Webhook
from gateway.domain.address import PUBLIC_ONLY, Addresses
from gateway.domain.detection import Detection, Stage, Subject
from gateway.domain.errors import UpstreamGarbled, UpstreamTimeout, UpstreamUnreachable
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import UpstreamClient
from gateway.domain.target import Secret
from policies.engine.model import ExternalSettings


class Service(UpstreamClient, Protocol):
    reply: Callable[[JsonObject], bytes]
    status: int
    delay_s: float
    urls: list[str]
    headers: list[Mapping[str, str]]
    bodies: list[JsonObject]
    addresses: Addresses | None
    at_once: int
    most_at_once: int


Classifier = Callable[..., External]
Subjects = Callable[..., Subject]


async def test_a_quiet_answer_is_quiet(classifier: Classifier, subject: Subjects) -> None:
    assert await classifier().ask([subject("hello")]) == [Detection()]


async def test_a_flag_and_its_score_become_facts(classifier: Classifier, service: Service, subject: Subjects) -> None:
    service.reply = lambda _: b'{"flagged": true, "score": 0.75, "more": null}'
    [detection] = await classifier().ask([subject("hello")])
    assert detection == Detection(
        facts={
            "det.shield.found": True,
            "det.shield.flagged": True,
            "det.shield.score": 0.75,
            "det.shield.kinds": (),
        }
    )
    assert set(detection.facts) == {fact.name for fact in facts("shield")}


async def test_a_score_counts_without_a_flag(classifier: Classifier, service: Service, subject: Subjects) -> None:
    service.reply = lambda _: b'{"flagged": false, "score": 0.5}'
    [detection] = await classifier().ask([subject("hello")])
    assert (detection.facts["det.shield.found"], detection.facts["det.shield.score"]) == (False, 0.5)


async def test_the_webhook_is_told_the_text_and_what_is_known_of_it(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    await classifier(url="https://shield.test/x?y=1").ask([subject("hello")])
    assert service.urls == ["https://shield.test/x?y=1"]
    assert service.bodies == [
        {
            "stage": "data",
            "where": "mail",
            "text": "hello",
            "facts": {"segment.origin": "email", "lists": ["a", "b"]},
        }
    ]


@pytest.mark.parametrize(
    ("wire", "header", "held"),
    [
        (Webhook(), "authorization", "Bearer planted-key"),
        (LakeraGuard(), "authorization", "Bearer planted-key"),
        (PromptShields(), "ocp-apim-subscription-key", "planted-key"),
    ],
)
async def test_the_key_stands_in_a_header_alone(
    classifier: Classifier, service: Service, subject: Subjects, wire: Wire, header: str, held: str
) -> None:
    await classifier(wire).ask([subject("hello")])
    assert service.headers[0][header] == held
    assert "planted-key" not in service.urls[0] + str(service.bodies)


class Rotating(Secret):
    """Becomes another one when the test says so."""

    def become(self, value: str) -> None:
        self._value = value


async def test_the_key_of_a_question_is_what_it_is_by_then(service: Service, subject: Subjects) -> None:
    key = Rotating("planted-one")
    settings = ExternalSettings(name="shield", kind="webhook", url="https://shield.test", key=key)
    shield = External(settings, Webhook(), lambda: service)
    await shield.ask([subject("hello")])
    key.become("planted-two")
    await shield.ask([subject("hello")])
    assert [one["authorization"] for one in service.headers] == ["Bearer planted-one", "Bearer planted-two"]


async def test_without_a_key_no_header_is_sent_for_it(service: Service, subject: Subjects) -> None:
    settings = ExternalSettings(name="shield", kind="webhook", url="https://shield.test", timeout_ms=500)
    await External(settings, Webhook(), lambda: service).ask([subject("hello")])
    assert set(service.headers[0]) == {"content-type", "accept", "accept-encoding"}
    assert service.addresses == PUBLIC_ONLY


async def test_it_leads_where_its_entry_allows_and_nowhere_else(service: Service, subject: Subjects) -> None:
    allowed = Addresses(networks=("10.20.0.0/16",))
    settings = ExternalSettings(name="shield", kind="webhook", url="https://shield.test", addresses=allowed)
    await External(settings, Webhook(), lambda: service).ask([subject("hello")])
    assert service.addresses == allowed


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "garbled"),
        (b"[]", "garbled"),
        (b"{}", "garbled"),
        (b'{"flagged": true}', "garbled"),
        (b'{"score": 1}', "garbled"),
        (b'{"flagged": "true", "score": 1}', "garbled"),
        (b'{"flagged": 1, "score": 1}', "garbled"),
        (b'{"flagged": true, "score": true}', "garbled"),
        (b'{"flagged": true, "score": "1"}', "garbled"),
        (b'{"flagged": true, "score": 1.01}', "garbled"),
        (b'{"flagged": true, "score": -0.01}', "garbled"),
        (b'{"flagged": true, "flagged": false, "score": 1}', "garbled"),
        (b'{"flagged": true, "score": NaN}', "nan"),
        (b'{"flagged": true, "score": Infinity}', "nan"),
        (b'{"flagged": true, "score": 1e999}', "garbled"),
        (b"\xff", "garbled"),
        (b" " * 300_000, "error"),
    ],
)
async def test_what_is_not_exactly_an_answer_is_a_failure(
    classifier: Classifier, service: Service, subject: Subjects, body: bytes, word: str
) -> None:
    service.reply = lambda _: body
    assert await classifier().ask([subject("hello")]) == [Detection(failed=word)]


@pytest.mark.parametrize("status", [201, 204, 302, 401, 429, 500])
async def test_any_other_status_is_an_error(
    classifier: Classifier, service: Service, subject: Subjects, status: int
) -> None:
    service.status = status
    assert await classifier().ask([subject("hello")]) == [Detection(failed="error")]


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (UpstreamUnreachable("no", target="shield"), "error"),
        (UpstreamGarbled("no", target="shield"), "error"),
        (UpstreamTimeout("no", target="shield", phase="total"), "timeout"),
    ],
)
async def test_a_failed_call_is_a_failed_detection(
    classifier: Classifier, service: Service, subject: Subjects, error: Exception, word: str
) -> None:
    def reply(_: JsonObject) -> bytes:
        raise error

    service.reply = reply
    assert await classifier().ask([subject("hello")]) == [Detection(failed=word)]


async def test_half_a_surrogate_pair_cannot_be_asked_about(classifier: Classifier, subject: Subjects) -> None:
    assert await classifier().ask([subject("\ud800")]) == [Detection(failed="error")]


async def test_the_budget_is_for_everything_asked_at_once(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    service.delay_s = 30
    answers = await classifier(timeout_ms=50).ask([subject("hello")] * 10)
    assert answers == [Detection(failed="timeout")] * 10
    await asyncio.sleep(0)
    assert service.at_once == 0


async def test_only_so_many_calls_are_under_way(classifier: Classifier, service: Service, subject: Subjects) -> None:
    service.delay_s = 0.01
    assert await classifier().ask([subject("hello")] * 20) == [Detection()] * 20
    assert service.most_at_once == 8


async def test_a_long_text_is_asked_about_in_pieces_that_overlap(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    text = "".join(f"{index:05}" for index in range(500))
    service.reply = lambda body: (
        b'{"flagged": %s, "score": 0.5}' % (b"true" if text[2300:2310] in str(body) else b"false")
    )
    [detection] = await classifier(max_chars=1000).ask([subject(text)])
    assert detection.facts["det.shield.found"] is True
    pieces = sorted((str(body["text"]) for body in service.bodies), key=text.index)
    assert [len(piece) for piece in pieces] == [1000, 1000, 900]
    assert pieces[0][-OVERLAP:] == pieces[1][:OVERLAP]


async def test_a_piece_without_an_answer_makes_the_whole_fail(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    service.reply = lambda body: b"{}" if "b" in str(body["text"]) else b'{"flagged": true, "score": 1}'
    [detection] = await classifier(max_chars=1000).ask([subject("a" * 1500 + "b" * 100)])
    assert detection.failed == "garbled"
    assert detection.facts["det.shield.found"] is True


async def test_more_pieces_than_the_bound_are_too_long(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    longest = 1000 + (MAX_PIECES - 1) * (1000 - OVERLAP)
    answers = await classifier(max_chars=1000).ask([subject("a" * (longest + 1)), subject("a" * longest)])
    assert [answer.failed for answer in answers] == ["too_long", None]
    assert len(service.bodies) == MAX_PIECES


async def test_more_calls_than_the_bound_are_too_many(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    answers = await classifier().ask([subject("hello")] * (MAX_CALLS + 1))
    assert answers == [Detection(failed="too_many")] * (MAX_CALLS + 1)
    assert service.bodies == []


async def test_blank_texts_and_no_texts_ask_nothing(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    assert await classifier().ask([]) == []
    assert await classifier().ask([subject(" \n")]) == [Detection()]
    assert service.bodies == []


async def test_lakera_names_the_detectors_that_saw_something(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    service.reply = lambda _: orjson.dumps(
        {
            "flagged": True,
            "payload": [],
            "breakdown": [
                {"detector_type": "prompt_attack", "detected": True, "message_id": 0},
                {"detector_type": "pii/iban_code", "detected": False, "message_id": 0},
            ],
        }
    )
    [detection] = await classifier(LakeraGuard(), url="https://shield.test/").ask([subject("hello")])
    assert detection.facts == {
        "det.shield.found": True,
        "det.shield.flagged": True,
        "det.shield.score": 1.0,
        "det.shield.kinds": ("prompt_attack",),
    }
    assert service.urls == ["https://shield.test/v2/guard"]
    assert service.bodies == [{"messages": [{"role": "user", "content": "hello"}], "breakdown": True}]


async def test_lakera_hears_of_a_models_words_as_the_assistants(
    classifier: Classifier, service: Service, subject: Subjects
) -> None:
    service.reply = lambda _: b'{"flagged": false}'
    stages = [Stage.OUTPUT, Stage.TOOL_CALL, Stage.INSTRUCTIONS]
    answers = await classifier(LakeraGuard(), url="https://shield.test/v2/guard").ask(
        [subject("hello", stage) for stage in stages]
    )
    assert answers == [Detection()] * 3
    assert service.urls == ["https://shield.test/v2/guard"] * 3
    roles = [message["role"] for body in service.bodies for message in _messages(body)]
    assert roles == ["assistant", "assistant", "user"]


def _messages(body: JsonObject) -> list[JsonObject]:
    messages = body["messages"]
    assert isinstance(messages, list)
    return [message for message in messages if isinstance(message, dict)]


@pytest.mark.parametrize(
    "answer",
    [
        {"breakdown": []},
        {"flagged": None},
        {"flagged": False, "breakdown": [1]},
        {"flagged": False, "breakdown": [{"detected": True}]},
        {"flagged": False, "breakdown": [{"detector_type": "Say this!", "detected": True}]},
        {"flagged": False, "breakdown": [{"detector_type": "prompt_attack", "detected": "true"}]},
    ],
)
async def test_lakeras_answer_is_read_strictly(
    classifier: Classifier, service: Service, subject: Subjects, answer: JsonValue
) -> None:
    service.reply = lambda _: orjson.dumps(answer)
    assert await classifier(LakeraGuard()).ask([subject("hello")]) == [Detection(failed="garbled")]


def test_the_facts_are_known_without_settings() -> None:
    names = [fact.name for fact in facts("shield")]
    assert names == ["det.shield.found", "det.shield.flagged", "det.shield.score", "det.shield.kinds"]
