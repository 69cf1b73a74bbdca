"""Classifiers over HTTP are asked where that is asked for, and never otherwise."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import Result

from gateway.activation.rehearse import Asking
from gateway.domain.detection import Detection, Detections, Stage, Subject

Splitgate = Callable[..., Result]


class Service:
    file: str
    asked: list[str | None]


@pytest.fixture
def bad(tmp_path: Path) -> str:
    path = tmp_path / "bad.json"
    path.write_text(json.dumps({"text": "bad"}), encoding="utf-8")
    return str(path)


@pytest.fixture
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "k-1")


def test_nothing_is_asked_and_what_rests_on_it_is_named(splitgate: Splitgate, service: Service) -> None:
    result = splitgate("policy", "test", "--coverage", service.file)
    assert (result.exit_code, service.asked) == (1, [])
    assert "note: asking: not asked: det.judge (--ask asks); what rests on that: judged" in result.stderr
    assert "(it rests on det.judge, which was not asked)" in result.stdout


def test_what_cannot_be_shown_without_asking_is_no_gap(splitgate: Splitgate, service: Service) -> None:
    text = Path(service.file).read_text(encoding="utf-8").partition("  tests:")[0]
    Path(service.file).write_text(text, encoding="utf-8")
    assert splitgate("policy", "test", "--coverage", service.file).exit_code == 0
    result = splitgate("policy", "coverage", service.file)
    assert (result.exit_code, "rests on det.judge, which was not asked" in result.stdout) == (0, True)
    root = ET.fromstring(splitgate("policy", "coverage", "--format", "junit", service.file).stdout.encode())  # noqa: S314
    assert root.attrib["failures"] == "0"


@pytest.mark.usefixtures("_key")
def test_with_ask_the_service_decides(splitgate: Splitgate, service: Service) -> None:
    result = splitgate("policy", "test", "--coverage", "--ask", service.file)
    assert (result.exit_code, service.asked) == (0, ["Bearer k-1", "Bearer k-1"]), result.output


def test_with_ask_the_credential_must_be_there(splitgate: Splitgate, service: Service) -> None:
    result = splitgate("policy", "test", "--ask", service.file)
    assert (result.exit_code, service.asked) == (2, [])
    assert "JUDGE_KEY is missing" in result.stderr


def test_explain_never_takes_silence_for_an_answer(splitgate: Splitgate, service: Service, bad: str) -> None:
    result = splitgate("policy", "explain", bad, "-p", service.file)
    assert (result.exit_code, service.asked) == (0, [])
    assert "unasked asking/judged" in result.stdout
    assert "It rests on det.judge, which was not asked." in result.stdout
    told = json.loads(splitgate("policy", "explain", bad, "-p", service.file, "--format", "json").stdout)
    assert told["steps"][0]["not_asked"] == "det.judge"


@pytest.mark.usefixtures("_key")
def test_explain_asks_where_told_to(splitgate: Splitgate, service: Service, bad: str) -> None:
    result = splitgate("policy", "explain", bad, "-p", service.file, "--ask")
    assert (result.exit_code, len(service.asked)) == (1, 1)
    assert "decision: block" in result.stdout
    assert "not asked" not in result.output


@pytest.mark.usefixtures("_key")
def test_fp_and_diff_ask_too(splitgate: Splitgate, service: Service, bad: str) -> None:
    assert "1 refused" in splitgate("policy", "fp", "-p", service.file, "--corpus", bad, "--ask").stdout
    result = splitgate("policy", "diff", "baseline", service.file, "--corpus", bad, "--ask")
    assert (result.exit_code, "allow → block" in result.stdout) == (1, True)


class Slow:
    """A scanner with two detectors that must be asked, one of them a service."""

    def scan(self, subject: Subject, wanted: frozenset[str]) -> Detections:  # noqa: ARG002 - the port's
        return {"quick": Detection(facts={"det.quick.found": True})}

    def asks(self, wanted: frozenset[str]) -> bool:
        return not wanted.isdisjoint({"local", "service"})

    async def ask(self, subjects: Sequence[Subject], wanted: frozenset[str]) -> Sequence[Detections]:
        return [{key: Detection(facts={f"det.{key}.found": True}) for key in wanted - {"quick"}} for _ in subjects]


@pytest.mark.parametrize(
    ("wanted", "seen"),
    [({"quick"}, {"quick"}), ({"quick", "local", "service"}, {"quick", "local"}), ({"service"}, {"quick"})],
)
def test_what_runs_on_this_machine_is_always_asked(wanted: set[str], seen: set[str]) -> None:
    with asyncio.Runner() as runner:
        asking = Asking(Slow(), runner, frozenset({"service"}))
        subject = Subject(stage=Stage.DATA, where="s1", text="x", facts={})
        assert set(asking.scan(subject, frozenset(wanted))) == seen
