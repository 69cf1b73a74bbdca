import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import Result

Splitgate = Callable[..., Result]
Recording = Callable[..., str]

APART = {"model": "local", "instructions": "Summarise.", "data": "Hello."}
MAILS = ("the meeting is at nine", "your invoice 17 is overdue", "lunch on Friday, bring cake", "see the file")


def _chat(text: str, model: str = "local") -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": text}]}


MONOLITHIC = [_chat(f"Summarise the following mail.\n\nMail: {mail}\n\nSummary:") for mail in MAILS]


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    """Writes requests to a file, one a line."""

    def write(*bodies: object) -> str:
        path = tmp_path / "recorded.jsonl"
        path.write_text("".join(json.dumps(body) + "\n" for body in bodies), encoding="utf-8")
        return str(path)

    return write


def test_requests_with_data_apart_are_fine(splitgate: Splitgate, recording: Recording) -> None:
    result = splitgate("doctor", recording(APART, {"dialect": "split", "body": APART}))
    assert (result.exit_code, result.stdout) == (0, "2 requests: 2 with data apart, 0 without, 0 not readable\n")


def test_requests_without_data_are_listed(splitgate: Splitgate, recording: Recording) -> None:
    result = splitgate("doctor", recording(APART, _chat("Go."), {"model": "local", "input": "Go."}))
    assert result.exit_code == 1
    assert "3 requests: 1 with data apart, 2 without, 0 not readable" in result.stdout
    assert "line 2: model local, openai_chat, 3 characters of instructions" in result.stdout
    assert "line 3: model local, openai_responses, 3 characters of instructions" in result.stdout
    assert "line 1" not in result.stdout


def test_what_cannot_be_read_is_listed_with_its_reason(splitgate: Splitgate, recording: Recording) -> None:
    result = splitgate("doctor", recording(APART, {**APART, "api_base": "http://x"}, [1]))
    assert result.exit_code == 1
    assert "line 2: api_base is decided" in result.stdout
    assert "line 3: " in result.stdout


def test_a_configured_template_is_taken_into_account(splitgate: Splitgate, config: str, recording: Recording) -> None:
    matching, other = _chat("Read this: x And say: y", "two"), _chat("Say y of x", "two")
    assert splitgate("doctor", recording(matching), "-c", config).exit_code == 0
    result = splitgate("doctor", recording(matching, other), "-c", config)
    assert "1 with data apart, 1 without, 0 not readable" in result.stdout


def test_a_template_whose_hole_is_emptied_is_told(splitgate: Splitgate, config: str, recording: Recording) -> None:
    hostile = _chat("Read this: a And say: b And say: ", "two")
    result = splitgate("doctor", recording(hostile), "-c", config)
    assert "cannot be told from data" in result.stdout


def test_shared_text_becomes_a_proposed_template(splitgate: Splitgate, recording: Recording, tmp_path: Path) -> None:
    result = splitgate("doctor", recording(*MONOLITHIC))
    assert result.exit_code == 1
    proposal = result.stdout.partition("proposed for model local: ")[2]
    assert proposal.startswith("4 of 4 user messages have this shape")
    entry = proposal.partition("templates:\n")[2].partition("\n\n")[0]
    text = f"models:\n  local:\n    templates:\n{entry}\n    targets: [{{provider: embedded}}]\n"
    (tmp_path / "splitgate.yaml").write_text(text, encoding="utf-8")
    assert splitgate("check").exit_code == 0
    assert splitgate("doctor", recording(*MONOLITHIC)).exit_code == 0


def test_hostile_recordings_drive_no_terminal(splitgate: Splitgate, recording: Recording) -> None:
    result = splitgate("doctor", recording(*(_chat(f"\x1b[31m\u202e shared text {n} end") for n in range(5))))
    assert not set("\x1b\u202e") & set(result.stdout)


def test_a_recorded_name_cannot_imitate_a_line_of_ours(splitgate: Splitgate, recording: Recording) -> None:
    shown = splitgate("doctor", recording(_chat("Go.", "m\nline 9: fine"), {**APART, "x\ny": 1})).stdout
    assert "\nline 9" not in shown
    assert "model m\\nline 9: fine, openai_chat" in shown
    assert "\ny" not in shown


