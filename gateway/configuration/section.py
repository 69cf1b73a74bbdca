"""What is common to all sections of the configuration file?"""

from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

Name: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.:-]{1,64}$")]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=86_400)]
Level: TypeAlias = Literal["native", "channel", "wrapped", "none"]


class Section(BaseModel):
    """Unknown keys are errors, and nothing is converted: ``port: "8400"`` is text, not a number."""

    # Built with the model that holds them all, once: most are never validated by themselves. A section that a file
    # leaves out is made by ``model_construct`` of its defaults, which would otherwise take a validator of its own.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)
