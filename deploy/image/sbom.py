"""Which components is the gateway made of? A CycloneDX 1.6 list in JSON, made from a lock file.

``python sbom.py FILE.lock [VERSION]`` prints it. The same lock gives the same bytes: there is no time in it, and its
serial number is drawn from its content. A component's hashes are those of the files that the lock allows for it; which
of them was taken depends on the platform. Standard library only: it runs in the image's build.
"""

import json
import re
import sys
import uuid
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Final, TypeAlias

from parts import entries

Json: TypeAlias = dict[str, object]

_PIN: Final = re.compile(r"[A-Za-z0-9._-]+==(?P<version>[^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")
# What serial numbers are drawn in: any fixed one does.
_SPACE: Final = uuid.UUID("6f2b1a52-52a5-4b0e-9d6f-0b7f1f0a6c11")


def bill(lock: str, version: str) -> Json:
    """The list for ``lock``; ``version`` is the gateway's own.

    Raises:
        ValueError: an entry of the lock has no exact version, or no hash.
    """
    components = sorted((_component(name, entry) for name, entry in entries(lock)), key=lambda one: str(one["bom-ref"]))
    gateway = f"pkg:pypi/splitgate@{version}"
    serial = uuid.uuid5(_SPACE, json.dumps([gateway, components], sort_keys=True))
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{serial}",
        "version": 1,
        "metadata": {
            "component": {
                "type": "application",
                "bom-ref": gateway,
                "name": "splitgate",
                "version": version,
                "purl": gateway,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
            }
        },
        "components": components,
        "dependencies": [{"ref": gateway, "dependsOn": [one["bom-ref"] for one in components]}],
    }


def _component(name: str, entry: str) -> Json:
    pin = _PIN.match(entry)
    digests = sorted(_HASH.findall(entry))
    if pin is None or not digests:
        raise ValueError(f"{name}: the lock must give one version and the hashes of its files")
    purl = f"pkg:pypi/{name}@{pin['version']}"
    files: Json = {
        "type": "distribution",
        "url": purl,
        "comment": "the files that the lock allows",
        "hashes": [{"alg": "SHA-256", "content": digest} for digest in digests],
    }
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": pin["version"],
        "purl": purl,
        "externalReferences": [files],
    }


def main(arguments: Sequence[str]) -> None:
    """Print the list; without a version, that of the installed gateway."""
    lock, *rest = arguments
    version = rest[0] if rest else metadata.version("splitgate")
    sys.stdout.write(json.dumps(bill(Path(lock).read_text(encoding="utf-8"), version), indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