def test_a_file_or_an_address_is_needed(splitgate: Splitgate, recording: Recording) -> None:
    assert splitgate("doctor").exit_code == 2
    assert splitgate("doctor", recording(APART), "--url", "http://127.0.0.1:1").exit_code == 2


class _Gateway(ThreadingHTTPServer):
    status = 200
    body = b"{}"
    seen: list[tuple[str, str | None]]


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        gateway = self.server
        assert isinstance(gateway, _Gateway)
        gateway.seen.append((self.path, self.headers["authorization"]))
        self.send_response(gateway.status)
        self.send_header("content-length", str(len(gateway.body)))
        self.end_headers()
        self.wfile.write(gateway.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Keep the tests' output clean."""


@pytest.fixture
def gateway() -> Iterator[_Gateway]:
    """A stand-in for a running gateway."""
    with _Gateway(("127.0.0.1", 0), _Handler) as server:
        server.seen = []
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def _url(gateway: _Gateway) -> str:
    return f"http://127.0.0.1:{gateway.server_port}"


def test_a_running_gateway_is_asked(splitgate: Splitgate, gateway: _Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [{"dialect": "split", "body": APART}, {"dialect": "openai_chat", "body": _chat("Go.")}, {"body": 1}]
    gateway.body = json.dumps({"requests": records}).encode()
    monkeypatch.setenv("KEY", "sg-1")
    result = splitgate("doctor", "--url", _url(gateway) + "/", "--api-key", "env:KEY")
    assert gateway.seen == [("/admin/recent", "Bearer sg-1")]
    assert result.exit_code == 1
    assert "3 requests: 1 with data apart, 1 without, 1 not readable" in result.stdout
    assert "request 2: model local" in result.stdout
    assert "request 3: the record holds no body" in result.stdout


def test_the_key_is_found_in_its_variable_and_an_option_goes_before_it(
    splitgate: Splitgate, gateway: _Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.body = b'{"requests": []}'
    monkeypatch.setenv("SPLITGATE_KEY", "sg-2")
    monkeypatch.setenv("KEY", "sg-1")
    splitgate("doctor", "--url", _url(gateway))
    splitgate("doctor", "--url", _url(gateway), "--api-key", "env:KEY")
    monkeypatch.setenv("SPLITGATE_KEY", "")
    splitgate("doctor", "--url", _url(gateway))
    assert [key for _, key in gateway.seen] == ["Bearer sg-2", "Bearer sg-1", None]


def test_no_credential_of_an_upstream_is_needed(splitgate: Splitgate, production: str, recording: Recording) -> None:
    assert splitgate("doctor", recording({**APART, "model": "m"}), "-c", production).exit_code == 0


def test_a_recorded_body_that_is_refused_is_told(splitgate: Splitgate, gateway: _Gateway) -> None:
    gateway.body = json.dumps({"requests": [{"dialect": "split", "body": {"zzz": 1}}]}).encode()
    assert "request 1: " in splitgate("doctor", "--url", _url(gateway)).stdout


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ((401, b""), (1, "--api-key")),
        ((404, b""), (1, "record_recent")),
        ((404, b""), (1, "role `admin`")),
        ((500, b""), (3, "status 500")),
        ((200, b"<html>"), (3, "no Splitgate gateway")),
        ((200, b"{}"), (3, "no Splitgate gateway")),
    ],
)
def test_a_gateway_that_does_not_tell_is_explained(
    splitgate: Splitgate, gateway: _Gateway, answer: tuple[int, bytes], expected: tuple[int, str]
) -> None:
    gateway.status, gateway.body = answer
    result = splitgate("doctor", "--url", _url(gateway))
    code, said = expected
    assert (result.exit_code, result.stdout) == (code, "")
    assert said in result.stderr


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "nonsense", "http://[::1"])
def test_an_address_without_a_gateway_is_said(splitgate: Splitgate, url: str) -> None:
    result = splitgate("doctor", "--url", url)
    assert result.exit_code == 3
    assert "no gateway answers" in result.stderr


def test_a_literal_key_is_refused(splitgate: Splitgate) -> None:
    result = splitgate("doctor", "--url", "http://127.0.0.1:1", "--api-key", "sk-hunter2")
    assert result.exit_code == 2
    assert "hunter2" not in result.output
