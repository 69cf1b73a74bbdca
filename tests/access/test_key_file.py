import os
from collections.abc import Callable
from math import inf
from pathlib import Path

import pytest

from gateway.access import key_file
from gateway.access.key_file import KeyFile, means_something
from gateway.domain.errors import ConfigError
from gateway.domain.identity import Caller, Role
from gateway.settings import Settings
from gateway.yamlfile.problems import InvalidConfiguration

Digest = Callable[[str], str]
Line = Callable[..., str]
DAY = "2030-01-01T00:00:00Z"
A, B, C = "ab" * 32, "cd" * 32, "ef" * 32


@pytest.fixture
def file(settings_of: Callable[..., Settings]) -> KeyFile:
    """The key file beside a configuration that has an issuer ``corp``, and itself the key ``fixed``."""
    settings = settings_of(
        f"keys_file: keys.jsonl\nkeys: [{{name: fixed, id: sg-0, sha256: {B}}}]\n"
        "auth: {oidc: [{name: corp, issuer: 'https://login.example', audience: [a]}]}\n"
    )
    assert settings.keys_file is not None
    return KeyFile(settings.keys_file, settings)


def test_a_line_is_an_entry_and_comments_and_blank_lines_mean_nothing(
    file: KeyFile, line: Line, digest: Digest
) -> None:
    text = f"# of the web team\n\n{line('a', tenant='t')}\r\n   \n{line('b', roles=['auditor'])}\n"
    first, second = file.parse(b"\xef\xbb\xbf" + text.encode()).keys
    assert (first.caller, first.sha256) == (Caller(key="a", tenant="t"), digest("a"))
    assert second.caller.roles == {Role.AUDITOR}
    assert (first.not_before, first.expires, first.revoked) == (-inf, inf, False)


def test_several_digests_stand_for_one_entry_each_with_its_own_time(file: KeyFile, line: Line) -> None:
    digests = [
        {"id": "sg-1", "sha256": A, "created": "2029-01-01T00:00:00Z", "expires": "2030-01-01T00:00:00Z"},
        {"id": "sg-2", "sha256": C, "not_before": "2029-12-01T00:00:00Z", "revoked": "2029-12-02T00:00:00Z"},
    ]
    old, new = file.parse(line("a", digests=digests, expires="2031-01-01T00:00:00Z").encode()).keys
    assert (old.caller.key, old.caller.secret, new.caller.key, new.caller.secret) == ("a", "sg-1", "a", "sg-2")
    assert (old.expires, old.revoked) == (1893456000.0, False)
    assert (new.not_before, new.expires, new.revoked) == (1890777600.0, 1924992000.0, True)


def test_an_entry_that_is_revoked_is_so_with_all_its_digests(file: KeyFile, line: Line) -> None:
    both = [{"sha256": A}, {"sha256": C}]
    keys = file.parse(line("a", digests=both, revoked="2029-01-01T00:00:00Z").encode()).keys
    assert [key.revoked for key in keys] == [True, True]


