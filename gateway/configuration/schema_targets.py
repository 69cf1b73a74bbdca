"""Which keys may a target have that say when it is left alone, and of what type?

Checks that need more than one field are in ``left_alone.py``.
"""

from collections.abc import Mapping
from typing import Annotated, Final, TypeAlias

from pydantic import Field

from gateway.configuration.section import Seconds, Section

_PATH: Final = r"^(/[A-Za-z0-9_.~-]{1,64}){1,16}/?$|^/$"
PATTERNS: Final[Mapping[str, str]] = {
    _PATH: "a path that begins with a slash, of letters, digits and the signs _ . ~ - /, without a query",
}

Weight: TypeAlias = Annotated[float, Field(gt=0, le=1000)]
Tier: TypeAlias = Annotated[int, Field(ge=1, le=100)]
_Times: TypeAlias = Annotated[int, Field(ge=0, le=1000)]


class BreakerSection(Section):
    """When a target that fails is left alone. See `docs/targets.md`."""

    failures: _Times = Field(
        default=5, description="So many failures in a row open the breaker: no call is made then. 0: never."
    )
    cooldown_s: Seconds = Field(
        default=2.0,
        description="For how long, more or less. Then one call is let through as a trial; if it fails too, the target "
        "is left alone for twice as long.",
    )
    longest_s: Seconds = Field(default=60.0, description="For how long at most, however often trials fail.")
    longest_rest_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        default=300.0,
        description="The longest `retry-after` of the upstream's that is kept; 0: none is, as where a load balancer "
        "speaks for one of many servers.",
    )


class HealthSection(Section):
    """A path of the target's server that says whether it is well. It is asked without credentials."""

    path: Annotated[str, Field(pattern=_PATH)] = Field(
        description="Such as `/health`: on the host of `base_url`, not below it. An answer of 200 to 299 says yes."
    )
    interval_s: Annotated[float, Field(ge=0.5, le=3600)] = Field(
        default=10.0, description="How often each worker asks, more or less."
    )
    timeout_s: Annotated[float, Field(gt=0, le=60)] = Field(default=2.0, description="How long an answer may take.")
    failures: Annotated[int, Field(ge=1, le=1000)] = Field(
        default=2, description="So many times no, or no answer, in a row open the target's breaker."
    )
