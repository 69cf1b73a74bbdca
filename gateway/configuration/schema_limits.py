"""Which keys may the configuration say of limits, budgets and prices, and of what type?

Checks that need more than one field are in ``limits.py``.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import BeforeValidator, Field

from gateway.configuration.schema_callers import Glob
from gateway.configuration.schema_redis import RedisSection
from gateway.configuration.section import Name, Section

_UPSTREAM: Final = r"^[!-~]{1,256}$"
_CURRENCY: Final = r"^[A-Za-z]{1,16}$"
# What each pattern asks for, in words.
PATTERNS: Final[Mapping[str, str]] = {
    _UPSTREAM: "a model's name at the upstream, or a glob with * and ?: printable ASCII without blanks",
    _CURRENCY: "a word of letters, such as USD",
}

PerWord: TypeAlias = Literal["key", "tenant", "model", "gateway"]
Rate: TypeAlias = Annotated[str, Field(min_length=3, max_length=64)]
# So much of the currency for a million tokens.
Amount: TypeAlias = Annotated[float, Field(ge=0, le=1_000_000)]

_GLOBS: Final = "names, or globs such as `team-*`. None given: all."


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class LimitRuleSection(Section):
    """What callers may use in a while. All rules that stand for a request count it; the strictest refuses."""

    name: Name = Field(description="What it is called in errors, metrics and the audit, which callers see.")
    per: Annotated[
        tuple[PerWord, ...],
        BeforeValidator(_listed, json_schema_input_type=PerWord | tuple[PerWord, ...]),
        Field(min_length=1, max_length=3),
    ] = Field(
        default=("key",),
        description="Whom it is counted apart for: `key`, `tenant`, `model`, or a list of these for each combination; "
        "`gateway` counts everybody together.",
    )
    keys: tuple[Glob, ...] = Field(default=(), max_length=256, description=f"For which keys it stands: {_GLOBS}")
    tenants: tuple[Glob, ...] = Field(default=(), max_length=256, description=f"For which tenants: {_GLOBS}")
    models: tuple[Glob, ...] = Field(default=(), max_length=256, description=f"For which models: {_GLOBS}")
    routes: tuple[Glob, ...] = Field(
        default=(), max_length=64, description="For which routes, by the names of dialects or globs. None: all."
    )
    requests: tuple[Rate, ...] = Field(
        default=(),
        max_length=8,
        description="How many requests, such as `60/minute` or `5000/day`. Seconds, minutes and hours are the last "
        "ones at any moment, days and months those of the calendar in UTC.",
    )
    tokens: tuple[Rate, ...] = Field(
        default=(), max_length=8, description="How many tokens, of input and output together, such as `100000/minute`."
    )
    concurrent: int | None = Field(
        default=None, ge=1, le=1_000_000, description="How many requests at once, streams for as long as they last."
    )
    money: tuple[Rate, ...] = Field(
        default=(),
        max_length=8,
        description="How much money by `prices`, such as `50/day` or `12.50/hour`. Every target of every model that "
        "the rule may stand for must have a price.",
    )


class PriceSection(Section):
    """What a million tokens of one upstream model cost."""

    input: Amount = Field(description="Tokens of input.")
    output: Amount = Field(description="Tokens of output; 0 for models that only embed.")
    cached_input: Amount | None = Field(
        default=None, description="Tokens of input that the vendor read from its cache. None: as `input`."
    )
    cache_write: Amount | None = Field(
        default=None, description="Tokens of input that the vendor put into its cache. None: as `input`."
    )


class LimitsSection(Section):
    """Limits of requests and tokens, and budgets of money. See `docs/limits.md`."""

    rules: tuple[LimitRuleSection, ...] = Field(
        default=(), max_length=256, description="The rules: see `limits.rules` below. None: nothing is limited."
    )
    prices: dict[Annotated[str, Field(pattern=_UPSTREAM)], PriceSection] = Field(
        default_factory=dict[str, PriceSection],
        max_length=4096,
        description="What tokens cost, by the model's name at the upstream (`model` of a target) or a glob of it; the "
        "exact name counts first, then the first glob that fits. The embedded model costs nothing unless it is here.",
    )
    currency: Annotated[str, Field(pattern=_CURRENCY)] = Field(
        default="USD", description="What prices and budgets are in: only a word in messages."
    )
    assumed_output_tokens: int = Field(
        default=1024,
        ge=1,
        le=10_000_000,
        description="How long an answer is taken to be before it is there, where the request does not limit it.",
    )
    redis: RedisSection | None = Field(
        default=None,
        description="Where gateways on many machines count together: see `limits.redis` below. None: the workers of "
        "one machine count by themselves.",
    )


# Where each section stands in the file.
SECTIONS: Final[tuple[tuple[tuple[str, ...], type[Section]], ...]] = (
    (("limits",), LimitsSection),
    (("limits", "rules", "*"), LimitRuleSection),
    (("limits", "prices", "*"), PriceSection),
    (("limits", "redis"), RedisSection),
)
