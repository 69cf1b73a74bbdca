from collections.abc import Callable
from dataclasses import replace
from typing import Any

from adapters.providers._way import as_bearer, common_headers, make_headers, own_headers
from adapters.providers.openai_compatible import create
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.ports import Call
from gateway.domain.target import Endpoint, Secret

PlayBack = Callable[..., Any]
MakeCall = Callable[..., Call]

CHAT: JsonObject = {"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]}


def test_the_targets_own_headers_win_and_the_requests_names_win_over_those(make_call: MakeCall) -> None:
    target = make_call(headers={"Accept": "text/plain", "X-Request-Id": "fixed", "X-Team": "a"}).target
    common, own = common_headers("application/json"), own_headers(target)
    headers = make_headers(common, as_bearer(target), own, "req-1", None)
    assert list(headers.items()) == [
        ("content-type", "application/json"),
        ("accept", "text/plain"),
        ("accept-encoding", "identity"),
        ("user-agent", "splitgate"),
        ("authorization", "Bearer sk-upstream"),
        ("x-request-id", "req-1"),
        ("x-team", "a"),
    ]


async def test_a_request_is_named_anew_each_time(play_back: PlayBack, make_call: MakeCall) -> None:
    client = play_back(CHAT)
    provider, call = create(client), make_call()
    for name, trace in (("req-1", "00-aa-bb-01"), ("req-2", None)):
        await provider.send(replace(call, id=name, trace=trace))
    assert [sent.headers["x-request-id"] for sent in client.sent] == ["req-1", "req-2"]
    assert "traceparent" not in client.sent[1].headers


async def test_whatever_of_a_target_changed_is_seen_at_once(play_back: PlayBack, make_call: MakeCall) -> None:
    client = play_back(CHAT)
    provider, call = create(client), make_call()
    changed = replace(call.target, base_url="http://other.test/v1", model="other", api_key=Secret("sk-other"))
    for target in (call.target, changed, call.target):
        await provider.send(replace(call, target=target))
    first, second, third = client.sent
    assert (second.url, second.body["model"]) == ("http://other.test/v1/chat/completions", "other")
    assert second.headers["authorization"] == "Bearer sk-other"
    assert first == third


class Rotated(Secret):
    """A credential whose file changes."""

    now = "sk-old"

    def reveal(self) -> str:
        return self.now


async def test_a_credential_that_changes_goes_out_with_the_next_call(play_back: PlayBack, make_call: MakeCall) -> None:
    client, key = play_back(CHAT), Rotated("")
    provider, call = create(client), make_call()
    call = replace(call, target=replace(call.target, api_key=key))
    await provider.send(call)
    key.now = "sk-new"
    await provider.send(call)
    assert [sent.headers["authorization"] for sent in client.sent] == ["Bearer sk-old", "Bearer sk-new"]


async def test_each_route_of_a_target_is_its_own(play_back: PlayBack, make_call: MakeCall) -> None:
    client = play_back({"choices": [{"message": {"content": "a"}, "text": "a", "finish_reason": "stop"}]})
    provider, chat = create(client), make_call()
    text = replace(chat, layout=replace(chat.layout, endpoint=Endpoint.COMPLETIONS, body={"prompt": "hello"}))
    for call in (chat, text, chat):
        await provider.send(call)
    assert [sent.url.removeprefix("http://model.test/v1/") for sent in client.sent] == [
        "chat/completions",
        "completions",
        "chat/completions",
    ]
