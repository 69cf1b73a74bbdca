"""Which models are there for a caller, as OpenAI lists them, and as Anthropic does?

Whoever sends the header ``anthropic-version`` speaks Anthropic's API. Both forms say in ``splitgate`` what the gateway
knows of a model beyond its name.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, TypeAlias

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.domain.card import Card, Score
from gateway.domain.errors import InvalidField, UnknownField
from gateway.domain.identity import Role
from gateway.domain.isolation import Isolation
from gateway.domain.model import Model
from gateway.pipeline.handle import find_model
from gateway.web.auth import Doorkeeper, expect_role
from gateway.web.edge import deciding_headers

# The most isolation that a model can reach at present.
Reach: TypeAlias = Callable[[Model], Isolation]
_Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

_VERSION: Final = "anthropic-version"
_PAGE: Final = 20
_MOST: Final = 1_000
# The filter on a model's stage of life: every configured model is in use. The second is how the SDK writes a list.
_STAGES: Final = ("lifecycle", "lifecycle[]")
_ACTIVE: Final = "active"
# The last is how the SDK says that it was called by its beta name.
_KNOWN: Final = frozenset({"limit", "after_id", "before_id", *_STAGES, "beta"})


def speaks_anthropic(request: Request) -> bool:
    """Whether the caller expects Anthropic's form where a path has both."""
    return _VERSION in request.headers


def model_routes(models: Mapping[str, Model], doorkeeper: Doorkeeper, reach: Reach) -> Sequence[tuple[str, _Handler]]:
    """``/v1/models`` and ``/v1/models/{id}``."""

    async def several(request: Request) -> Response:
        caller = expect_role(await doorkeeper.caller(deciding_headers(request.scope)), Role.APP)
        shown = [model for name, model in models.items() if caller.may_ask(name)]
        if speaks_anthropic(request):
            return JSONResponse(_page(shown, request.query_params, reach))
        return JSONResponse({"object": "list", "data": [_openai(model, reach) for model in shown]})

    async def one(request: Request) -> Response:
        caller = expect_role(await doorkeeper.caller(deciding_headers(request.scope)), Role.APP)
        model = find_model(str(request.path_params["id"]), models, caller)
        return JSONResponse(_anthropic(model, reach) if speaks_anthropic(request) else _openai(model, reach))

    return (("/v1/models", several), ("/v1/models/{id:path}", one))


def _openai(model: Model, reach: Reach) -> Mapping[str, object]:
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "splitgate",
        "splitgate": _split(model, reach),
    }


def _anthropic(model: Model, reach: Reach) -> Mapping[str, object]:
    return {
        "type": "model",
        "id": model.name,
        "display_name": model.name,
        "created_at": datetime.fromtimestamp(model.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": _ACTIVE,
        "splitgate": _split(model, reach),
    }


def _split(model: Model, reach: Reach) -> Mapping[str, object]:
    """What a model asks of its targets, the best isolation that one of them can give at present, what was measured."""
    asked = {"min_separation": model.bar.min_separation, "max_attack_success": model.bar.max_attack_success}
    measured = [_measured(target.id, target.card) for target in model.targets if target.card is not None]
    return {
        "min_isolation": model.min_isolation.label,
        "reaches": reach(model).label,
        **{name: share for name, share in asked.items() if share is not None},
        **({"measured": measured} if measured else {}),
    }


def _measured(target: str, card: Card) -> Mapping[str, object]:
    """A target's scores that requests can be refused by."""
    scores = {"separation": card.scores.separation, "attack_success": card.scores.attack_success}
    return {"target": target, **{name: _score(score) for name, score in scores.items()}}


def _score(score: Score | None) -> Mapping[str, float] | None:
    return None if score is None else {"value": score.value, "low": score.low, "high": score.high, "n": score.n}


def _page(models: Sequence[Model], asked: QueryParams, reach: Reach) -> Mapping[str, object]:
    """The models behind or before the one that is named, in the configuration's order.

    Raises:
        RequestError: a parameter is unknown or wrong.
    """
    for name in asked:
        if name not in _KNOWN:
            raise UnknownField(f"the only parameters are {', '.join(sorted(_KNOWN))}; leave out others", param="query")
    stages = [stage for name in _STAGES for stage in asked.getlist(name)]
    if stages and _ACTIVE not in stages:
        models = ()
    start, end = _between(models, asked)
    limit = _limit(asked.get("limit"))
    # Before a model, the nearest ones are wanted, not the first.
    start, end = (max(start, end - limit), end) if "before_id" in asked else (start, min(end, start + limit))
    shown = models[start:end]
    return {
        "data": [_anthropic(model, reach) for model in shown],
        "has_more": start > 0 if "before_id" in asked else end < len(models),
        "first_id": shown[0].name if shown else None,
        "last_id": shown[-1].name if shown else None,
    }


def _between(models: Sequence[Model], asked: QueryParams) -> tuple[int, int]:
    if "after_id" in asked and "before_id" in asked:
        raise InvalidField("say `after_id` or `before_id`, not both", param="before_id")
    if "after_id" in asked:
        return _index(models, asked["after_id"], "after_id") + 1, len(models)
    return 0, _index(models, asked["before_id"], "before_id") if "before_id" in asked else len(models)


def _index(models: Sequence[Model], name: str, param: str) -> int:
    for index, model in enumerate(models):
        if model.name == name:
            return index
    raise InvalidField("name a model of this list", param=param)


def _limit(value: str | None) -> int:
    if value is None:
        return _PAGE
    if value.isascii() and value.isdigit() and len(value) <= len(str(_MOST)) and 1 <= int(value) <= _MOST:
        return int(value)
    raise InvalidField(f"say a number from 1 to {_MOST}", param="limit")
