"""What do all calls of a target have in common?

Where they go, what the server calls the model there, and all headers but the credential's and those that name the
request. Nothing of the client's request head travels on: the headers here are the target's and the gateway's own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from gateway.domain.target import Endpoint, Target
from gateway.domain.value import value


def below_base_url(target: Target, endpoint: Endpoint) -> str:
    """The address of a route as OpenAI itself has it."""
    return f"{target.base_url}/{endpoint}"


def as_bearer(target: Target) -> Mapping[str, str]:
    """The headers that carry the target's credential, none where it has none."""
    return {} if target.api_key is None else {"authorization": f"Bearer {target.api_key.reveal()}"}


def _own_name(target: Target) -> str:
    return target.model


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """What one vendor does its own way within OpenAI's protocol.

    ``url`` is where a route lies, ``credential`` makes the headers that carry the key, ``model`` is what the server
    calls the target's model. With ``late_endings`` a stream's word on how a choice ended may still change until
    ``[DONE]``, without which the stream was cut short.
    """

    url: Callable[[Target, Endpoint], str] = below_base_url
    credential: Callable[[Target], Mapping[str, str]] = as_bearer
    model: Callable[[Target], str] = _own_name
    late_endings: bool = False


@value
class Way:
    """The way to one route of a target, for one media type of answers.

    Its headers stand before the credential in ``common`` and behind it in ``own``. The credential is made for each
    call: it is another one once its file has changed.
    """

    target: Target
    endpoint: Endpoint
    url: str
    model: str
    common: Mapping[str, str]
    own: Mapping[str, str]


def way_to(target: Target, endpoint: Endpoint, accept: str, manner: Manner) -> Way:
    """The way to a route, as the vendor has it."""
    return Way(
        target=target,
        endpoint=endpoint,
        url=manner.url(target, endpoint),
        model=manner.model(target),
        common=common_headers(accept),
        own=own_headers(target),
    )


def common_headers(accept: str) -> dict[str, str]:
    """What every request says of itself."""
    return {
        "content-type": "application/json",
        "accept": accept,
        "accept-encoding": "identity",
        "user-agent": "splitgate",
    }


def own_headers(target: Target) -> dict[str, str]:
    """The headers that the target's configuration sets."""
    return {name.lower(): held for name, held in target.headers.items()}


def make_headers(
    common: Mapping[str, str],
    credential: Mapping[str, str],
    own: Mapping[str, str],
    request_id: str,
    trace: str | None,
) -> dict[str, str]:
    """The headers of one request; those that the target's configuration sets win."""
    headers = {**common, **credential, **own, "x-request-id": request_id}
    if trace is not None:
        headers["traceparent"] = trace
    return headers
