"""Classifiers over HTTP: what they say decides, and what they fail to say means what the policy says it means."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import httpx
import pytest

Json: TypeAlias = dict[str, Any]
Chunk: TypeAlias = Callable[..., Json]

KEY = "planted-classifier-key"
PATHS = {"webhook": "/ask", "azure_prompt_shields": "", "lakera": ""}

POLICY = """
apiVersion: splitgate/v1
kind: Policy
metadata: {name: NAME}
spec:
  mode: enforce
  match: {models: [NAME]}
  on_error: {guard: ON_ERROR}
  detectors:
    external: [{name: guard, kind: KIND, url: "URL", key: "env:GUARD_KEY", timeout_ms: TIMEOUT, max_chars: 9000}]
  rules:
    - {id: flagged-data, stage: data, severity: critical, when: det.guard.flagged, action: block, message: flagged}
    - {id: flagged-output, stage: output, severity: critical, when: det.guard.flagged, action: block, message: flagged}
"""


class Gateway(Protocol):
    @property
    def url(self) -> str: ...
    @property
    def log(self) -> Path: ...


class Classifier(Protocol):
    """A classifier that answers by script."""

    bodies: list[Json]
    headers: list[dict[str, str]]

    @property
    def url(self) -> str: ...
    def always(self, body: Json | bytes, **details: Any) -> None: ...


class Upstream(Protocol):
    url: str
    raw: list[bytes]

    def answer(self, body: Json, status: int = 200, **headers: str) -> None: ...
    def stream(self, *chunks: Json, done: bool = True, broken: bool = False, pause_s: float = 0.0) -> None: ...


@pytest.fixture(scope="module")
def policed(
    keep_gateway: Callable[..., Gateway],
    _upstream_server: Upstream,
    staged_pair: tuple[Classifier, Classifier],
    tmp_path_factory: pytest.TempPathFactory,
) -> Gateway:
    """Models ``webhook-block``, ``webhook-report`` and so on: the kind of classifier, and what its failing means."""
    folder: Path = tmp_path_factory.mktemp("policies")
    target = f'{{provider: openai_compatible, base_url: "{_upstream_server.url}", model: m, format: tool-envelope}}'
    models = ""
    base = staged_pair[0].url.removesuffix("/v1")
    for kind, path in PATHS.items():
        for on_error in ("block", "report"):
            # Long where it must not run out, so that a slow machine fails no test; short where it has to.
            for speed, timeout in (("", 20_000), ("-hasty", 200)):
                name = f"{kind}-{on_error}{speed}"
                words = {"NAME": name, "ON_ERROR": on_error, "KIND": kind, "URL": base + path, "TIMEOUT": str(timeout)}
                text = POLICY
                for word, value in words.items():
                    text = text.replace(word, value)
                (folder / f"{name}.yaml").write_text(text)
                models += f"  {name}: {{targets: [{target}]}}\n"
    config = f"policies: {{packs: [], paths: [{folder}], watch: false}}\nmodels:\n{models}"
    return keep_gateway(config, GUARD_KEY=KEY)


@pytest.fixture(scope="module")
def client(policed: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=policed.url, timeout=30, trust_env=False) as opened:
        yield opened


def ask(client: httpx.Client, model: str, *data: str, **more: Any) -> httpx.Response:
    segments = [{"id": f"d{number}", "text": text} for number, text in enumerate(data, 1)]
    body = {"model": model, "instructions": "The planted instruction.", "data": segments, **more}
    return client.post("/v1/split", json=body)


def flagging(kind: str, *verdicts: Literal["attack", "fine"]) -> Json:
    """How a classifier of this kind says so of documents."""
    flags = [verdict == "attack" for verdict in verdicts]
    match kind:
        case "webhook":
            return {"flagged": any(flags), "score": 0.93 if any(flags) else 0.02}
        case "lakera":
            return {"flagged": any(flags), "breakdown": [{"detector_type": "prompt_attack", "detected": any(flags)}]}
        case _:
            return {"documentsAnalysis": [{"attackDetected": flag} for flag in flags]}


def says(upstream: Upstream, chunk: Chunk, text: str, *, stream: bool) -> None:
    if stream:
        upstream.stream(chunk({"role": "assistant"}), *(chunk({"content": char}) for char in text), chunk({}, "stop"))
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        upstream.answer({"id": "x", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]})


def split_of(answer: httpx.Response) -> Json:
    if answer.headers["content-type"].startswith("text/event-stream"):
        return json.loads(answer.text.split("event: done\ndata: ")[1].split("\n")[0])["split"]
    return answer.json()["split"]


def failures(answer: httpx.Response) -> list[tuple[str, str, str]]:
    found = split_of(answer)["findings"]
    return [(one["rule"], one["where"], one["weight"]) for one in found]


@pytest.mark.rows
@pytest.mark.parametrize("on_error", ["block", "report"])
@pytest.mark.parametrize("kind", PATHS)
def test_what_is_flagged_is_refused(
    client: httpx.Client, upstream: Upstream, first: Classifier, kind: str, on_error: str
) -> None:
    first.always(flagging(kind, "attack"))
    answer = ask(client, f"{kind}-{on_error}", "Obey the planted text.")
    assert (answer.status_code, answer.json()["rules"]) == (400, ["flagged-data"])
    assert upstream.raw == []


@pytest.mark.rows
@pytest.mark.parametrize("kind", PATHS)
def test_what_is_not_flagged_goes_on(client: httpx.Client, upstream: Upstream, first: Classifier, kind: str) -> None:
    first.always(flagging(kind, "fine"))
    answer = ask(client, f"{kind}-block", "Hello.")
    assert (answer.status_code, failures(answer)) == (200, [])
    assert len(upstream.raw) == 1


@pytest.mark.usefixtures("upstream")
def test_a_webhook_is_asked_in_its_way(client: httpx.Client, first: Classifier) -> None:
    first.always(flagging("webhook", "fine"))
    assert ask(client, "webhook-block", "One.", "Two.").status_code == 200
    asked = sorted((body["stage"], body["where"], body["text"]) for body in first.bodies)
    assert asked == [("data", "d1", "One."), ("data", "d2", "Two."), ("output", "output", "ok")]
    assert {headers["authorization"] for headers in first.headers} == {f"Bearer {KEY}"}
    assert first.bodies[0]["facts"]["request.model"] == "webhook-block"


@pytest.mark.usefixtures("upstream")
def test_prompt_shields_are_given_the_data_as_documents(client: httpx.Client, first: Classifier) -> None:
    first.always(flagging("azure_prompt_shields", "fine", "attack"))
    answer = ask(client, "azure_prompt_shields-block", "One.", "Two.")
    assert answer.json()["detail"].endswith("flagged-data (d2): flagged")
    assert first.bodies == [{"userPrompt": "", "documents": ["One.", "Two."]}]
    assert first.headers[0]["ocp-apim-subscription-key"] == KEY


@pytest.mark.usefixtures("upstream")
def test_lakera_is_given_data_as_a_users_and_answers_as_the_assistants(client: httpx.Client, first: Classifier) -> None:
    first.always(flagging("lakera", "fine"))
    assert ask(client, "lakera-block", "One.").status_code == 200
    assert [body["messages"] for body in first.bodies] == [
        [{"role": "user", "content": "One."}],
        [{"role": "assistant", "content": "ok"}],
    ]
    assert first.headers[0]["authorization"] == f"Bearer {KEY}"


GARBLED: dict[str, tuple[Json | bytes, Json]] = {
    "server error": ({"flagged": False, "score": 0.1}, {"status": 500}),
    "not allowed": ({"flagged": False, "score": 0.1}, {"status": 401}),
    "elsewhere": (b"", {"status": 307, "headers": {"location": "/other"}}),
    "nothing": (b"", {}),
    "no JSON": (b"<html>planted page</html>", {}),
    "a list": (b"[]", {}),
    "no verdict": ({"score": 0.1}, {}),
    "a word for a verdict": ({"flagged": "no", "score": 0.1}, {}),
    "no number": (b'{"flagged": false, "score": NaN}', {}),
    "a score beyond": ({"flagged": False, "score": 7}, {}),
    "said twice": (b'{"flagged": true, "flagged": false, "score": 0.1}', {}),
    "cut": ({"flagged": False, "score": 0.1}, {"cut": True}),
    "endless": (b" " * 300_000, {}),
}


@pytest.mark.rows
@pytest.mark.parametrize("case", GARBLED)
def test_what_is_no_answer_refuses_or_is_told_of(
    client: httpx.Client, upstream: Upstream, first: Classifier, case: str
) -> None:
    body, details = GARBLED[case]
    first.always(body, **details)
    refused = ask(client, "webhook-block", "Hello.")
    assert (refused.status_code, refused.json()["rules"]) == (400, ["on_error:guard"])
    assert upstream.raw == []
    passed = ask(client, "webhook-report", "Hello.")
    assert passed.status_code == 200
    assert failures(passed) == [("on_error:guard", "d1", "level"), ("on_error:guard", "output", "level")]
    assert passed.headers["x-splitgate-findings"] == "on_error:guard~level=2"


@pytest.mark.rows
@pytest.mark.usefixtures("first")
@pytest.mark.parametrize("kind", PATHS)
def test_a_classifier_that_hangs_refuses_or_is_told_of(client: httpx.Client, upstream: Upstream, kind: str) -> None:
    refused = ask(client, f"{kind}-block-hasty", "Hello.")
    assert (refused.status_code, refused.json()["rules"]) == (400, ["on_error:guard"])
    assert upstream.raw == []
    passed = ask(client, f"{kind}-report-hasty", "Hello.")
    assert passed.status_code == 200
    assert failures(passed) == [("on_error:guard", "d1", "level"), ("on_error:guard", "output", "level")]


@pytest.mark.parametrize("kind", ["azure_prompt_shields", "lakera"])
def test_an_answer_to_another_question_is_none(
    client: httpx.Client, upstream: Upstream, first: Classifier, kind: str
) -> None:
    first.always(flagging("webhook", "fine") | {"documentsAnalysis": [], "flagged": None})
    assert ask(client, f"{kind}-block", "Hello.").json()["rules"] == ["on_error:guard"]
    assert upstream.raw == []


@pytest.mark.usefixtures("upstream")
def test_a_text_too_long_to_be_asked_about_refuses_or_is_told_of(client: httpx.Client, first: Classifier) -> None:
    first.always(flagging("webhook", "fine"))
    long = "Hello. " * 20_000
    assert ask(client, "webhook-block", long).json()["rules"] == ["on_error:guard"]
    assert failures(ask(client, "webhook-report", long)) == [("on_error:guard", "d1", "level")]
    assert ask(client, "webhook-block", long[:9_000]).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_answers_are_asked_about_before_anything_of_them_goes_out(
    client: httpx.Client, upstream: Upstream, first: Classifier, chunk: Chunk, stream: bool
) -> None:
    says(upstream, chunk, "The planted answer.", stream=stream)
    first.always(flagging("webhook", "attack"))
    blocked = ask(client, "webhook-block", stream=stream)
    assert blocked.status_code == 200
    assert '"finish_reason":"content_filter"' in blocked.text
    assert "The planted answer." not in blocked.text
    assert split_of(blocked)["decision"] == "block"
    assert failures(blocked) == [("flagged-output", "output", "acts")]
    first.always(b"")
    assert failures(ask(client, "webhook-block", stream=stream)) == [("on_error:guard", "output", "acts")]
    reported = ask(client, "webhook-report", stream=stream)
    assert failures(reported) == [("on_error:guard", "output", "level")]
    first.always(flagging("webhook", "fine"))
    passed = ask(client, "webhook-block", stream=stream)
    for answer in (reported, passed):
        assert "The planted answer." in answer.text
        assert '"finish_reason":"stop"' in answer.text


@pytest.mark.usefixtures("upstream")
def test_neither_texts_nor_the_key_are_logged(client: httpx.Client, policed: Gateway, first: Classifier) -> None:
    first.always(b"<html>planted page</html>", status=500)
    ask(client, "webhook-block", "The planted data.")
    ask(client, "webhook-report", "The planted data.")
    assert "planted" not in policed.log.read_text()
