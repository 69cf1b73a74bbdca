"""With which keys are checkpoints signed, and the data subjects' keys wrapped?

Those that the configuration names, else ones that lie in the folder for state, drawn by whichever process comes first.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gateway.audit.kept import kept_text
from gateway.audit.note import BadKey, SigningKey
from gateway.audit.subjects import MASTER_FILE, MasterKey, load_or_make_master
from gateway.domain.errors import StateUnusable
from gateway.domain.target import Secret

SIGNING_FILE: Final = "audit-signing.key"


def signing_keys(named: Sequence[Secret], state: Path, name: str) -> tuple[SigningKey, ...]:
    """The keys that sign, under ``name``; ``named`` are the configuration's, ``state`` is the folder for state.

    Raises:
        StateUnusable: a key cannot be read or made, or is called otherwise.
    """
    if named:
        return tuple([_signing_key(secret.reveal(), "a key of `audit.signing_keys`", name) for secret in named])
    path = state / SIGNING_FILE
    return (_signing_key(kept_text(path, lambda: SigningKey.draw(name).reveal()), str(path), name),)


def master_key(named: Secret | None, state: Path) -> MasterKey:
    """The key that wraps the data subjects' keys.

    Raises:
        StateUnusable: it cannot be read or made.
    """
    return load_or_make_master(state / MASTER_FILE) if named is None else MasterKey.parse(named.reveal())


def _signing_key(text: str, where: str, name: str) -> SigningKey:
    try:
        key = SigningKey.parse(text)
    except BadKey as error:
        raise StateUnusable(f"{where} cannot be used: {error}") from None
    if key.name != name:
        raise StateUnusable(
            f"{where} is called {key.name}, and `audit.name` is {name}; make them one, or name a new key in "
            "`audit.signing_keys`"
        )
    return key
