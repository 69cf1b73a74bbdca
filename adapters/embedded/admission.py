"""What of a request reaches the engine?

Pure. llama.cpp takes some hundred fields, and a few of them can stop it with one request; so the fields are listed,
each with what it may hold, and the engine gets a body written anew from those alone. What OpenAI's servers only keep
for their records is left out, since there is nothing here to keep it. A null means that a field is not set.
"""

import re
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import orjson

from adapters._refusal import Refused
from adapters.embedded.models import MODELS, PLAIN, SPLIT
from adapters.embedded.schema_limits import check_schema
from gateway.domain.jsonvalue import JsonObject, JsonValue

Check: TypeAlias = Callable[[JsonValue], bool]

# A body of this size holds more tokens than the model can take, whatever its text, and takes the engine two seconds.
MOST_BYTES: Final = 1024 * 1024
# Each takes five tokens or more; the engine's time to lay them out grows with their square.
MOST_MESSAGES: Final = 2048
# The model's special tokens begin so, and the engine's time to find them grows with the square of their number: with
# these it takes two seconds, and no context holds as many.
_MARK: Final = b"<|"
MOST_MARKS: Final = 32_768
_MOST_TOOLS: Final = 1024
_MOST_TEXTS: Final = 2048
_MOST_BIASES: Final = 300
_MOST_STOPS: Final = 16
_STOP_LENGTH: Final = 1024
_MOST_TOP: Final = 20
_NAME: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,256}")
_TOKEN: Final = re.compile(r"[0-9]{1,10}")
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9_.\[\]-]{1,64}")
_BIG: Final = 2**31 - 1


def too_long(path: str) -> Refused:
    """The refusal of what cannot fit into the model's context."""
    return Refused(
        "context_length_exceeded",
        "The request is longer than the embedded model's context: send less text.",
        param="input" if path == _EMBEDDINGS else "messages",
    )


def admit(path: str, raw: bytes, *, slots: int, split: bool = False) -> bytes:
    """The body for the engine's ``path``; ``slots`` answers are generated at once, so no request may want more.

    With ``split`` the engine has the split model's adapter, and each request says how much of it: all or nothing. No
    client does, since ``lora`` is no listed field.

    Raises:
        Refused: the request has to change.
    """
    fields = _FIELDS[path]
    admitted: dict[str, JsonValue] = {}
    for name, value in _parse(path, raw).items():
        if value is None or name in _KEPT_FOR_RECORDS:
            continue
        if name not in fields:
            raise _unknown(name)
        if not fields[name](value):
            raise _invalid(name)
        admitted[name] = value
    _check_length(path, admitted)
    _check_choices(admitted, slots)
    _check_schemas(admitted)
    scale = float(_is_for_split(path, admitted, split=split))
    if split and path in _GENERATE:
        # Always said, though without it the scale is 0 too: only if a request says one does the engine empty its slot's
        # cache of what another scale left there.
        admitted["lora"] = [{"id": 0, "scale": scale}]
    body = orjson.dumps(admitted)
    if body.count(_MARK) > MOST_MARKS:
        raise too_long(path)
    return body


def _parse(path: str, raw: bytes) -> JsonObject:
    if len(raw) > MOST_BYTES:
        raise too_long(path)
    try:
        body: JsonValue = orjson.loads(raw)
    except orjson.JSONDecodeError:
        # Without a cause: the decoder's error carries the text that it read.
        raise Refused("invalid_json", "The request's body is not JSON: send a JSON object.") from None
    if not isinstance(body, dict):
        raise Refused("invalid_json", "The request's body is not a JSON object: send one.")
    return body


def _check_length(path: str, body: JsonObject) -> None:
    messages = body.get("messages")
    if isinstance(messages, list) and len(messages) > MOST_MESSAGES:
        raise too_long(path)


def _check_choices(body: JsonObject, slots: int) -> None:
    wanted = body.get("n", 1)
    if isinstance(wanted, int) and wanted > slots:
        raise Refused("n_too_large", f"The embedded model gives at most {slots} choices: lower n.", param="n")


def _check_schemas(body: JsonObject) -> None:
    form = body.get("response_format")
    if isinstance(form, dict) and isinstance(held := form.get("json_schema"), dict):
        check_schema(held.get("schema", {}), "response_format")
    for tool in _list(body.get("tools")):
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict):
            raise _invalid("tools")
        check_schema(function.get("parameters") or {}, "tools")


def _is_for_split(path: str, body: JsonObject, *, split: bool) -> bool:
    """Whether the request names the split model, and not the plain one, which is also meant where none is named."""
    model = body.get("model", PLAIN)
    if model not in MODELS:
        raise _no_model(f"The embedded model is called {PLAIN} or {SPLIT}: name one.")
    if model == SPLIT and not split:
        raise _no_model(
            f"{SPLIT} is not served: its adapter is missing or damaged. Ask for {PLAIN}, or install Splitgate again."
        )
    if model == SPLIT and path == _EMBEDDINGS:
        raise Refused("model_without_embeddings", f"{SPLIT} makes no embeddings: ask for {PLAIN}.", param="model")
    return model == SPLIT


def _no_model(message: str) -> Refused:
    return Refused("model_not_found", message, param="model", status=404)


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _unknown(name: str) -> Refused:
    param = name if _IDENTIFIER.fullmatch(name) else None
    return Refused(
        "unsupported_field", "The embedded model does not take a field of this name: leave it out.", param=param
    )


