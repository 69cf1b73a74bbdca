"""Which words and names may a policy file use?

Each pattern stands beside what it asks for in words: editors get the one, people the other.
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, ValidatorFunctionWrapHandler

from gateway.domain.jsonvalue import JsonObject

WORD: Final = r"^[a-z][a-z0-9_]{0,63}$"
ID: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
TOOL: Final = r"^[A-Za-z0-9_.:-]{1,64}$"
GLOB: Final = r"^[A-Za-z0-9_.:/@*?-]{1,128}$"
KIND: Final = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
ENTITY: Final = r"^[A-Z][A-Z0-9_]{0,63}$"
LANGUAGE: Final = r"^[a-z]{2,3}$"
DATE: Final = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
# OWASP LLM and Agentic ids and their like, and MITRE ATLAS tactics, techniques and mitigations.
TAG: Final = r"^(?:[A-Z]{2,}[A-Za-z0-9]*(?:[:-][A-Za-z0-9.]+)*|AML\.(?:TA|T|M)[0-9]{4}(?:\.[0-9]{3})?)$"

PATTERNS: Final[Mapping[str, str]] = {
    WORD: "a name of small letters, digits and _ that begins with a letter",
    ID: "a name of letters, digits and the signs _ . - that begins with a letter or digit, at most 64 long",
    TOOL: "a tool's name: letters, digits and the signs _ . : -, at most 64 long",
    GLOB: "a name, or a glob with * and ?, of letters, digits and the signs _ . : / @ -",
    KIND: "a kind of mark, as the detector calls it",
    ENTITY: "a name in capitals, such as STAFF_NUMBER",
    LANGUAGE: "a language's code, such as en",
    DATE: "a day, such as 2030-01-31",
    TAG: "an id such as LLM01:2025 or ASI01 (OWASP), or AML.T0051 (MITRE ATLAS)",
}

Identifier: TypeAlias = Annotated[str, Field(pattern=WORD)]
Id: TypeAlias = Annotated[str, Field(pattern=ID)]
ToolName: TypeAlias = Annotated[str, Field(pattern=TOOL)]
Glob: TypeAlias = Annotated[str, Field(pattern=GLOB)]
Kind: TypeAlias = Annotated[str, Field(pattern=KIND)]
Tag: TypeAlias = Annotated[str, Field(pattern=TAG)]
Mode: TypeAlias = Literal["off", "shadow", "enforce"]
StageWord: TypeAlias = Literal["instructions", "data", "tools", "tool_call", "output"]
Level: TypeAlias = Literal["native", "channel", "wrapped", "none"]


class Section(BaseModel):
    """Unknown keys are errors, and nothing is converted: ``level: "2"`` is text, not a number."""

    # Built with the model that holds them all, once: none is validated by itself.
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


def is_object(value: object) -> TypeGuard[JsonObject]:
    """What was read from YAML is JSON by construction: see ``gateway/yamlfile/source.py``."""
    return isinstance(value, dict)


class ListName(tuple[str, ...]):
    """Stands where a list may: the one text in it names a list of the file."""

    __slots__ = ()


def list_or_name(value: object, read: ValidatorFunctionWrapHandler) -> tuple[str, ...]:
    """A list as it stands, or the name of one."""
    if isinstance(value, str):
        return ListName((value,))
    read_value: tuple[str, ...] = read(value)
    return read_value
