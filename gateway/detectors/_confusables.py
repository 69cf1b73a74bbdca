"""Which characters are read as an ASCII letter or sign though they are none?

Only what Unicode's compatibility forms do not already say: fullwidth, mathematical and circled letters are no entries
here. ``LOOKALIKES`` is the narrower set, of letters that cannot be told from a Latin one in common typefaces.
"""

# ruff: noqa: RUF001 - lookalikes are what this file is about

from collections.abc import Iterator
from typing import Final

# (what is read, what stands there)
_LETTERS: Final = (
    # Cyrillic
    ("абвезкмнорстухьіїјѕԁһԛԝӏѵѡгпє", "abbe3kmhopctyxbiijsdhqwlvwrne"),
    ("АВЕЗКМНОРСТУХЬІЇЈЅԀҺԚԜӀѴГЄ", "abe3kmhopctyxbiijsdhqwlvre"),
    # Greek
    ("αβγεζηικνοπρτυχωϲϳς", "abyezniknonptuxwcjs"),
    ("ΑΒΕΖΗΙΚΜΝΟΡΤΥΧΣ", "abezhikmnoptyxe"),
    # Armenian, Cherokee
    ("օսոհցղյԼՕՍ", "ounhgnjlou"),
    ("ᎠᎡᎢᎥᎦᎩᎪᎫᎬᎳᎷᎻᏀᏃᏎᏏᏒᏔᏙᏚᏞᏟᏢᏦᏮ", "drtisyajewmhgz4bwwvslcpk6"),
    # Latin letters with strokes, hooks and small capitals
    ("ɑɐəɡɢɩɪıłøđðħŧƀɓɖɗƒɠɦɨɭɱɲŋɔɵƥʠɾʂƭʈʉʋƴʐþ", "aaegGiiilodDhtbbddfghilmnnoopqrsttuvyzp"),
    ("ŁØĐÐĦŦŊƆÞ", "LODDHTNOP"),
    ("ᴀʙᴄᴅᴇꜰʜᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefhjklmnoprstuvwyz"),
    # Quotation marks, dashes, slashes, brackets
    ("‘’‚‛′ʼʹ＇´“”„‟″«»‹›", "'''''''''\"\"\"\"\"\"\"''"),
    ("‐‑‒–—―−⁃﹘", "---------"),
    ("⁄∕⧸∖⧹", "///\\\\"),
    ("〈〉⟨⟩❬❭❮❯˂˃", "<><><><><>"),
    ("ǀ∣⏐│┃❘⎸", "|||||||"),
    ("׃ː∶꞉", "::::"),
)
_WHOLE: Final = {"ß": "ss", "æ": "ae", "œ": "oe", "Æ": "ae", "Œ": "oe"}


def _pairs() -> Iterator[tuple[str, str]]:
    for read, meant in _LETTERS:
        yield from zip(read, meant.lower(), strict=True)
    yield from _WHOLE.items()
    # Letters in negative circles and squares, and those that pair up to flags.
    for first in (0x1F150, 0x1F170, 0x1F1E6):
        yield from ((chr(first + letter), chr(ord("a") + letter)) for letter in range(26))


CONFUSABLES: Final = dict(_pairs())

# Cyrillic and Greek letters that look Latin whatever the typeface, and Greek ones that science sets beside Latin ones.
LOOKALIKES: Final = frozenset("асеорхуіјѕԁһԛԝӏѵАВСЕНІЈКМОРЅТХУԜӀοϲϳΑΒΕΖΗΙΚΜΝΟΡΤΥΧ")
NEAR_LOOKALIKES: Final = frozenset("αβγικνρτυχωεη")