def _invalid(name: str) -> Refused:
    return Refused("invalid_field", f"{name} is out of range or of the wrong type for the embedded model.", param=name)


def _number(least: float, most: float) -> Check:
    return lambda value: isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def _integer(least: int, most: int) -> Check:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and least <= value <= most


def _boolean(value: JsonValue) -> bool:
    return isinstance(value, bool)


def _string(value: JsonValue) -> bool:
    return isinstance(value, str)


def _name(value: JsonValue) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def _objects(most: int | None) -> Check:
    """A list of objects; a length beyond ``most`` is wrong here, None leaves it to another rule."""
    return lambda value: (
        isinstance(value, list) and (most is None or len(value) <= most) and all(isinstance(one, dict) for one in value)
    )


def _stop(value: JsonValue) -> bool:
    found = value if isinstance(value, list) else [value]
    return len(found) <= _MOST_STOPS and all(isinstance(one, str) and 0 < len(one) <= _STOP_LENGTH for one in found)


def _biases(value: JsonValue) -> bool:
    # The engine would read a key that is no number as text, and bias each of its tokens.
    return (
        isinstance(value, dict)
        and len(value) <= _MOST_BIASES
        and all(_TOKEN.fullmatch(token) and _BIAS(bias) for token, bias in value.items())
    )


def _booleans(value: JsonValue) -> bool:
    return isinstance(value, dict) and all(_NAME.fullmatch(name) and isinstance(on, bool) for name, on in value.items())


def _stream_options(value: JsonValue) -> bool:
    return isinstance(value, dict) and value.keys() <= {"include_usage"} and _booleans(value)


def _response_format(value: JsonValue) -> bool:
    if not isinstance(value, dict):
        return False
    if value.get("type") == "json_schema":
        held = value.get("json_schema")
        return value.keys() == {"type", "json_schema"} and isinstance(held, dict) and held.keys() <= _SCHEMA_FIELDS
    return value.keys() == {"type"} and value["type"] in {"text", "json_object"}


def _tool_choice(value: JsonValue) -> bool:
    return value in ("none", "auto", "required") or isinstance(value, dict)


def _input(value: JsonValue) -> bool:
    # Token ids would be text that nobody has seen.
    texts = value if isinstance(value, list) else [value]
    return 0 < len(texts) <= _MOST_TEXTS and all(isinstance(text, str) and text for text in texts)


def _encoding(value: JsonValue) -> bool:
    return value in ("float", "base64")


_SCHEMA_FIELDS: Final = frozenset({"name", "description", "schema", "strict"})
_BIAS: Final = _number(-100, 100)
_LENGTH: Final = _integer(1, _BIG)
_TOP: Final = _integer(0, _MOST_TOP)
_PENALTY: Final = _number(-2, 2)

_KEPT_FOR_RECORDS: Final = frozenset({
    "user", "metadata", "store", "service_tier", "safety_identifier", "moderation", "modalities", "prediction",
    "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning_effort", "verbosity",
})  # fmt: skip

_BOTH: Final[Mapping[str, Check]] = {
    "model": _name,
    "stream": _boolean,
    "stream_options": _stream_options,
    "max_tokens": _LENGTH,
    "temperature": _number(0, 2),
    "top_p": _number(0, 1),
    "n": _integer(1, _BIG),
    "stop": _stop,
    "seed": _integer(-(2**63), 2**63 - 1),
    "presence_penalty": _PENALTY,
    "frequency_penalty": _PENALTY,
    "logit_bias": _biases,
    # llama.cpp's own, for targets that name them in extra_params.
    "top_k": _integer(0, 1000),
    "min_p": _number(0, 1),
    "ignore_eos": _boolean,
}

# What the template makes a text of.
_CONVERSATION: Final[Mapping[str, Check]] = {
    "messages": _objects(None),
    "response_format": _response_format,
    "tools": _objects(_MOST_TOOLS),
    "tool_choice": _tool_choice,
    "parallel_tool_calls": _boolean,
    "chat_template_kwargs": _booleans,
}

_EMBEDDINGS: Final = "/v1/embeddings"
# How a prompt is counted: the engine answers these without its model, so that they need no slot.
NEED_NO_SLOT: Final = frozenset({"/apply-template", "/tokenize"})
_FIELDS: Final[Mapping[str, Mapping[str, Check]]] = {
    "/v1/chat/completions": {
        **_BOTH,
        **_CONVERSATION,
        "max_completion_tokens": _LENGTH,
        "logprobs": _boolean,
        "top_logprobs": _TOP,
    },
    # A list of prompts would be as many requests in one.
    "/v1/completions": {**_BOTH, "prompt": _string, "logprobs": _TOP},
    # Without ``dimensions``: the engine would take it and give vectors of its one length.
    _EMBEDDINGS: {"model": _name, "input": _input, "encoding_format": _encoding},
    "/apply-template": {"model": _name, **_CONVERSATION},
    "/tokenize": {
        "model": _name,
        "content": _string,
        **dict.fromkeys(("add_special", "parse_special", "with_pieces"), _boolean),
    },
}
_GENERATE: Final = frozenset({"/v1/chat/completions", "/v1/completions"})
PATHS: Final = tuple(_FIELDS)
