import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import pytest

from gateway.activation.sources import MAX_FILES, Sources
from gateway.yamlfile.problems import InvalidConfiguration
from gateway.yamlfile.source import MAX_BYTES


class Site(Protocol):
    packs: Path
    policies: Path
    names: tuple[str, ...]
    paths: list[Path]

    def sources(self) -> Sources: ...


def refusal(sources: Sources) -> str:
    with pytest.raises(InvalidConfiguration) as caught:
        sources.read()
    return caught.value.message


def test_the_fallback_comes_first_then_packs_then_files_in_the_alphabets_order(
    site: Site, policy_text: Callable[..., str]
) -> None:
    (site.packs / "strict").mkdir()
    (site.packs / "strict" / "policy.yaml").write_text(policy_text("strict"))
    (site.policies / "a.yml").write_text("a")
    (site.policies / "notes.txt").write_text("no policy")
    (site.policies / ".hidden.yaml").write_text("no policy")
    (site.policies / "below").mkdir()
    (site.policies / "below" / "c.yaml").write_text("no policy")
    site.names = ("strict", "baseline")
    files = site.sources().read()
    assert [Path(file.file).name for file in files] == ["policy.yaml", "policy.yaml", "a.yml", "mail.yaml"]
    assert [(file.listed, file.fallback) for file in files] == [
        (True, True),
        (True, False),
        (True, False),
        (True, False),
    ]
    assert files[2].raw == b"a"


def test_a_fallback_that_is_not_named_is_read_all_the_same(site: Site) -> None:
    site.names = ()
    first = site.sources().read()[0]
    assert (first.fallback, first.listed) == (True, False)


def test_one_file_can_be_named(site: Site) -> None:
    (site.policies / "other.yaml").write_text("no policy")
    site.paths = [site.policies / "mail.yaml"]
    assert [Path(file.file).name for file in site.sources().read()] == ["policy.yaml", "mail.yaml"]


def test_an_empty_folder_is_refused_and_not_taken_for_no_policies(site: Site) -> None:
    (site.policies / "mail.yaml").unlink()
    assert "holds no policy file" in refusal(site.sources())


def test_what_is_missing_is_refused(site: Site) -> None:
    site.paths = [site.policies / "none.yaml"]
    assert "cannot be read (No such file or directory)" in refusal(site.sources())
    (site.packs / "baseline" / "policy.yaml").unlink()
    assert "baseline" in refusal(site.sources())


def test_a_pipe_is_refused_and_not_waited_for(site: Site) -> None:
    os.mkfifo(site.policies / "pipe.yaml")
    assert "is no regular file" in refusal(site.sources())


def test_more_files_than_anybody_writes_are_refused(site: Site) -> None:
    for number in range(MAX_FILES - 1):
        (site.policies / f"p{number}.yaml").write_text("x")
    assert len(site.sources().read()) == MAX_FILES + 1
    (site.policies / "one-more.yaml").write_text("x")
    assert f"more than {MAX_FILES} policy files" in refusal(site.sources())


def test_of_a_file_without_end_no_more_is_read_than_shows_that_it_is_too_large(site: Site) -> None:
    (site.policies / "large.yaml").write_bytes(b"x" * (MAX_BYTES + 100))
    assert len(site.sources().read()[1].raw) == MAX_BYTES + 1


def test_a_folder_that_cannot_be_listed_is_refused_and_has_a_signature(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "iterdir", refuse)
    assert "cannot be listed (Permission denied)" in refusal(site.sources())
    assert len(site.sources().signature()) == 3


def test_what_may_not_be_looked_at_is_refused_as_unreadable(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **_: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "is_dir", refuse)
    monkeypatch.setattr(Path, "stat", refuse)
    sources = site.sources()
    assert sources.folders() == ()
    assert len(sources.signature()) == 3
    assert "cannot be read (Permission denied)" in refusal(sources)


def test_files_that_never_stay_the_same_are_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = site.sources()
    monkeypatch.setattr(Path, "open", open_and(site.policies / "mail.yaml"))
    assert "changes while it is read" in refusal(sources)


def open_and(path: Path) -> Callable[..., object]:
    """``Path.open`` that makes the file longer each time."""
    real = Path.open

    def opened(self: Path, mode: str = "r") -> object:
        with real(path, "a") as file:
            file.write("#")
        return real(self, mode)

    return opened


def test_the_signature_changes_with_content_names_and_where_links_lead(site: Site, tmp_path: Path) -> None:
    sources = site.sources()
    seen = [sources.signature()]
    assert sources.signature() == seen[0]
    (site.policies / "mail.yaml").write_text("longer than before, or shorter")
    seen.append(sources.signature())
    (site.policies / "more.yaml").write_text("x")
    seen.append(sources.signature())
    (tmp_path / "elsewhere.yaml").write_text("x")
    (site.policies / "more.yaml").unlink()
    (site.policies / "more.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    seen.append(sources.signature())
    (site.policies / "more.yaml").unlink()
    seen.append(sources.signature())
    assert len(set(seen)) == len(seen)


def test_folders_to_watch_are_those_that_exist(site: Site, tmp_path: Path) -> None:
    site.paths = [site.policies, site.policies / "mail.yaml", tmp_path / "none" / "x.yaml"]
    assert site.sources().folders() == (site.policies, site.packs / "baseline")
