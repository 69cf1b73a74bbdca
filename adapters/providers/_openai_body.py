"""What exactly is sent to an OpenAI-compatible server?

Pure. The layout's fields win over options and options over extra ones, so that no option can replace what a format
laid out. A field that the endpoint cannot carry is an error that names it: nothing is dropped in silence.
"""

from adapters.providers._body import allowed_extra, as_json
from gateway.domain.errors import NotSayable
from gateway.domain.jsonvalue import JsonObject, JsonValue
from gateway.domain.ports import Call
from gateway.domain.request import Options
from gateway.domain.target import Endpoint, Layout, Target

# The text completions API knows these under the same names (OpenAI reference, "Create completion").
_COMPLETIONS_OPTIONS = frozenset({
    "temperature", "top_p", "n", "stop", "seed", "presence_penalty", "frequency_penalty", "logit_bias", "user",
})  # fmt: skip
_LENGTHS = frozenset({"max_completion_tokens", "max_tokens"})
_OWN = frozenset({"model", "messages", "prompt", "stream", "stream_options"})


def refuse_unsayable(_: Target, layout: Layout, options: Options) -> None:
    """Refuse a request that the endpoint cannot carry, before anything is sent: another target may still take it.

    Raises:
        NotSayable: names the field.
    """
    if layout.endpoint is Endpoint.COMPLETIONS:
        _completions_options(options.values)


def serialise_body(call: Call, model: str | None = None) -> bytes:
    """The upstream body of ``call``; ``model`` goes before the target's own name for it.

    Raises:
        NotSayable: a field that the target or the endpoint cannot carry.
        InvalidField: text with a lone surrogate, or an integer over 64 bits.
    """
    options = call.options
    text = call.layout.endpoint is Endpoint.COMPLETIONS
    values = _completions_options(options.values) if text else options.values
    body: dict[str, JsonValue] = {"model": model or call.target.model}
    if options.extra:
        body |= allowed_extra(call.target, options.extra, _OWN)
    body |= values
    body |= call.layout.body
    if options.stream:
        # Asked for always, since the gateway counts; the dialect shows it only to clients that asked.
        body["stream"] = True
        body["stream_options"] = {"include_usage": True}
    return as_json(body)


def _completions_options(values: JsonObject) -> JsonObject:
    mapped: dict[str, JsonValue] = {}
    for name, value in values.items():
        if name in _COMPLETIONS_OPTIONS:
            mapped[name] = value
        elif name in _LENGTHS:
            mapped["max_tokens"] = value
        elif name == "logprobs":
            if value:
                mapped["logprobs"] = values.get("top_logprobs") or 0
        elif name != "top_logprobs":
            raise NotSayable(
                f"{name} cannot be said to a text completions endpoint. Leave it out, or use a model whose format "
                "speaks chat.",
                param=name,
            )
    return mapped
