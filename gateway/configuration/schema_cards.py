"""Which keys may a card file hold, and of what type?

One class per section. A card says of one model in one format how well it keeps data apart, as it was measured.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from gateway.configuration.section import Section, Share
from gateway.domain.card import Earned, Method
from gateway.yamlfile.validate import Sections, Shape

_DIGEST: Final = r"^sha256:[0-9a-f]{64}$"
_DAY: Final = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
# One line of what has a shape on paper: no control, format or private character, no separator of lines.
_TEXT: Final = r"^[^\p{C}\p{Zl}\p{Zp}]+$"
_ATTACK: Final = r"^[a-z][a-z0-9_]{0,63}$"
PATTERNS: Final[Mapping[str, str]] = {
    _DIGEST: "`sha256:` and 64 hexadecimal digits in small letters",
    _DAY: "a day, such as 2026-11-30",
    _TEXT: "text on one line",
    _ATTACK: "a kind of attack: small letters, digits and _, a letter first",
}

_Digest: TypeAlias = Annotated[str, Field(pattern=_DIGEST)]
_Text: TypeAlias = Annotated[str, Field(pattern=_TEXT, max_length=4096)]
_Name: TypeAlias = Annotated[str, Field(pattern=_TEXT, max_length=256)]
_Duration: TypeAlias = Annotated[float, Field(ge=0)]


class ScoreSection(Section):
    """A share of cases and its 95% interval."""

    value: Share = Field(description="The share, 0 to 1.")
    low: Share = Field(description="The interval's lower end.")
    high: Share = Field(description="The interval's upper end.")
    n: int = Field(ge=1, description="Of how many cases.")


class ScoresSection(Section):
    """What was measured; `null` where the set has no such cases."""

    separation: ScoreSection | None = Field(
        default=None, description="Of probes followed as instructions, the share not followed as data."
    )
    attack_success: ScoreSection | None = Field(default=None, description="The share of probes followed as data.")
    utility: ScoreSection | None = Field(default=None, description="The share of clean cases answered rightly.")
    utility_under_attack: ScoreSection | None = Field(
        default=None, description="The share of attacked cases answered rightly."
    )
    fidelity: ScoreSection | None = Field(
        default=None, description="The share of cases answered rightly whose data holds imperatives to be worked on."
    )
    refusals: ScoreSection | None = Field(default=None, description="The share of harmless cases that were refused.")


class AddedSection(Section):
    """How many tokens the format adds to a request."""

    median: float = Field(description="The median.")
    p90: float = Field(description="The ninetieth percentile.")


class LatencySection(Section):
    """How long an answer takes, in seconds."""

    p50: _Duration = Field(description="The median.")
    p90: _Duration = Field(description="The ninetieth percentile.")


class TrainedSection(Section):
    """How the model was trained to keep data apart: only for one that `splitgate train` made."""

    method: Method = Field(description="By which method.")
    isolation: Earned = Field(description="The level that the training's own measurement found.")
    report: _Text = Field(description="Where more is told of the training.")


class CardDocument(Section):
    """The whole file: one model in one format."""

    card: Literal[1] = Field(description="The version of this format.")
    provider: _Name = Field(description="The target's provider.")
    model: _Name = Field(description="The model's name at the upstream.")
    format: _Name = Field(description="The target's format.")
    format_options: dict[str, object] | None = Field(
        default=None, description="The target's `format_options`, where they were not the format's defaults."
    )
    weights: _Digest | None = Field(default=None, description="The digest of an adapter that was in use.")
    suite: _Name = Field(description="The set of cases.")
    dataset: _Digest = Field(description="The digest of all its cases.")
    date: Annotated[str, Field(pattern=_DAY)] = Field(description="When it was measured.")
    version: _Name = Field(description="The version of the code that measured.")
    revision: _Name | None = Field(default=None, description="Its revision, where that is known.")
    command: _Text = Field(description="What to run to measure it again.")
    scores: ScoresSection = Field(description="What was measured.")
    attack_success_by: dict[Annotated[str, Field(pattern=_ATTACK)], ScoreSection] = Field(
        default_factory=dict[str, ScoreSection], description="The share of probes followed, by the kind of attack."
    )
    added_tokens: AddedSection | None = Field(default=None, description="What the format costs in tokens.")
    latency_s: LatencySection | None = Field(default=None, description="How long answers take.")
    trained: TrainedSection | None = Field(default=None, description="How the model was trained, if it was.")


SECTIONS: Final[Sections] = (
    ((), CardDocument),
    (("scores",), ScoresSection),
    (("scores", "*"), ScoreSection),
    (("attack_success_by", "*"), ScoreSection),
    (("added_tokens",), AddedSection),
    (("latency_s",), LatencySection),
    (("trained",), TrainedSection),
)

SHAPE: Final = Shape(document=CardDocument, sections=SECTIONS, patterns=PATTERNS)
