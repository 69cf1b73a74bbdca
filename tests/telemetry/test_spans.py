from collections.abc import Callable
from dataclasses import replace

import pytest

from gateway.domain.evidence import Ended
from gateway.domain.exchange import Usage
from gateway.domain.operation import Operation
from gateway.domain.target import Target
from gateway.telemetry.families import UNKNOWN
from gateway.telemetry.spans import Conventions, call_span, earlier_spans, server_span

MakeEnded = Callable[..., Ended]
START = 1_700_000_000 * 10**9
MS = 1_000_000
EMBEDDED = Target(
    id="local/1", provider="embedded", base_url="http://embedded", model="small", format="spotlight", family="all",
    socket="/run/model.sock",
)  # fmt: skip


def test_the_whole_exchange_is_a_span_with_the_ids_that_it_has_everywhere(make_ended: MakeEnded) -> None:
    span = server_span(make_ended())
    assert (span.id, span.parent, span.name) == ("b" * 16, "d" * 16, "splitgate split")
    assert (span.began, span.ended, span.error) == (START, START + 100 * MS, None)
    assert span.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "splitgate.request_id": "0" * 32,
        "splitgate.dialect": "split",
        "splitgate.operation": "chat",
        "splitgate.model": "m",
        "splitgate.decision": "allow",
        "splitgate.isolation": "wrapped",
        "splitgate.format": "spotlight",
        "splitgate.target": "m/1",
        "splitgate.findings": ("r", "w", "reserved-token"),
        "splitgate.policy.revision": "sha256:1",
    }


@pytest.mark.parametrize(("conventions", "provider"), [("1.36", "gen_ai.system"), ("1.37", "gen_ai.provider.name")])
def test_the_upstream_call_is_a_span_by_the_conventions_that_are_asked_for(
    make_ended: MakeEnded, conventions: Conventions, provider: str
) -> None:
    span = call_span(make_ended(), conventions)
    assert span is not None
    assert (span.id, span.parent, span.name) == ("c" * 16, "b" * 16, "chat up")
    assert (span.began, span.ended, span.error) == (START + 10 * MS, START + 90 * MS, None)
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        provider: "openai",
        "gen_ai.request.model": "up",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 3,
        "gen_ai.usage.output_tokens": 4,
        "server.address": "h.example",
        "server.port": 443,
        "splitgate.target": "m/1",
        "splitgate.attempts": 1,
    }


@pytest.mark.parametrize("operation", [Operation.COUNT, Operation.EMBED])
def test_a_call_that_asks_for_no_answer_says_what_it_asks_for(make_ended: MakeEnded, operation: Operation) -> None:
    ended = make_ended(operation=operation, usage=Usage(input_tokens=3, output_tokens=0), finish=())
    span = call_span(ended, "1.37")
    assert span is not None
    assert span.name == f"{operation.value} up"
    assert span.attributes["gen_ai.operation.name"] == operation.value
    assert span.attributes["gen_ai.usage.input_tokens"] == 3
    assert "gen_ai.usage.output_tokens" not in span.attributes
    assert server_span(ended).attributes["splitgate.operation"] == operation.value


def test_a_model_of_ours_is_called_by_our_name_and_its_socket(make_ended: MakeEnded) -> None:
    span = call_span(make_ended(target=EMBEDDED), "1.37")
    assert span is not None
    assert span.attributes["gen_ai.provider.name"] == "splitgate"
    assert span.attributes["server.address"] == "/run/model.sock"
    assert "server.port" not in span.attributes


@pytest.mark.parametrize(
    ("provider", "model", "name"),
    [
        ("bedrock", "amazon.nova-pro-v1:0", "aws.bedrock"),
        ("litellm", "gemini/gemini-2.5-pro", "gcp.gemini"),
        ("litellm", "cohere_chat/command-a-03-2025", "cohere"),
        ("litellm", "groq/some-model", "groq"),
    ],
)
def test_vendors_are_called_as_the_conventions_call_them(
    make_ended: MakeEnded, provider: str, model: str, name: str
) -> None:
    span = call_span(make_ended(target=replace(EMBEDDED, provider=provider, model=model)), "1.37")
    assert span is not None
    assert span.attributes["gen_ai.provider.name"] == name


def test_an_address_without_a_port_has_its_schemes_and_one_that_is_none_is_left_out(make_ended: MakeEnded) -> None:
    ended = make_ended()
    assert ended.target is not None
    for url, told in (
        ("http://h", {"server.address": "h", "server.port": 80}),
        ("http://[::1]:81/v1", {"server.address": "::1", "server.port": 81}),
        ("/v1", {}),
    ):
        span = call_span(replace(ended, target=replace(ended.target, base_url=url)), "1.37")
        assert span is not None
        assert {name: value for name, value in span.attributes.items() if name.startswith("server.")} == told


def test_what_never_went_upstream_has_one_span(make_ended: MakeEnded) -> None:
    refused = make_ended(
        target=None, handling=None, findings=(), usage=None, finish=(), status=400, error="splitgate_blocked"
    )
    assert call_span(refused, "1.37") is None
    assert call_span(make_ended(times={"sent": 0}), "1.37") is None
    span = server_span(replace(refused, decision=None))
    assert span.attributes["error.type"] == "splitgate_blocked"
    # The caller's mistake, or policy's word: no failure of this server's.
    assert span.error is None
    assert "splitgate.isolation" not in span.attributes


def test_an_upstream_that_failed_is_told_by_both_spans(make_ended: MakeEnded) -> None:
    ended = make_ended(times={"first": 0, "last": 0}, status=504, error="upstream_timeout", finish=(), usage=None)
    span = call_span(ended, "1.37")
    assert span is not None
    assert (span.error, span.attributes["error.type"]) == ("upstream_timeout", "upstream_timeout")
    assert span.ended == START + 100 * MS
    assert server_span(ended).error == "upstream_timeout"


def test_what_policy_made_of_a_whole_answer_is_no_failure_of_the_call(make_ended: MakeEnded) -> None:
    span = call_span(make_ended(error="splitgate_blocked", status=400), "1.37")
    assert span is not None
    assert span.error is None


def test_no_model_name_that_a_caller_made_up_is_told(make_ended: MakeEnded) -> None:
    ended = make_ended(model="planted-model", configured=False, handling=None, target=None)
    span = server_span(ended)
    assert span.attributes["splitgate.model"] == UNKNOWN
    assert "planted" not in repr(span)


def test_where_findings_stand_is_not_told(make_ended: MakeEnded) -> None:
    assert "planted" not in repr(server_span(make_ended()))


def test_each_call_that_failed_before_the_last_has_a_span_of_its_own(make_ended: MakeEnded) -> None:
    ended = make_ended()
    (last,) = ended.tried
    failed = replace(last, error="upstream_failed", began=ended.timeline.began + 2 * MS, took=3 * MS)
    ended = replace(ended, attempts=2, tried=(failed, last))
    (span,) = earlier_spans(ended, "1.37", lambda: "e" * 16)
    assert (span.id, span.parent, span.name, span.error) == ("e" * 16, "b" * 16, "chat up", "upstream_failed")
    assert (span.began, span.ended) == (START + 2 * MS, START + 5 * MS)
    assert span.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "up",
        "server.address": "h.example",
        "server.port": 443,
        "splitgate.target": "m/1",
        "error.type": "upstream_failed",
    }
    assert earlier_spans(replace(ended, tried=(last,)), "1.37", lambda: "e" * 16) == []
