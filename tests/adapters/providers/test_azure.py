"""The two addresses and the two kinds of credential; what Azure answers is in the contract suite's recordings."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal, Protocol

import httpx
import pytest
from openai import AzureOpenAI

from adapters.registry import provider_entry, provider_named
from gateway.domain.ports import Call, UpstreamClient
from gateway.domain.target import Endpoint

MakeCall = Callable[..., Call]
RESOURCE = "https://resource.openai.azure.com"


class Sent(Protocol):
    url: str
    headers: dict[str, str]


class Playback(UpstreamClient, Protocol):
    sent: list[Sent]


PlayBack = Callable[..., Playback]
Send = Callable[..., Any]


@pytest.fixture
def sent(play_back: PlayBack, make_call: MakeCall) -> Send:
    """The request for a target with these fields."""

    async def send(endpoint: Endpoint = Endpoint.CHAT, **fields: object) -> Sent:
        client = play_back({"choices": [{"text": "a", "message": {"content": "a"}, "finish_reason": "stop"}]})
        call = make_call(endpoint=endpoint)
        target = replace(call.target, **fields)  # type: ignore[reportArgumentType]
        await provider_named("azure", client).send(replace(call, target=target))
        return client.sent[0]

    return send


@pytest.mark.parametrize(
    ("base", "version", "url"),
    [
        ("/openai/v1", None, "/openai/v1/chat/completions"),
        ("/openai/v1", "preview", "/openai/v1/chat/completions?api-version=preview"),
        ("", "2024-10-21", "/openai/deployments/prod/chat/completions?api-version=2024-10-21"),
        ("/a/gateway", "2024-10-21", "/a/gateway/openai/deployments/prod/chat/completions?api-version=2024-10-21"),
    ],
)
async def test_a_route_lies_where_the_base_url_and_the_version_say(
    sent: Send, base: str, version: str | None, url: str
) -> None:
    request = await sent(base_url=RESOURCE + base, api_version=version, model="prod")
    assert request.url == RESOURCE + url


async def test_completions_go_to_their_own_route_of_the_deployment(sent: Send) -> None:
    request = await sent(Endpoint.COMPLETIONS, base_url=RESOURCE, api_version="2024-10-21", model="prod")
    assert request.url == f"{RESOURCE}/openai/deployments/prod/completions?api-version=2024-10-21"


@pytest.mark.parametrize("auth", ["key", "bearer"])
async def test_the_official_sdk_sends_to_the_same_address_with_the_same_credential(
    sent: Send, auth: Literal["key", "bearer"]
) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"id": "x", "choices": [], "created": 1, "model": "m", "object": "o"})

    with httpx.Client(transport=httpx.MockTransport(answer)) as http:
        credential = {"api_key": "sk-upstream"} if auth == "key" else {"azure_ad_token": "sk-upstream"}
        sdk = AzureOpenAI(azure_endpoint=RESOURCE, api_version="2024-10-21", http_client=http, **credential)  # type: ignore[reportArgumentType]
        sdk.chat.completions.create(model="prod", messages=[{"role": "user", "content": "hello"}])
    ours = await sent(base_url=RESOURCE, api_version="2024-10-21", model="prod", auth=auth)
    assert ours.url == str(seen[0].url)
    for name in ("api-key", "authorization"):
        assert ours.headers.get(name) == seen[0].headers.get(name)


async def test_a_deployments_name_cannot_change_the_route(sent: Send) -> None:
    request = await sent(base_url=RESOURCE, api_version="2024-10-21", model="../v1?x=#y")
    assert request.url.startswith(f"{RESOURCE}/openai/deployments/..%2Fv1%3Fx%3D%23y/chat/completions?")


async def test_the_key_has_a_header_of_its_own_and_a_token_is_a_bearers(sent: Send) -> None:
    by_key = await sent(base_url=RESOURCE + "/openai/v1")
    assert by_key.headers["api-key"] == "sk-upstream"
    assert "authorization" not in by_key.headers
    by_token = await sent(base_url=RESOURCE + "/openai/v1", auth="bearer")
    assert by_token.headers["authorization"] == "Bearer sk-upstream"
    assert "api-key" not in by_token.headers


async def test_without_a_key_there_is_no_credential(sent: Send) -> None:
    for auth in ("key", "bearer"):
        request = await sent(base_url=RESOURCE + "/openai/v1", auth=auth, api_key=None)
        assert not {"api-key", "authorization"} & request.headers.keys()


@pytest.mark.rows
@pytest.mark.parametrize(
    ("base", "version", "fault"),
    [
        ("/openai/v1", None, None),
        ("/openai/v1", "preview", None),
        ("", "2024-10-21", None),
        ("/gateway", "2024-10-21", None),
        ("", None, "api_version: is missing"),
        ("/openai", "2024-10-21", "base_url: must end in /openai/v1, or before /openai"),
        ("/openai/deployments/prod", "2024-10-21", "base_url: must end in /openai/v1, or before /openai"),
    ],
)
def test_an_address_of_neither_form_is_refused(
    make_call: MakeCall, base: str, version: str | None, fault: str | None
) -> None:
    check = provider_entry("azure").check_target
    target = replace(make_call().target, base_url=RESOURCE + base, api_version=version)
    if fault is None:
        check(target)
    else:
        with pytest.raises(ValueError, match=fault):
            check(target)


def test_providers_say_which_settings_are_their_own(make_call: MakeCall) -> None:
    assert provider_entry("azure").settings == {"api_version", "auth"}
    assert provider_entry("openai_compatible").settings == frozenset()
    provider_entry("openai_compatible").check_target(make_call().target)
    with pytest.raises(KeyError, match="azure, bedrock, embedded, litellm, openai_compatible"):
        provider_entry("nobody")