def test_models_are_those_configured_that_the_globs_mean(file: KeyFile, line: Line) -> None:
    text = "\n".join([line("a", models=["team-*"]), line("b", models=["gone"]), line("c"), line("d", routes=["spl*"])])
    a, b, c, d = (key.caller for key in file.parse(text.encode()).keys)
    assert (a.models, b.models, c.models, d.models) == ({"team-a"}, frozenset(), None, None)
    assert (c.routes, d.routes) == (None, {"split"})


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ("no JSON", "is no entry"),
        ("[1]", "is no entry"),
        ('{"name": "a", "name": "b"}', "is no entry"),
        ('{"name": "x"}', "give either `sha256` or `digests`"),
        (f'{{"name": "x", "sha256": "{A}", "digests": [{{"sha256": "{C}"}}]}}', "give either `sha256` or `digests`"),
        (f'{{"name": "first", "sha256": "{A}"}}', "the key name `first` stands twice"),
        (f'{{"name": "fixed", "sha256": "{A}"}}', "the key name `fixed` stands twice"),
        (f'{{"name": "x", "sha256": "{B.upper()}"}}', "the same key's digest stands twice"),
        (f'{{"name": "x", "id": "sg-0", "sha256": "{A}"}}', "the key id `sg-0` stands twice"),
        (f'{{"name": "corp:x", "sha256": "{A}"}}', "names that begin with `corp:` are those of `auth.oidc`"),
        ('{"name": "x", "sha256": "planted"}', "`sha256` must be the SHA-256 of a key"),
        (f'{{"name": "x", "sha256": "{A}", "admin": true}}', "there is no key `admin` here"),
        (f'{{"name": "x", "sha256": "{A}", "roles": ["root"]}}', "`keys[1].roles[0]` must be 'app'"),
        (f'{{"name": "x", "sha256": "{A}", "roles": []}}', "`keys[1].roles` must not be empty"),
        (f'{{"name": "x", "sha256": "{A}", "routes": ["splti"]}}', "no route is called `splti`; did you mean `split`?"),
        (f'{{"name": "x", "sha256": "{A}", "routes": ["z*"]}}', "no route matches `z*`"),
        (f'{{"name": "x", "sha256": "{A}", "expires": "tomorrow"}}', "`expires` must be a moment with its zone"),
        (f'{{"name": "x", "sha256": "{A}", "revoked": "yes"}}', "`revoked` must be a moment with its zone"),
        (
            f'{{"name": "x", "sha256": "{A}", "not_before": "{DAY}", "expires": "{DAY}"}}',
            "it would end before it begins",
        ),
        (f'{{"name": "x", "id": "sg-9", "digests": [{{"sha256": "{A}"}}]}}', "with `digests` each of them has its own"),
        ('{"name": "x", "digests": [{"id": "sg-9"}]}', "the key `sha256` is missing here"),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_line_and_without_what_may_be_a_key(
    file: KeyFile, line: Line, entry: str, fault: str
) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        file.parse(f"{line('first')}\n#\n{entry}\n".encode())
    (problem,) = caught.value.problems
    assert (problem.line, problem.message[: len(fault)]) == (3, fault)
    assert "planted" not in f"{problem.message} {problem.excerpt}"


def test_no_name_of_a_token_is_foreseen_by_a_name_that_only_resembles_it(file: KeyFile, line: Line) -> None:
    text = "\n".join([line("corp"), line("corps:x"), line("x:corp")])
    assert len(file.parse(text.encode()).keys) == 3


def test_bytes_that_are_no_text_are_refused(file: KeyFile) -> None:
    with pytest.raises(InvalidConfiguration, match="UTF-8"):
        file.parse(b"\xff")


def test_a_file_that_is_not_there_is_none(file: KeyFile) -> None:
    assert (file.read(), file.signature()) == (None, None)


def test_a_file_that_anybody_may_write_is_not_believed(file: KeyFile, line: Line) -> None:
    file.path.write_text(line("a"))
    for mode in (0o666, 0o602):
        file.path.chmod(mode)
        with pytest.raises(ConfigError, match="chmod o-w"):
            file.read()
    file.path.chmod(0o664)
    assert file.read() == line("a").encode()


def test_what_is_no_file_or_far_too_large_is_refused(file: KeyFile, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(file.path)
    with pytest.raises(ConfigError, match="no regular file"):
        file.read()
    file.path.unlink()
    file.path.write_bytes(b"12345")
    monkeypatch.setattr(key_file, "MAX_BYTES", 4)
    with pytest.raises(ConfigError, match="larger than 4 bytes"):
        file.read()
    monkeypatch.setattr(key_file, "MAX_BYTES", 5)
    assert file.read() == b"12345"


def test_a_file_below_no_folder_says_what_is_wrong(file: KeyFile, tmp_path: Path) -> None:
    (tmp_path / "keys.jsonl").mkdir()
    with pytest.raises(ConfigError):
        file.read()


def test_its_signature_changes_with_it_and_with_the_links_that_lead_there(file: KeyFile, tmp_path: Path) -> None:
    for version in ("one", "two"):
        (tmp_path / version).mkdir()
        (tmp_path / version / "keys").write_text("")
    data = tmp_path / "data"
    data.symlink_to("one")
    file.path.symlink_to("data/keys")
    before = file.signature()
    assert file.signature() == before
    data.unlink()
    data.symlink_to("two")
    linked = file.signature()
    assert linked != before
    (tmp_path / "two" / "keys").write_text("#")
    assert file.signature() != linked


@pytest.mark.rows
@pytest.mark.parametrize(("text", "means"), [("{}", True), ("", False), (" \t", False), ("# {}", False), (" #", True)])
def test_only_a_line_that_begins_with_the_sign_is_a_comment(text: str, means: bool) -> None:
    assert means_something(text) is means
