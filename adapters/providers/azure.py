"""How is a model reached that Azure OpenAI serves?

In OpenAI's protocol, at one of two addresses. Where the base URL ends in ``/v1`` the deployment's name is the body's
``model``; otherwise it is part of the path, and the version of the API stands in the query. The key is in the header
``api-key`` and never in ``authorization``, which carries a Microsoft Entra token if the target says that it has one.

What Azure's filters say of an answer (``prompt_filter_results``, ``content_filter_results``) goes no further. Their
refusals do: a prompt's is an error with the reason ``content_filter``, an answer's the ending ``content_filter``. An
asynchronous filter may give that after the model's own, so that endings are told once the stream is whole.
Sources: Microsoft's "Azure OpenAI REST API reference", "Azure OpenAI v1 API", "Content streaming".
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, urlsplit

from adapters.providers._openai import OpenAiProvider
from adapters.providers._openai_body import refuse_unsayable
from adapters.providers._openai_embeddings import OpenAiEmbedder
from adapters.providers._way import Manner, as_bearer, below_base_url
from gateway.domain.ports import Embedder, Provider, UpstreamClient
from gateway.domain.target import Endpoint, Target

__all__ = ["SETTINGS", "check_target", "create", "create_embedder", "refuse_unsayable", "url_for"]

SETTINGS: Final = frozenset({"api_version", "auth"})


def create(client: UpstreamClient) -> Provider:
    """A provider that sends over ``client``; the target's base URL, key and API version say where to."""
    return _provider(client)


def create_embedder(client: UpstreamClient) -> Embedder:
    """The same for vectors."""
    return OpenAiEmbedder(_provider(client))


def _provider(client: UpstreamClient) -> OpenAiProvider:
    return OpenAiProvider(client, manner=Manner(url=url_for, credential=_credential, late_endings=True))


def check_target(target: Target) -> None:
    """Accept a target whose address is one of the two.

    Raises:
        ValueError: names the key at fault.
    """
    path = urlsplit(target.base_url).path
    if _is_v1(target):
        return
    if path.endswith("/openai") or "/deployments" in path:
        raise ValueError(
            "base_url: must end in /openai/v1, or before /openai: write https://RESOURCE.openai.azure.com and an "
            "api_version, and the gateway adds /openai/deployments/MODEL"
        )
    if target.api_version is None:
        raise ValueError("api_version: is missing here; add one, such as 2024-10-21, or end base_url in /openai/v1")


def url_for(target: Target, endpoint: Endpoint) -> str:
    """Where a route of the target lies."""
    if _is_v1(target):
        url = below_base_url(target, endpoint)
    else:
        url = f"{target.base_url}/openai/deployments/{quote(target.model, safe='')}/{endpoint}"
    return url if target.api_version is None else f"{url}?api-version={target.api_version}"


def _is_v1(target: Target) -> bool:
    return urlsplit(target.base_url).path.endswith("/v1")


def _credential(target: Target) -> Mapping[str, str]:
    if target.auth == "bearer":
        return as_bearer(target)
    return {} if target.api_key is None else {"api-key": target.api_key.reveal()}
