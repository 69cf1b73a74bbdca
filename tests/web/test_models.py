"""The list of models in both of its forms, over ASGI."""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from anthropic.pagination import SyncPage
from anthropic.types import ModelInfo
from openai.types import Model as OpenAIModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.access.ring import Ring
from gateway.domain.card import Bar, Card, Scores
from gateway.domain.errors import RequestError
from gateway.domain.identity import Caller, Key, Role
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.domain.target import Target
from gateway.web.auth import Doorkeeper
from gateway.web.models import model_routes

ANTHROPIC = {"anthropic-version": "2023-06-01"}
NAMES = ("a", "b", "c/d", "e")


async def refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return JSONResponse({"code": error.code, "param": error.param}, 400)


@asynccontextmanager
async def serving(doorkeeper: Doorkeeper, *more: Model) -> AsyncGenerator[httpx.AsyncClient]:
    models = {
        name: Model(name=name, targets=(), created=1_700_000_000 + number, min_isolation=Isolation.WRAPPED)
        for number, name in enumerate(NAMES)
    }
    models |= {model.name: model for model in more}
    routes = model_routes(models, doorkeeper, lambda _: Isolation.CHANNEL)
    app = Starlette(
        routes=[Route(path, handler) for path, handler in routes], exception_handlers={RequestError: refused}
    )
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with serving(Doorkeeper(None)) as client:
        yield client


async def page(http: httpx.AsyncClient, **params: Any) -> Any:
    return (await http.get("/v1/models", params=params, headers=ANTHROPIC)).json()


async def test_without_the_header_the_form_is_openais(http: httpx.AsyncClient) -> None:
    listed = (await http.get("/v1/models?limit=1")).json()
    assert [model["id"] for model in listed["data"]] == list(NAMES)
    assert (await http.get("/v1/models/c/d")).json() == listed["data"][2]
    assert OpenAIModel.model_validate(listed["data"][0]).created == 1_700_000_000
    assert listed["data"][0]["splitgate"] == {"min_isolation": "wrapped", "reaches": "channel"}


async def test_what_is_asked_of_cards_and_what_they_show_is_told_in_both_forms(card: Card) -> None:
    target = Target(
        id="f/1", provider="openai_compatible", base_url="https://h/v1", model="m", format="secalign", family="all"
    )
    silent = replace(card, scores=Scores(separation=card.scores.separation))
    targets = (target, replace(target, id="f/2", card=card), replace(target, id="f/3", card=silent))
    model = Model(name="f", targets=targets, bar=Bar(max_attack_success=0.05))
    separation = {"value": 0.96, "low": 0.93, "high": 0.98, "n": 240}
    async with serving(Doorkeeper(None), model) as client:
        for headers in ({}, ANTHROPIC):
            assert (await client.get("/v1/models/f", headers=headers)).json()["splitgate"] == {
                "min_isolation": "wrapped",
                "reaches": "channel",
                "max_attack_success": 0.05,
                "measured": [
                    {
                        "target": "f/2",
                        "separation": separation,
                        "attack_success": {"value": 0.02, "low": 0.01, "high": 0.05, "n": 240},
                    },
                    {"target": "f/3", "separation": separation, "attack_success": None},
                ],
            }


async def test_with_the_header_the_form_is_anthropics(http: httpx.AsyncClient) -> None:
    listed = await page(http)
    assert [model["id"] for model in listed["data"]] == list(NAMES)
    assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (False, "a", "e")
    assert SyncPage[ModelInfo].model_validate(listed).data[0].lifecycle == "active"
    one = (await http.get("/v1/models/c/d", headers=ANTHROPIC)).json()
    assert one == listed["data"][2]
    assert one == {
        "type": "model",
        "id": "c/d",
        "display_name": "c/d",
        "created_at": "2023-11-14T22:13:22Z",
        "lifecycle": "active",
        "splitgate": {"min_isolation": "wrapped", "reaches": "channel"},
    }


