import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.configuration.tls import MountedTls
from gateway.domain.errors import ConfigError
from gateway.settings import Settings, load
from gateway.yamlfile.mounted import Looked

Load = Callable[..., Settings]
SERVER = "server: {{tls: {{{}}}}}\nmodels: {{m: {{targets: [{{provider: embedded}}]}}}}\n"
TARGET = """models: {{m: {{targets: [
  {{provider: openai_compatible, base_url: "{url}", model: m, {keys}}}]}}}}
"""
PAIR = "cert_file: mine.pem, key_file: mine.key"


@pytest.fixture
def loaded(tmp_path: Path, certify: Callable[..., Any]) -> Load:
    """Settings of a text, in a folder with an authority and what it vouches for."""
    authority = certify()
    authority.write(tmp_path, "authority")
    certify(authority).write(tmp_path, "mine")
    certify(authority).write(tmp_path, "other")
    (tmp_path / "none.pem").write_text("nothing\n")

    def settings(text: str, *, offline: bool = False) -> Settings:
        (tmp_path / "splitgate.yaml").write_text(text)
        return load(tmp_path / "splitgate.yaml", {}, offline=offline)

    return settings


def target(keys: str, url: str = "https://models.example/v1") -> str:
    return TARGET.format(keys=keys, url=url)


def test_without_tls_the_gateway_speaks_plain_http_and_targets_are_believed_as_the_system_has_it(loaded: Load) -> None:
    settings = loaded(target("format: spotlight"))
    assert settings.server.tls is None
    assert settings.models["m"].targets[0].tls is None


def test_clients_show_no_certificate_unless_their_authorities_are_named(loaded: Load) -> None:
    open_to_all, mutual = loaded(SERVER.format(PAIR)), loaded(SERVER.format(f"{PAIR}, client_ca_file: authority.pem"))
    assert open_to_all.server.tls is not None
    assert mutual.server.tls is not None
    assert open_to_all.server.tls.context.verify_mode is ssl.CERT_NONE
    assert mutual.server.tls.context.verify_mode is ssl.CERT_REQUIRED


@pytest.mark.parametrize(("text", "version"), [("1.2", ssl.TLSVersion.TLSv1_2), ("1.3", ssl.TLSVersion.TLSv1_3)])
def test_the_oldest_version_is_as_it_is_set_and_never_older_than_1_2(
    loaded: Load, text: str, version: ssl.TLSVersion
) -> None:
    tls = loaded(SERVER.format(f'{PAIR}, min_version: "{text}"')).server.tls
    assert tls is not None
    assert tls.context.minimum_version is version
    with pytest.raises(ConfigError, match="min_version"):
        loaded(SERVER.format(f'{PAIR}, min_version: "1.1"'))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("cert_file: gone.pem, key_file: mine.key", "`cert_file` holds no certificate that can be read"),
        ("cert_file: none.pem, key_file: mine.key", "`cert_file` holds no certificate that can be read"),
        ("cert_file: mine.pem, key_file: other.key", "`key_file` holds no key of that certificate's"),
        ("cert_file: mine.pem, key_file: gone.key", "`key_file` holds no key of that certificate's"),
        (f"{PAIR}, client_ca_file: none.pem", "`client_ca_file` holds no certificates that can be read"),
        ("cert_file: mine.pem", "key_file"),
    ],
)
def test_a_file_of_the_gateways_that_cannot_be_used_is_an_error(loaded: Load, keys: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loaded(SERVER.format(keys))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("ca_file: none.pem", "`ca_file` holds no certificates that can be read"),
        ("ca_file: gone.pem", "`ca_file` holds no certificates that can be read"),
        ("client_cert_file: mine.pem", "`client_cert_file` and `client_key_file` go together"),
        ("client_key_file: mine.key", "`client_cert_file` and `client_key_file` go together"),
        ("client_cert_file: none.pem, client_key_file: mine.key", "`client_cert_file` holds no certificate"),
        ("client_cert_file: mine.pem, client_key_file: other.key", "`client_key_file` holds no key of that"),
    ],
)
def test_a_file_of_a_targets_that_cannot_be_used_is_an_error(loaded: Load, keys: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loaded(target(keys))


def test_a_target_has_authorities_and_a_certificate_of_its_own(loaded: Load) -> None:
    settings = loaded(target("ca_file: authority.pem, client_cert_file: mine.pem, client_key_file: mine.key"))
    tls = settings.models["m"].targets[0].tls
    assert tls is not None
    assert tls.context.verify_mode is ssl.CERT_REQUIRED
    assert tls.context.check_hostname
    # That one authority, and none of the system's.
    assert len(tls.context.get_ca_certs()) == 1
    assert [one.name for one in settings.mounted] == ["models.m.targets.0"]


def test_certificates_mean_nothing_where_nothing_is_encrypted(loaded: Load) -> None:
    with pytest.raises(ConfigError, match="`ca_file` means nothing without https"):
        loaded(target("ca_file: authority.pem", "http://models.example/v1"))
    with pytest.raises(ConfigError, match="`ca_file` means nothing to the embedded provider"):
        loaded("models: {m: {targets: [{provider: embedded, ca_file: authority.pem}]}}")


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(loaded: Load, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        BestAvailableEncryption,
        Encoding,
        PrivateFormat,
        load_pem_private_key,
    )

    key = load_pem_private_key((tmp_path / "mine.key").read_bytes(), None)
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"planted"))
    (tmp_path / "mine.key").write_bytes(locked)
    with pytest.raises(ConfigError, match="without a passphrase"):
        loaded(SERVER.format(PAIR))


def test_where_credentials_are_not_read_neither_are_certificates(loaded: Load) -> None:
    text = SERVER.format("cert_file: gone.pem, key_file: gone.key")
    assert loaded(text, offline=True).server.tls is not None
    assert loaded(target("ca_file: gone.pem"), offline=True).models["m"].targets[0].tls is None


def test_a_new_pair_makes_a_new_context_and_half_a_pair_none(
    loaded: Load, tmp_path: Path, certify: Callable[..., Any]
) -> None:
    settings = loaded(SERVER.format(PAIR))
    (tls,) = settings.mounted
    assert isinstance(tls, MountedTls)
    before, issued = tls.context, certify(days=9)
    (tmp_path / "mine.pem").write_bytes(issued.cert)
    assert [tls.refresh() for _ in range(3)] == [Looked.SAME, Looked.UNUSABLE, Looked.SAME]
    assert (tls.context, tls.stale) == (before, True)
    (tmp_path / "mine.key").write_bytes(issued.key)
    assert [tls.refresh() for _ in range(2)] == [Looked.SAME, Looked.CHANGED]
    assert tls.context is not before
    assert (tls.ends, tls.stale) == (issued.ends, False)


@pytest.mark.parametrize("name", ["mine.pem", "mine.key", "authority.pem"])
def test_a_pipe_in_the_place_of_a_file_is_waited_for_by_nobody(loaded: Load, tmp_path: Path, name: str) -> None:
    text = SERVER.format(f"{PAIR}, client_ca_file: authority.pem")
    (tls,) = loaded(text).mounted
    (tmp_path / name).rename(tmp_path / "aside")
    os.mkfifo(tmp_path / name)
    assert [tls.refresh() for _ in range(2)] == [Looked.SAME, Looked.UNUSABLE]
    with pytest.raises(ConfigError, match="that can be read"):
        loaded(text)
    (tmp_path / "aside").replace(tmp_path / name)
    assert [tls.refresh() for _ in range(2)] == [Looked.SAME, Looked.AGAIN]
