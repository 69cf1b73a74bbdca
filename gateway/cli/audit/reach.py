"""Where are the journals that a command is about, and which keys open or sign what they speak of?"""

import os
from pathlib import Path

from gateway.audit.keys import master_key, signing_keys
from gateway.audit.log import Log
from gateway.audit.marks import Marks, marks_folder
from gateway.audit.places import Places
from gateway.audit.subjects import MASTER_FILE, MasterKey
from gateway.cli.told import WRONG, CommandFailed
from gateway.configuration.values import Settings
from gateway.settings import load
from gateway.yamlfile.secrets import Surroundings, resolve


def journals(given: Path | None, config: Path | None) -> Places:
    """The folder that was named, else that of the configuration, of which no credential is read.

    Raises:
        CommandFailed: there is no such folder.
        ConfigError: the configuration cannot be used.
    """
    folder = load(config, os.environ, offline=True).audit.dir if given is None else given
    if not folder.is_dir():
        asked = "name the folder of the journals" if given is None else "name an existing folder"
        raise CommandFailed(f"there are no journals at {folder}; {asked}", code=WRONG)
    return Places(folder)


def opening_key(reference: str | None, config: Path | None) -> MasterKey:
    """The master key that was named, else that of the configuration. None is made.

    Raises:
        CommandFailed: there is none.
        ConfigError: the configuration cannot be used.
        StateUnusable: the key cannot be used.
    """
    if reference is not None:
        try:
            return MasterKey.parse(resolve(reference, Surroundings(environ=os.environ, folder=Path())).reveal())
        except ValueError as error:
            raise CommandFailed(f"--master-key: {error}", code=WRONG) from None
    return configured_key(load(config, os.environ))


def configured_key(settings: Settings) -> MasterKey:
    """The master key of a configuration. None is made.

    Raises:
        CommandFailed: there is none.
        StateUnusable: the key cannot be used.
    """
    if settings.audit.master_key is None and not os.path.lexists(settings.state_dir / MASTER_FILE):
        raise CommandFailed(
            f"there is no master key at {settings.state_dir / MASTER_FILE}; name the configuration by --config, or the "
            "key by --master-key",
            code=WRONG,
        )
    return master_key(settings.audit.master_key, settings.state_dir)


def pseudonym(tenant: str | None, subject: str, reference: str | None, config: Path | None) -> str:
    """What records call the subject.

    Raises:
        CommandFailed: no tenant is named, or there is no master key.
        ConfigError: the configuration cannot be used.
        StateUnusable: the key cannot be used.
    """
    if tenant is None:
        raise CommandFailed("--subject needs --tenant: the same name is another subject for each tenant", code=WRONG)
    return opening_key(reference, config).pseudonym(tenant, subject)


def own_log(settings: Settings) -> Log:
    """The log of a configuration, for commands that write records of their own.

    Raises:
        CommandFailed: there are no journals yet, or they are another user's.
        StateUnusable: the keys that sign cannot be used.
    """
    audit = settings.audit
    if not audit.dir.is_dir():
        raise CommandFailed(f"there are no journals at {audit.dir}; name the configuration by --config", code=WRONG)
    if audit.dir.stat().st_uid != os.geteuid():
        # What another user wrote there the gateway could not read.
        raise CommandFailed(f"run this as the user who owns {audit.dir}: the gateway's own", code=WRONG)
    keys = signing_keys(audit.signing_keys, settings.state_dir, audit.name)
    marks = Marks(marks_folder(settings.state_dir, audit.dir))
    return Log(places=Places(audit.dir), name=audit.name, keys=keys, marks=marks, also=audit.earlier_keys)
