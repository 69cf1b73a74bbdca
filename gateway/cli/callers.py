"""Whom does a command mean by the name of a key?"""

from gateway.access.key_file import NO_KEYS, KeyFile
from gateway.cli.told import WRONG, CommandFailed
from gateway.domain.identity import ANONYMOUS, Caller, Key
from gateway.settings import Settings


def caller_named(settings: Settings, name: str | None) -> Caller:
    """The holder of the key ``name``; nobody in particular for None.

    Raises:
        CommandFailed: there is no such key.
        ConfigError: the key file cannot be used.
    """
    if name is None:
        return ANONYMOUS
    keys = all_keys(settings)
    for key in keys:
        if key.caller.key == name:
            return key.caller
    known = ", ".join(dict.fromkeys(key.caller.key for key in keys)) or "none"
    raise CommandFailed(f"no key has this name; there are: {known}", code=WRONG)


def all_keys(settings: Settings) -> tuple[Key, ...]:
    """The configuration's keys, and those of its key file.

    Raises:
        ConfigError: the key file cannot be used.
    """
    if settings.keys_file is None:
        return settings.keys
    file = KeyFile(settings.keys_file, settings)
    raw = file.read()
    return (*settings.keys, *(NO_KEYS if raw is None else file.parse(raw)).keys)
