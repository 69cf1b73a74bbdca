"""Which options do several commands share?"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

ConfigOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="SPLITGATE_CONFIG",
        metavar="FILE",
        help="The configuration file. Without it: ./splitgate.yaml if there is one, else the built-in default.",
    ),
]


class DialectChoice(StrEnum):
    """The wire formats that ``explain`` and ``doctor`` read."""

    AUTO = "auto"
    SPLIT = "split"
    OPENAI_CHAT = "openai-chat"
    ANTHROPIC_MESSAGES = "anthropic-messages"
    OPENAI_RESPONSES = "openai-responses"
    OPENAI_EMBEDDINGS = "openai-embeddings"


DialectOption: TypeAlias = Annotated[
    DialectChoice, typer.Option("--dialect", help="The request's wire format; auto: by its fields.")
]


class MethodChoice(StrEnum):
    """The ways in which ``train`` makes a model tell data."""

    PLAIN = "plain"
    STRUQ = "struq"
    SECALIGN = "secalign"
    ISE = "ise"
    ASIDE = "aside"


class SuiteChoice(StrEnum):
    """The suites that ``evaluate`` has."""

    BUILTIN = "builtin"
