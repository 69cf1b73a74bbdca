"""What does a text say in compatibility forms (Unicode's NFKC), character by character?

Whole texts are never normalised at once: putting a long row of combining marks into order takes the square of its
length, and whoever writes the text chooses that. Marks of their own are left out, as ``text.py`` does.
"""

import unicodedata


def compatible(text: str) -> str:
    """``text`` with each character in its compatibility form, without combining marks; linear."""
    if text.isascii():
        return text
    return "".join([unicodedata.normalize("NFKC", char) for char in text if not unicodedata.combining(char)])
