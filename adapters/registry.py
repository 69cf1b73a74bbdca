"""Which module implements a format or speaks a vendor's wire?

Names are looked up here and nowhere else; a module is imported when its name is first used, so that nobody pays for
vendors that the configuration does not name.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from importlib import import_module
from operator import attrgetter
from types import ModuleType
from typing import Protocol, cast

from adapters.formats import embedding
from adapters.formats._families import FAMILIES, family_for
from adapters.formats._identifiers import check_identifiers, fitting_tokens
from adapters.formats._request_options import clean_options
from adapters.formats._reserved import compile_reserved
from adapters.formats._trained import is_trained
from gateway.domain.isolation import Isolation
from gateway.domain.jsonvalue import JsonObject
from gateway.domain.ports import Counter, Embedder, Format, Provider, UpstreamClient
from gateway.domain.prompt import Prompt
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Layout, Target
from gateway.domain.value import value

__all__ = [
    "FAMILIES",
    "FORMATS",
    "PROVIDERS",
    "SIDE_NOTES",
    "FormatEntry",
    "ProviderEntry",
    "check_identifiers",
    "clean_options",
    "compile_reserved",
    "counter_named",
    "embedder_named",
    "family_for",
    "fitting_tokens",
    "format_named",
    "is_trained",
    "lay_out_texts",
    "probe_for",
    "provider_entry",
    "provider_named",
]

FORMATS: Mapping[str, str] = {
    "anthropic-blocks": "adapters.formats.anthropic_blocks",
    "azure-documents": "adapters.formats.azure_documents",
    "chat-template-documents": "adapters.formats.chat_template_documents",
    "cohere-documents": "adapters.formats.cohere_documents",
    "defensive-token": "adapters.formats.defensive_token",
    "gemini-function-response": "adapters.formats.gemini_function_response",
    "harmony": "adapters.formats.harmony",
    "plain": "adapters.formats.plain",
    "secalign": "adapters.formats.secalign",
    "spotlight": "adapters.formats.spotlight",
    "struq": "adapters.formats.struq",
    "tool-envelope": "adapters.formats.tool_envelope",
}

PROVIDERS: Mapping[str, str] = {
    "anthropic": "adapters.providers.anthropic",
    "azure": "adapters.providers.azure",
    "bedrock": "adapters.providers.bedrock",
    "embedded": "adapters.providers.embedded",
    "litellm": "adapters.providers.litellm",
    "openai_compatible": "adapters.providers.openai_compatible",
}


# What a format may lack words for without a change to what the model is asked: replies say what was left out.
SIDE_NOTES: Mapping[str, Callable[[Prompt], bool]] = {
    "cache-marks": attrgetter("cached"),
    "tool-error": lambda prompt: any(turn.failed for turn in prompt.turns),
}


# How texts are laid out that are only to be embedded, whatever the target's format is.
lay_out_texts: Format = embedding.lay_out

_CHAT_ENDPOINTS = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS})


@value
class FormatEntry:
    """A format: how it lays out, and the check of its settings (ValueError).

    ``best`` is the most isolation that it can reach, ``unproven`` what its native layout counts for while nothing shows
    that the model was trained for it. ``endpoint`` is the upstream route that it is made for. ``says`` are those of
    ``SIDE_NOTES`` that it has words for.
    """

    lay_out: Format
    best: Isolation
    unproven: Isolation
    check_settings: Callable[[JsonObject], None]
    endpoint: Endpoint
    says: frozenset[str]


@value
class ProviderEntry:
    """A provider: how one is made, and what of a target's configuration is its own.

    ``settings`` are the keys that mean something to it and not to every provider; ``check_target`` refuses a target
    that it could not reach (ValueError, which names the key); ``url_for`` says where a route of a target lies.
    ``takes`` are the request fields that it can say though chat completions does not know them, ``endpoints`` the
    routes that it speaks: a format has to be made for one of them, and be one of ``formats`` if those are given.
    ``defaults`` are settings of formats that it needs where the configuration says nothing of them.
    ``refuse_unsayable`` refuses a request for which it has no words before anything is sent.
    """

    create: Callable[[UpstreamClient], Provider]
    settings: frozenset[str]
    check_target: Callable[[Target], None]
    url_for: Callable[[Target, Endpoint], str]
    takes: frozenset[str]
    endpoints: frozenset[Endpoint]
    refuse_unsayable: Callable[[Target, Layout, Options], None]
    formats: frozenset[str] | None
    defaults: Mapping[str, JsonObject]

    def speaks(self, name: str) -> bool:
        """Whether it can send what the format of this name lays out."""
        return format_named(name).endpoint in self.endpoints and (self.formats is None or name in self.formats)

    def usual(self, name: str) -> JsonObject:
        """The settings of the format of this name, where the configuration says nothing of them."""
        return self.defaults.get(name, {})


class _FormatModule(Protocol):
    BEST: Isolation

    @property
    def lay_out(self) -> Format: ...

    @property
    def check_settings(self) -> Callable[[JsonObject], None]: ...


class _ProviderModule(Protocol):
    @property
    def create(self) -> Callable[[UpstreamClient], Provider]: ...


def _load(kind: str, name: str, names: Mapping[str, str]) -> ModuleType:
    if name not in names:
        raise KeyError(f"no {kind} is called {name!r}; there are {', '.join(sorted(names))}")
    return import_module(names[name])


@cache
def format_named(name: str) -> FormatEntry:
    """Look a format up.

    Raises:
        KeyError: no format has this name; the message lists those that exist.
    """
    module = cast("_FormatModule", _load("format", name, FORMATS))
    return FormatEntry(
        lay_out=module.lay_out,
        best=module.BEST,
        unproven=getattr(module, "UNPROVEN", min(module.BEST, Isolation.WRAPPED)),
        check_settings=module.check_settings,
        endpoint=getattr(module, "ENDPOINT", Endpoint.CHAT),
        says=getattr(module, "SAYS", frozenset[str]()),
    )


@cache
def provider_entry(name: str) -> ProviderEntry:
    """Look a provider up.

    Raises:
        KeyError: no provider has this name; the message lists those that exist.
    """
    module = cast("_ProviderModule", _load("provider", name, PROVIDERS))
    return ProviderEntry(
        create=module.create,
        settings=getattr(module, "SETTINGS", frozenset()),
        check_target=getattr(module, "check_target", _any_target),
        url_for=getattr(module, "url_for", _below_base_url),
        takes=getattr(module, "TAKES", frozenset[str]()),
        endpoints=getattr(module, "ENDPOINTS", _CHAT_ENDPOINTS),
        formats=getattr(module, "FORMATS", None),
        defaults=getattr(module, "DEFAULTS", {}),
        refuse_unsayable=getattr(module, "refuse_unsayable", _refuse_nothing),
    )


def _any_target(_: Target) -> None:
    """Accept every target."""


def _below_base_url(target: Target, endpoint: Endpoint) -> str:
    return f"{target.base_url}/{endpoint}"


def _refuse_nothing(target: Target, layout: Layout, options: Options) -> None:
    """Find fault when the body is written, if at all."""


def provider_named(name: str, client: UpstreamClient) -> Provider:
    """Make a provider that sends through ``client``.

    Raises:
        KeyError: no provider has this name; the message lists those that exist.
    """
    return provider_entry(name).create(client)


def counter_named(name: str, client: UpstreamClient) -> Counter | None:
    """What counts tokens over ``client``; None for a provider that offers no such thing."""
    create: Callable[[UpstreamClient], Counter] | None = getattr(
        _load("provider", name, PROVIDERS), "create_counter", None
    )
    return None if create is None else create(client)


def embedder_named(name: str, client: UpstreamClient) -> Embedder | None:
    """What makes embeddings over ``client``; None for a provider that offers no such thing."""
    create: Callable[[UpstreamClient], Embedder] | None = getattr(
        _load("provider", name, PROVIDERS), "create_embedder", None
    )
    return None if create is None else create(client)


def probe_for(client: UpstreamClient) -> Callable[[Target], Awaitable[tuple[str, str]]]:
    """A render probe: passed, failed or unavailable, and why; it raises ``UpstreamError`` where asking again may help.

    Only targets that claim native isolation need it, so that the module is loaded with the first of them.
    """

    async def ask(target: Target) -> tuple[str, str]:
        from adapters.providers._probe import probe_roles  # noqa: PLC0415

        result = await probe_roles(client, target)
        return result.outcome.value, result.reason

    return ask
