"""What does a YAML file say, and on which line does it say it?

The file is composed into nodes and read by hand, so that every value keeps its position and nothing is constructed but
text, numbers, truth values, lists and mappings.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from gateway.domain.jsonvalue import JsonValue
from gateway.domain.value import value
from gateway.yamlfile.inside import position_inside
from gateway.yamlfile.nodes import (
    MAX_DEPTH,
    MappingNode,
    Node,
    NotYamlError,
    Position,
    ScalarNode,
    SequenceNode,
    compose,
    items_of,
    pairs_of,
    position_of,
    tag_of,
    text_of,
)
from gateway.yamlfile.problems import Loc, Problem, refuse

MAX_BYTES: Final = 1024 * 1024
# Aliases make a small file large: what they stand for counts each time.
MAX_VALUES: Final = 50_000
# So many sources are kept, of files up to this size: some 20 bytes for each of the file's.
_KEPT: Final = 32
_KEPT_BYTES: Final = 65_536

_NO_TAG: Final = "a tag is not allowed here; write a plain value, in quotes if it begins with !"
_CONSTANTS: Final[Mapping[str, bool | None]] = {"true": True, "false": False, "null": None, "~": None, "": None}
# What may be a credential in a line that is shown: what follows such a key, up to the end of the value.
_WORD: Final = r"(?:key(?:_id)?|sha256|password|passwd|secret|token|authorization|cookie|credential)"
_KEY: Final = rf"""{_WORD}s?["']?\s*:\s*"""
_CREDENTIAL: Final = re.compile(
    rf"({_KEY})"
    r"""(?!["']?(?:env|file):|[\[{])(?:"[^"]*"?|'[^']*'?|[^\s"'|>].*?(?=,\s*["']?\w+["']?\s*:|\}|$))""",
    re.IGNORECASE,
)
# No key of ours that is a credential holds a list or a mapping: one that does is a mistake, and shown no further.
_STRUCTURED: Final = re.compile(rf"""({_WORD}["']?\s*:\s*)[\[{{].*""", re.IGNORECASE)
_CREDENTIAL_FOLLOWS: Final = re.compile(rf"{_KEY}[|>]?[-+0-9]*\s*$", re.IGNORECASE)
_USERINFO: Final = re.compile(r"(//)\S+(?=@)")


@value
class Source:
    """A file's values, each with the position of its key and of itself; lines and columns count from 1."""

    file: str
    lines: tuple[str, ...]
    value: JsonValue
    keys: Mapping[Loc, Position]
    values: Mapping[Loc, Position]

    def problem(self, loc: Loc, message: str, *, at_key: bool = False, offset: int | None = None) -> Problem:
        """A problem at ``loc``, or at the nearest place around it that the file spells out.

        ``offset`` counts characters inside the text that stands there.
        """
        text = at(self.value, loc) if offset is not None else None
        if isinstance(text, str) and offset is not None and loc in self.values:
            place = position_inside(self.lines, self.values[loc], text, offset)
            return locate(self.file, self.lines, place, message)
        while True:
            found = self.keys.get(loc) if at_key else None
            found = found or self.values.get(loc)
            if found is not None or not loc:
                return locate(self.file, self.lines, found or (1, 1), message)
            loc, at_key = loc[:-1], True


def at(value: JsonValue, loc: Loc) -> JsonValue:
    """What stands at ``loc`` below ``value``; None where nothing does."""
    for part in loc:
        if isinstance(value, Mapping) and isinstance(part, str):
            value = value.get(part)
        elif isinstance(value, tuple) and isinstance(part, int) and part < len(value):
            value = value[part]
        else:
            return None
    return value


def locate(file: str, lines: tuple[str, ...], position: Position, message: str) -> Problem:
    """A problem with the line that it stands on, less whatever may be a credential."""
    line, column = position
    return Problem(file=file, line=line, column=column, message=message, excerpt=_excerpt(lines, line))


def _excerpt(lines: tuple[str, ...], line: int) -> str:
    text = "".join(char if char.isprintable() else " " for char in lines[line - 1]) if line <= len(lines) else ""
    if line > 1 and _CREDENTIAL_FOLLOWS.search(lines[line - 2]):
        return re.sub(r"\S", "*", text)
    for pattern in (_STRUCTURED, _CREDENTIAL, _USERINFO):
        text = pattern.sub(_stars, text)
    return text


def _stars(match: re.Match[str]) -> str:
    """Of equal length, so that a caret under the line still points where it should."""
    head, whole = match.group(1), match.group(0)
    return head + "*" * (len(whole) - len(head))


def read_source(file: str, raw: bytes) -> Source:
    """Read one YAML document.

    Raises:
        ConfigError: the file is no UTF-8, no YAML, or uses what a configuration does not need: tags, merge keys,
            complex keys, more values or nesting than is sensible; a key stands twice.
    """
    if len(raw) > MAX_BYTES:
        refuse([Problem(file=file, message=f"is larger than {MAX_BYTES} bytes; split what it describes")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        refuse([Problem(file=file, message="is not UTF-8 text; save it as UTF-8")])
    lines = tuple(text.splitlines())
    root = _compose(file, lines, text)
    reading = _Reading(file=file, lines=lines)
    value = reading.read(root, (), 0) if root is not None else None
    if reading.problems:
        refuse(reading.problems)
    return Source(file=file, lines=lines, value=value, keys=reading.keys, values=reading.values)


def read_unchanged(file: str, raw: bytes) -> Source:
    """The same, at once where these bytes were read before: of policies that are loaded again few have changed."""
    return _kept(file, raw) if len(raw) <= _KEPT_BYTES else read_source(file, raw)


_kept: Final = lru_cache(maxsize=_KEPT)(read_source)


def _compose(file: str, lines: tuple[str, ...], text: str) -> Node | None:
    try:
        return compose(text)
    except NotYamlError as error:
        refuse([locate(file, lines, error.position, f"is not valid YAML: {error.message}")], cause=error)


@dataclass(slots=True, kw_only=True)
class _Reading:
    """One walk over the nodes; problems are collected, so that a person mends them in one go."""

    file: str
    lines: tuple[str, ...]
    keys: dict[Loc, Position] = field(default_factory=dict[Loc, Position])
    values: dict[Loc, Position] = field(default_factory=dict[Loc, Position])
    problems: list[Problem] = field(default_factory=list[Problem])
    count: int = 0

    def read(self, node: Node, loc: Loc, depth: int) -> JsonValue:
        self.values[loc] = position_of(node)
        self.count += 1
        if self.count > MAX_VALUES or depth > MAX_DEPTH:
            what = "is nested too deeply" if depth > MAX_DEPTH else "stands for too many values"
            refuse([*self.problems, self._problem(node, f"{what}; write it without aliases")])
        tag = tag_of(node)
        if isinstance(node, ScalarNode):
            return self._scalar(node, tag)
        if isinstance(node, SequenceNode) and tag == "seq":
            return tuple(self.read(item, (*loc, index), depth + 1) for index, item in enumerate(items_of(node)))
        if isinstance(node, MappingNode) and tag == "map":
            return self._mapping(node, loc, depth)
        self._complain(node, _NO_TAG)
        return None

    def _mapping(self, node: MappingNode, loc: Loc, depth: int) -> JsonValue:
        found: dict[str, JsonValue] = {}
        for key_node, value_node in pairs_of(node):
            if not isinstance(key_node, ScalarNode):
                self._complain(key_node, "a key must be a plain word")
            elif tag_of(key_node) == "merge":
                self._complain(key_node, "merge keys are not supported; write the values out")
            elif (key := text_of(key_node)) in found:
                self._complain(key_node, f"the key `{key}` stands twice in this mapping; keep one")
            else:
                self.keys[(*loc, key)] = position_of(key_node)
                found[key] = self.read(value_node, (*loc, key), depth + 1)
        return found

    def _scalar(self, node: ScalarNode, tag: str) -> JsonValue:
        text = text_of(node)
        match tag:
            case "str" | "timestamp" | "merge" | "value":
                return text
            case "null" | "bool":
                if text.lower() in _CONSTANTS:
                    return _CONSTANTS[text.lower()]
            case "int" | "float" as kind:
                number = _number(text, kind)
                if number is not None:
                    return number
            case _:
                self._complain(node, _NO_TAG)
                return None
        self._complain(node, "is not a value that can stand here; put text in quotes")
        return None

    def _complain(self, node: Node, message: str) -> None:
        self.problems.append(self._problem(node, message))

    def _problem(self, node: Node, message: str) -> Problem:
        return locate(self.file, self.lines, position_of(node), message)


def _number(text: str, kind: str) -> int | float | None:
    plain = text.replace("_", "")
    try:
        if kind == "float":
            number = float(plain)
            return number if math.isfinite(number) else None
        return int(plain, 0) if plain.lstrip("+-")[:2].lower() in ("0x", "0o", "0b") else int(plain)
    except ValueError:
        return None
