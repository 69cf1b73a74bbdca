"""Does the file have the right shape, and if not, what exactly is wrong on which line?"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from difflib import get_close_matches
from typing import Final, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.domain.value import value
from gateway.yamlfile.problems import Fault, Loc, Problem
from gateway.yamlfile.source import Source, at

_MESSAGES: Final = {
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping of keys to values",
    "model_type": "must be a mapping of keys to values",
    "string_type": "must be text; put it in quotes",
    "int_type": "must be a whole number, without quotes",
    "float_type": "must be a number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "string_too_short": "is too short; write at least {min_length} characters",
    "string_too_long": "is too long; write at most {max_length} characters",
    "too_short": "must not be empty",
    "literal_error": "must be {expected}",
    "greater_than": "must be greater than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_pattern_mismatch": "may hold letters, digits and the signs . _ : - (in model names / too) only",
}


Document = TypeVar("Document", bound=BaseModel)

# Where each section stands in a file: `*` is any list index or name.
Sections: TypeAlias = Sequence[tuple[tuple[str, ...], type[BaseModel]]]


@value
class Shape(Generic[Document]):
    """A kind of file: its schema as one pydantic model, and the models of its sections by their place.

    ``patterns`` says in words what a pattern of the schema asks for, after "must be".
    """

    document: type[Document]
    sections: Sections
    patterns: Mapping[str, str] = field(default_factory=dict[str, str])


def validate(source: Source, shape: Shape[Document]) -> tuple[Document | None, tuple[Fault, ...]]:
    """Check the file's shape: the document, or every misspelt key, missing key and wrong type."""
    try:
        return shape.document.model_validate({} if source.value is None else source.value), ()
    except ValidationError as error:
        # Pydantic's own text quotes the input, which may hold a credential: it must not travel as the cause.
        details = error.errors(include_url=False, include_input=False)
    told = (detail for detail in details if not _is_echo(detail, details))
    return None, tuple(Fault(loc=detail["loc"], problem=_problem(source, detail, shape)) for detail in told)


def _is_echo(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """A list counts as too short when its items are wrong: the items' own problems say it better."""
    loc = detail["loc"]
    return detail["type"] == "too_short" and any(
        len(other["loc"]) > len(loc) and other["loc"][: len(loc)] == loc for other in details
    )


def _problem(source: Source, detail: ErrorDetails, shape: Shape[Document]) -> Problem:
    loc = detail["loc"]
    match detail["type"]:
        case "extra_forbidden":
            return source.problem(loc, _unknown_key(loc, shape.sections), at_key=True)
        case "missing":
            return source.problem(loc[:-1], f"the key `{loc[-1]}` is missing here; add it", at_key=True)
        case kind:
            # A bad mapping key is reported below the entry, under a name of pydantic's own.
            where = loc[:-1] if loc[-1:] == ("[key]",) else loc
            text = _MESSAGES.get(kind, detail["msg"]).format_map(detail.get("ctx", {}))
            text = text.replace("True", "true").replace("False", "false")
            text = _in_words(detail, shape.patterns) or text + _nearest(source, detail)
            return source.problem(where, f"`{_dotted(where)}` {text}", at_key=where is not loc)


def _in_words(detail: ErrorDetails, patterns: Mapping[str, str]) -> str | None:
    """What the pattern that was not met asks for, where the shape says it."""
    asked = patterns.get(str(detail.get("ctx", {}).get("pattern")))
    return None if asked is None else f"must be {asked}"


def _nearest(source: Source, detail: ErrorDetails) -> str:
    """Of the words that may stand there, the one that was nearly written."""
    loc = detail["loc"]
    # One word can stand for a whole section, whose key it then was read as.
    written = at(source.value, loc) or at(source.value, loc[:-1])
    if detail["type"] != "literal_error" or not isinstance(written, str):
        return ""
    words: list[str] = re.findall(r"'([^']+)'", detail.get("ctx", {}).get("expected", ""))
    close = get_close_matches(written, words, n=1, cutoff=0.6) if len(words) > 1 else ()
    return f"; did you mean `{close[0]}`?" if close else ""


def _unknown_key(loc: Loc, sections: Sections) -> str:
    known = _keys_of_section(loc[:-1], sections)
    close = get_close_matches(str(loc[-1]), known, n=1, cutoff=0.6)
    hint = f"did you mean `{close[0]}`?" if close else f"the keys here are {', '.join(known)}"
    return f"there is no key `{loc[-1]}` here; {hint}"


def _keys_of_section(loc: Loc, sections: Sections) -> list[str]:
    section = next(section for pattern, section in sections if _stands_at(pattern, loc))
    return [known.alias or name for name, known in section.model_fields.items()]


def _stands_at(pattern: tuple[str, ...], loc: Loc) -> bool:
    return len(pattern) == len(loc) and all(p in ("*", part) for p, part in zip(pattern, loc, strict=True))


def _dotted(loc: Loc) -> str:
    """``models.support.targets[0].port``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in loc)
    return text.removeprefix(".") or "the file"
