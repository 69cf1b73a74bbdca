"""Is the value that is given to ``password``, ``api_key``, ``token`` a secret, or does it only stand for one?

Precision before recall: what reads as an example, a variable, a call, a path or plain words is none. The rule: each
answer is by the value alone, at most ``LONGEST`` characters of it.
"""

import re
from math import log2
from typing import Final

LONGEST: Final = 200

# How what is given begins (group 1 of both), with whatever leads up to it. How it goes on is read by ``ASSIGNED`` and
# ``CREDENTIALS``: a long repeat would cost RE2 a state for each length at each place.
ASSIGNED: Final = re.compile(r"""[^\s"'`<>,;(){}\[\]\\]+""", re.ASCII)
CREDENTIALS: Final = re.compile(r"[a-z0-9._~+/=-]+")
_NAME: Final = (
    r"(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|credentials?"
    r"|(?:api|access|auth|account|private|secret|signing|encryption|subscription|master)[_ -]?key)"
)
ASSIGNMENT: Final = (
    rf"{_NAME}(?:s|[0-9]{{1,3}}|[_.-][a-z0-9_.-]{{0,24}})?"
    r"""[\\"'`\]]{0,3}[ \t]{0,4}(?:=>|:=|==?|:|[ ]is:?[ ]|[ ]was[ ])[ \t]{0,4}(?:bearer[ ])?"""
    r"""(?:[bru]?[\\"'`]{1,3})?([^\s"'`<>,;(){}\[\]\\]{8})"""
)
ASSIGNMENT_LONGEST: Final = 16 + 25 + 3 + 4 + 5 + 4 + 7 + 4 + LONGEST
HEADER: Final = r"authorization[\"']?[ \t]{0,4}[:=][ \t]{0,4}[\"']?(?:bearer|basic|token)[ ]{1,4}([a-z0-9._~+/=-]{16})"
HEADER_LONGEST: Final = 13 + 1 + 4 + 1 + 4 + 1 + 6 + 4 + LONGEST
ASSIGNMENT_HINT: Final = (
    r"(?:pass|pwd|secret|token|credential|key|connection|authorization)[a-z0-9_. \t\-\"'`\]\\]*(?:[:=]|is:? |was )"
)
# A URL with a password before its host.
URL: Final = r"\b[a-z][a-z0-9+.-]{1,20}://[^\s:@/?#\"'<>]*:([^\s@/\"'<>]+)@"
URL_HINT: Final = r"://[^\s:@/]*:[^\s@/]+@"
URL_LONGEST: Final = 21 + 3 + 64 + 1 + LONGEST + 1
URL_NAME_LONGEST: Final = 21 + 3 + 64 + 1

_STAND_IN: Final = re.compile(
    r"example|sample|dummy|placeholder|change_?me|change-me|your|replace|insert|redacted|masked|hidden|removed|todo|fixme"
    r"|foobar|lorem|none|null|true|false|undefined|default|xxx|\*\*\*|\.\.\.|___|---|\$\{|\$\(|\{\{|%\(|%[a-z]|^\$[a-z_]"
    r"|://|environ|getenv|process\.|config\.|settings\.|secrets\.|vault:|1234567|abcdefg|qwerty|([a-z0-9*.])\1{4}"
)
# ``user.token2``, ``_OwnedToken``, ``tok2vec.width``, ``/run/secrets/db1``: names and paths, in words.
_NAME_OR_PATH: Final = re.compile(
    r"[~./@_]{0,3}[A-Za-z]+(?:\d{1,2}(?:[a-z]{3,})?)?(?:(?:[_./:]|->)[A-Za-z]*\d{0,2})*|[a-z]+\d{0,2}(?:[-_./:][a-z]*\d{0,2})*",
    re.ASCII,
)
_LETTER: Final = re.compile(r"[A-Za-z]")
_OTHER: Final = re.compile(r"[^A-Za-z]")
_DIGIT_OR_CASES: Final = re.compile(r"[0-9]|[a-z].*[A-Z]|[A-Z].*[a-z]")
_WEIGHTS: Final = (0.0, *(many * log2(many) for many in range(1, LONGEST + 1)))
_PASSWORDS: Final = frozenset(
    {"password", "passwort", "passwd", "secret", "postgres", "user:pass", "pass", "pwd", "test"}
)


def entropy(value: str) -> float:
    """Shannon's, in bits a character; of ``LONGEST`` characters at most."""
    size = len(value)
    return log2(size) - sum([_WEIGHTS[value.count(one)] for one in set(value)]) / size if value else 0.0


def _floor(length: int) -> float:
    """What random letters and digits of this length have, less what chance takes away."""
    return 2.5 if length < 12 else 2.9 if length < 20 else 3.1


def is_secret(value: str) -> bool:
    """Whether what was given to a name such as ``password`` is worth hiding."""
    if _STAND_IN.search(value.lower()) or _NAME_OR_PATH.fullmatch(value) or value.lower() in _PASSWORDS:
        return False
    mixed = _LETTER.search(value) and _OTHER.search(value) and _DIGIT_OR_CASES.search(value)
    return mixed is not None and entropy(value) >= _floor(len(value))


def is_url_password(value: str) -> bool:
    """Whether the part of a URL between ``:`` and ``@`` is more than a stand-in; any length, any alphabet."""
    return not (_STAND_IN.search(value.lower()) or value.lower() in _PASSWORDS or value[:1] in "<{[$%*")
