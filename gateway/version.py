"""Which version of Splitgate is this?

Written here as in ``pyproject.toml``, and a test holds both to one: to ask the installed package takes the standard
library's parser of mail, which would be a twentieth of the supervisor's start.
"""

from typing import Final

VERSION: Final = "0.1.0"
