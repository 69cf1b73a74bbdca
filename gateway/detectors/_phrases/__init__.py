"""Which phrases and marks are known? One file a language; a further one is added here.

The rule is precision before recall: a phrase is here if ordinary mail, documentation and code hardly ever hold it.
"""

from typing import Final

from gateway.detectors._phrases.english import ENGLISH
from gateway.detectors._phrases.french import FRENCH
from gateway.detectors._phrases.german import GERMAN
from gateway.detectors._phrases.markup import MARKUP
from gateway.detectors._phrases.phrase import Phrase
from gateway.detectors._phrases.spanish import SPANISH

PHRASES: Final[tuple[Phrase, ...]] = (*ENGLISH, *GERMAN, *FRENCH, *SPANISH, *MARKUP)
