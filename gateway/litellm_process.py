"""What is the litellm process started with?

With its targets' credentials and nothing else of this gateway's: it is told them through a pipe, and through another
one what they are when their files have changed. The variables it gets are a few of ours and a few that keep litellm
from looking around. The supervisor alone uses this; workers know no more of that process than its socket.
"""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import orjson

from gateway.domain.target import Target
from gateway.settings import Settings
from gateway.supervisor.config import OnDemand
from gateway.yamlfile.mounted import Looked
from gateway.yamlfile.secrets import MountedSecret

SOCKET: Final = "SPLITGATE_LITELLM_SOCKET"

# Where programs, libraries, certificate authorities and temporary files are, and how text is written.
_KEPT: Final = (
    *("PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "VIRTUAL_ENV", "TMPDIR"),
    *("LANG", "LC_ALL", "LC_CTYPE", "SSL_CERT_FILE", "SSL_CERT_DIR"),
)
# Set before litellm is imported. It would read a .env file, fetch its price list, and send usage figures.
_SET: Final[Mapping[str, str]] = {
    "HOME": "/nonexistent",
    "NETRC": "/dev/null",
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_MODE": "PRODUCTION",
    "LITELLM_TELEMETRY": "False",
    "LITELLM_LOG": "CRITICAL",
    # It ends a stream in which the same piece comes a hundred times in a row: a table's lines may.
    "REPEATED_STREAMING_CHUNK_LIMIT": "1000000",
    # Shorter than what vendors keep an idle connection for: a request on a dead one is lost.
    "AIOHTTP_KEEPALIVE_TIMEOUT": "30",
    "HF_HUB_OFFLINE": "1",
    # As in every other process: none are installed, and looking for them among all packages takes its time.
    "PYDANTIC_DISABLE_PLUGINS": "__all__",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
# What formats put into a request beside messages and tools.
_FIELDS: Final[Mapping[str, frozenset[str]]] = {"cohere-documents": frozenset({"documents"})}


def litellm_process(settings: Settings, environ: Mapping[str, str]) -> OnDemand | None:
    """The process, if any target is to be called by it; ``environ`` are this process's variables."""
    targets = [target for model in settings.models.values() for target in model.targets if target.translated]
    if not targets:
        return None
    return OnDemand(
        name="the litellm process",
        key="litellm",
        command=[sys.executable, "-m", "adapters.litellm"],
        variable=SOCKET,
        environ={**{name: environ[name] for name in _KEPT if name in environ}, **_SET},
        told=written(targets),
        again=_again(targets),
    )


def _again(targets: Sequence[Target]) -> Callable[[], bytes | None] | None:
    """What is to be told instead, once a file that holds one of the credentials has changed."""
    told = [target.translated for target in targets if target.translated is not None]
    mounted = [one for each in told for one in each.credentials.values() if isinstance(one, MountedSecret)]
    if not mounted:
        return None

    def look() -> bytes | None:
        looked = [one.refresh() for one in mounted]
        return written(targets) if Looked.CHANGED in looked else None

    return look


def written(targets: Iterable[Target]) -> bytes:
    """What the process reads: each target's id, names, address, credentials, and the fields it takes beside chat's.

    ``private`` and ``networks`` say where the address may lead.
    """
    return orjson.dumps([
        {
            "id": target.id,
            "model": told.model,
            "embeddings": told.embeddings,
            "address": told.address,
            "private": target.addresses.private,
            "networks": target.addresses.networks,
            "credentials": {name: secret.reveal() for name, secret in told.credentials.items()},
            "fields": sorted(target.extra_params | _FIELDS.get(target.format, frozenset())),
        }
        for target in targets
        if (told := target.translated) is not None
    ])  # fmt: skip
