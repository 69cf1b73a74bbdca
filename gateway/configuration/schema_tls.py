"""Which keys may stand in the configuration for TLS, of the gateway's own and towards targets?"""

from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from gateway.configuration.section import Section

FileName: TypeAlias = Annotated[str, Field(min_length=1, max_length=4096)]
CaFile: TypeAlias = Annotated[
    FileName | None,
    Field(description="Authorities (PEM) that this target's certificate must come from, instead of the system's."),
]
ClientCertFile: TypeAlias = Annotated[
    FileName | None,
    Field(description="The certificate (PEM) that this target is shown, with those up to its authority."),
]
ClientKeyFile: TypeAlias = Annotated[FileName | None, Field(description="Its private key (PEM), without a passphrase.")]


class ServerTlsSection(Section):
    """TLS, ended by the gateway itself. Changed files are taken up while it runs; without this it speaks plain HTTP."""

    cert_file: FileName = Field(
        description="The certificate and those between it and its authority (PEM). Relative paths count from the "
        "configuration file's folder."
    )
    key_file: FileName = Field(description="Its private key (PEM), without a passphrase.")
    client_ca_file: FileName | None = Field(
        default=None,
        description="Authorities (PEM) that clients' certificates must come from: who shows none is not let in. It "
        "stands beside keys, not in their place.",
    )
    min_version: Literal["1.2", "1.3"] = Field(default="1.2", description="The oldest version of TLS that is spoken.")
