"""What do spans say of an exchange?

Names, times and attributes by OpenTelemetry's conventions for generative AI, in the version that is asked for, and
without any library of theirs. No text is ever in them: none of prompts and answers, no model's name that nobody
configured.
"""

from collections.abc import Callable
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from gateway.domain.evidence import Attempt, Ended
from gateway.domain.operation import Operation
from gateway.domain.target import Target
from gateway.domain.value import value
from gateway.telemetry.families import UNKNOWN

Conventions: TypeAlias = Literal["1.36", "1.37"]
Attributes: TypeAlias = dict[str, str | int | tuple[str, ...]]

# By what name the conventions know who serves the model: what speaks OpenAI's API goes for OpenAI.
_PROVIDERS: Final = {
    "anthropic": "anthropic",
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "embedded": "splitgate",
    "openai_compatible": "openai",
}
# The same for the vendors that litellm calls, where its name for one is another.
_VENDORS: Final = {
    "cohere_chat": "cohere",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex_ai": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "xai": "x_ai",
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
        "splitgate.operation": ended.operation.value,
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
    """The span of the last upstream call, if there was one."""
    times, target = ended.timeline, ended.target
    if target is None or not times.sent:
        return None
    attributes = _called(target, ended.operation, conventions)
    attributes["splitgate.attempts"] = ended.attempts
    if ended.finish:
        attributes["gen_ai.response.finish_reasons"] = ended.finish
    if ended.usage is not None:
        attributes["gen_ai.usage.input_tokens"] = ended.usage.input_tokens
        if ended.operation is Operation.CHAT:
            attributes["gen_ai.usage.output_tokens"] = ended.usage.output_tokens
    # Without the end of an answer the call itself went wrong; what policy made of a whole one is not its failure.
    error = ended.error if not times.last else None
    if error is not None:
        attributes["error.type"] = error
    began = times.wall + times.sent - times.began
    return SpanFacts(
        id=ended.trace.call,
        parent=ended.trace.span,
        name=f"{ended.operation.value} {target.model}",
        began=began,
        ended=began + times.upstream,
        attributes=attributes,
        error=error,
    )


def earlier_spans(ended: Ended, conventions: Conventions, draw: Callable[[], str]) -> list[SpanFacts]:
    """The spans of the calls before the last one, which failed; ``draw`` makes their ids."""
    return [_failed_span(ended, one, conventions, draw()) for one in ended.tried[:-1] if one.error is not None]


def _failed_span(ended: Ended, attempt: Attempt, conventions: Conventions, id_: str) -> SpanFacts:
    began = ended.timeline.wall + attempt.began - ended.timeline.began
    error = attempt.error or UNKNOWN
    return SpanFacts(
        id=id_,
        parent=ended.trace.span,
        name=f"{ended.operation.value} {attempt.target.model}",
        began=began,
        ended=began + attempt.took,
        attributes={**_called(attempt.target, ended.operation, conventions), "error.type": error},
        error=error,
    )


def _called(target: Target, operation: Operation, conventions: Conventions) -> Attributes:
    return {
        "gen_ai.operation.name": operation.value,
        "gen_ai.system" if conventions == "1.36" else "gen_ai.provider.name": _provider(target),
        "gen_ai.request.model": target.model,
        **_address(target),
        "splitgate.target": target.id,
    }


def _provider(target: Target) -> str:
    if target.provider == "litellm":
        vendor = target.model.partition("/")[0]
        return _VENDORS.get(vendor, vendor)
    return _PROVIDERS.get(target.provider, target.provider)


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
