"""What do spans say of an exchange?

Names, times and attributes by OpenTelemetry's conventions for generative AI, in the version that is asked for, and
without any library of theirs. No text is ever in them: none of prompts and answers, no model's name that nobody
configured.
"""

from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from gateway.domain.evidence import Ended
from gateway.domain.target import Target
from gateway.domain.value import value
from gateway.telemetry.families import UNKNOWN

Conventions: TypeAlias = Literal["1.36", "1.37"]
Attributes: TypeAlias = dict[str, str | int | tuple[str, ...]]

# By what name the conventions know who serves the model: what speaks OpenAI's API goes for OpenAI.
_PROVIDERS: Final = {
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "embedded": "splitgate",
    "openai_compatible": "openai",
}
_PORTS: Final = {"http": 80, "https": 443}


@value
class SpanFacts:
    """One span: times are nanoseconds since the epoch, ``error`` is a code of ours."""

    id: str
    parent: str | None
    name: str
    began: int
    ended: int
    attributes: Attributes
    error: str | None


def server_span(ended: Ended) -> SpanFacts:
    """The span of the whole exchange."""
    times = ended.timeline
    attributes: Attributes = {
        "http.request.method": "POST",
        "http.response.status_code": ended.status,
        "splitgate.request_id": ended.request_id,
        "splitgate.dialect": ended.dialect,
        "splitgate.model": ended.model if ended.configured else UNKNOWN,
        **_handled(ended),
    }
    if ended.error is not None:
        attributes["error.type"] = ended.error
    return SpanFacts(
        id=ended.trace.span,
        parent=ended.trace.parent,
        name=f"splitgate {ended.dialect}",
        began=times.wall,
        ended=times.wall + times.total,
        attributes=attributes,
        # What the caller did wrong is no failure of this server's.
        error=ended.error if ended.status >= 500 else None,
    )


def call_span(ended: Ended, conventions: Conventions) -> SpanFacts | None:
    """The span of the upstream call, if there was one."""
    times, target = ended.timeline, ended.target
    if target is None or not times.sent:
        return None
    attributes: Attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.system" if conventions == "1.36" else "gen_ai.provider.name": _PROVIDERS.get(
            target.provider, target.provider
        ),
        "gen_ai.request.model": target.model,
        **_address(target),
        "splitgate.target": target.id,
        "splitgate.attempts": ended.attempts,
    }
    if ended.finish:
        attributes["gen_ai.response.finish_reasons"] = ended.finish
    if ended.usage is not None:
        attributes["gen_ai.usage.input_tokens"] = ended.usage.input_tokens
        attributes["gen_ai.usage.output_tokens"] = ended.usage.output_tokens
    # Without the end of an answer the call itself went wrong; what policy made of a whole one is not its failure.
    error = ended.error if not times.last else None
    if error is not None:
        attributes["error.type"] = error
    began = times.wall + times.sent - times.began
    return SpanFacts(
        id=ended.trace.call,
        parent=ended.trace.span,
        name=f"chat {target.model}",
        began=began,
        ended=began + times.upstream,
        attributes=attributes,
        error=error,
    )


def _handled(ended: Ended) -> Attributes:
    told: Attributes = {}
    if ended.decision is not None:
        told["splitgate.decision"] = ended.decision
        told["splitgate.findings"] = tuple(dict.fromkeys([found.rule for found in ended.findings]))
    if ended.revision is not None:
        told["splitgate.policy.revision"] = ended.revision
    handling = ended.handling
    if handling is not None:
        told["splitgate.isolation"] = handling.isolation
        told["splitgate.format"] = handling.format
        told["splitgate.target"] = handling.target
    return told


def _address(target: Target) -> Attributes:
    if target.socket is not None:
        return {"server.address": target.socket}
    parts = urlsplit(target.base_url)
    if parts.hostname is None:
        return {}
    return {"server.address": parts.hostname, "server.port": parts.port or _PORTS.get(parts.scheme, 80)}
