"""Which options of a request may a server render into the prompt, and how are they kept clean?

A response schema or a predicted text can end up beside the instructions, and of fields that only the target knows
nobody can say. Their strings lose reserved tokens as every text of the prompt does; of a response schema that goes for
its descriptions, and a token elsewhere in it is refused. What steers the decoder alone (stop strings, biases) and what
is mere bookkeeping stays as it is.
"""

from dataclasses import replace
from typing import Final

from adapters.formats._sieve import Sieve
from gateway.domain.jsonvalue import JsonValue
from gateway.domain.request import Options
from gateway.domain.target import FormatOptions, Removal

OPTIONS: Final = "options"
_SCHEMA: Final = "response_format"
_PREDICTION: Final = "prediction"


def clean_options(options: Options, format_options: FormatOptions) -> tuple[Options, tuple[Removal, ...]]:
    """The options without reserved tokens in what may be rendered, and what was taken out.

    Raises:
        NotSayable: a response schema holds one where it means something.
    """
    if not options.extra and _SCHEMA not in options.values and _PREDICTION not in options.values:
        return options, ()
    rendered = {name: options.values[name] for name in (_SCHEMA, _PREDICTION) if name in options.values}
    sieve = Sieve(format_options)
    values = {**options.values, **{name: _clean(name, value, sieve) for name, value in rendered.items()}}
    extra = {name: sieve.value(value, OPTIONS) for name, value in options.extra.items()}
    if not sieve.removals:
        return options, ()
    return replace(options, values=values, extra=extra), sieve.removals


def _clean(name: str, value: JsonValue, sieve: Sieve) -> JsonValue:
    return sieve.schema(value, OPTIONS, _SCHEMA) if name == _SCHEMA else sieve.value(value, OPTIONS)