@pytest.mark.parametrize(
    ("params", "names", "has_more"),
    [
        ({"limit": 2}, ["a", "b"], True),
        ({"limit": 2, "after_id": "b"}, ["c/d", "e"], False),
        ({"limit": 1, "after_id": "b"}, ["c/d"], True),
        ({"after_id": "e"}, [], False),
        ({"limit": 2, "before_id": "e"}, ["b", "c/d"], True),
        ({"limit": 9, "before_id": "c/d"}, ["a", "b"], False),
        ({"before_id": "a"}, [], False),
        ({"limit": 1000}, list(NAMES), False),
        ({"lifecycle[]": ["active", "retired"]}, list(NAMES), False),
        ({"lifecycle": "retired"}, [], False),
        ({"beta": "true", "limit": 1}, ["a"], True),
    ],
)
async def test_a_page_holds_what_is_asked_for(
    http: httpx.AsyncClient, params: dict[str, Any], names: list[str], has_more: bool
) -> None:
    listed = await page(http, **params)
    assert [model["id"] for model in listed["data"]] == names
    assert listed["has_more"] is has_more
    assert [listed["first_id"], listed["last_id"]] == ([names[0], names[-1]] if names else [None, None])


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"limit": 0}, "invalid_field", "limit"),
        ({"limit": 1001}, "invalid_field", "limit"),
        ({"limit": "²"}, "invalid_field", "limit"),
        ({"limit": "9" * 5000}, "invalid_field", "limit"),
        ({"after_id": "none"}, "invalid_field", "after_id"),
        ({"before_id": ""}, "invalid_field", "before_id"),
        ({"before_id": "a", "after_id": "a"}, "invalid_field", "before_id"),
        ({"page": 2}, "unknown_field", "query"),
    ],
)
async def test_a_wrong_page_is_refused(http: httpx.AsyncClient, params: dict[str, Any], code: str, param: str) -> None:
    assert await page(http, **params) == {"code": code, "param": param}


async def test_both_forms_ask_who_is_calling(http: httpx.AsyncClient) -> None:
    for headers in ({}, ANTHROPIC):
        for path in ("/v1/models", "/v1/models/a"):
            told = await http.get(path, headers={**headers, "origin": "https://evil.example"})
            assert told.json()["code"] == "foreign_origin"


@pytest.mark.parametrize("headers", [{}, ANTHROPIC])
async def test_what_a_caller_may_not_ask_for_is_in_neither_form_nor_any_page(headers: dict[str, str]) -> None:
    bound = Caller(key="k", tenant="t", models=frozenset({"b", "e"}))
    ring = Ring([Key(sha256=hashlib.sha256(b"planted").hexdigest(), caller=bound)])
    headers = {**headers, "x-api-key": "planted"}
    async with serving(Doorkeeper(ring)) as http:
        listed = (await http.get("/v1/models", headers=headers)).json()
        assert [model["id"] for model in listed["data"]] == ["b", "e"]
        assert (await http.get("/v1/models/b", headers=headers)).json()["id"] == "b"
        hidden, missing = [await http.get(f"/v1/models/{name}", headers=headers) for name in ("a", "none")]
        assert (hidden.status_code, hidden.content) == (400, missing.content)
        if "anthropic-version" in headers:
            assert (listed["has_more"], listed["first_id"], listed["last_id"]) == (False, "b", "e")
            for hint in ("a", "none"):
                page = await http.get("/v1/models", params={"after_id": hint}, headers=headers)
                assert page.json() == {"code": "invalid_field", "param": "after_id"}


async def test_the_list_is_for_those_who_call_models() -> None:
    auditor = Caller(key="k", tenant="t", roles=frozenset({Role.AUDITOR}))
    ring = Ring([Key(sha256=hashlib.sha256(b"planted").hexdigest(), caller=auditor)])
    async with serving(Doorkeeper(ring)) as http:
        for path in ("/v1/models", "/v1/models/a"):
            assert (await http.get(path, headers={"x-api-key": "planted"})).json()["code"] == "forbidden"
