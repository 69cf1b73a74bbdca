"""Which policies a configuration names, and where state is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.configuration import build
from gateway.configuration.packs import PACKS, shipped
from gateway.configuration.values import PolicySettings
from gateway.settings import Settings, load
from gateway.yamlfile.problems import Problem

SettingsOf = Callable[..., Settings]
Problems = Callable[..., tuple[Problem, ...]]

MODELS = "models: {m: {targets: [{provider: embedded}]}}\n"


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packs, whatever ships."""
    for name in ("baseline", "strict"):
        (tmp_path / "packs" / name).mkdir(parents=True)
        (tmp_path / "packs" / name / "policy.yaml").touch()
    monkeypatch.setattr(build, "shipped", lambda: shipped(tmp_path / "packs"))


def test_without_a_word_the_baseline_is_in_force_and_watched(settings_of: SettingsOf) -> None:
    assert settings_of(MODELS).policies == PolicySettings(packs=("baseline",), paths=(), watch=True)
    assert load(None, {}).policies == PolicySettings(packs=("baseline",), paths=(), watch=True)


def test_paths_count_from_the_files_folder(settings_of: SettingsOf, tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir()
    settings = settings_of(f"policies: {{packs: [], paths: [ours, {tmp_path}], watch: false}}\n{MODELS}")
    assert settings.policies == PolicySettings(packs=(), paths=(tmp_path / "ours", tmp_path), watch=False)
    assert settings.warnings == ()


@pytest.mark.usefixtures("packs")
def test_packs_are_named_as_they_ship(settings_of: SettingsOf, problems_of: Problems) -> None:
    assert settings_of(f"policies: {{packs: [strict, baseline]}}\n{MODELS}").policies.packs == ("strict", "baseline")
    (problem,) = problems_of(f"policies:\n  packs: [baseline, strikt]\n{MODELS}")
    assert (problem.line, problem.column) == (2, 21)
    assert "no pack is called `strikt`; did you mean `strict`?" in problem.message
    (problem,) = problems_of(f"policies: {{packs: [mine]}}\n{MODELS}")
    assert "there are baseline, strict; files of your own go into `policies.paths`" in problem.message


@pytest.mark.usefixtures("packs")
@pytest.mark.parametrize("name", ["..", "../baseline", "a/b", "'.'"])
def test_a_pack_is_a_name_and_no_path(problems_of: Problems, name: str) -> None:
    assert len(problems_of(f"policies: {{packs: [{name}]}}\n{MODELS}")) == 1


@pytest.mark.usefixtures("packs")
def test_nothing_is_named_twice(problems_of: Problems, tmp_path: Path) -> None:
    (problem,) = problems_of(f"policies: {{packs: [strict, strict]}}\n{MODELS}")
    assert "the pack `strict` stands twice" in problem.message
    (tmp_path / "p.yaml").touch()
    (problem,) = problems_of(f"policies: {{paths: [p.yaml, {tmp_path}/p.yaml]}}\n{MODELS}")
    assert "the same path stands twice" in problem.message


def test_a_path_that_is_not_there_is_warned_of_because_a_copy_may_stand_in(settings_of: SettingsOf) -> None:
    (warning,) = settings_of(f"policies: {{paths: [none]}}\n{MODELS}").warnings
    assert ":1:20: there is no such file or folder" in warning


def test_a_path_that_may_not_be_looked_at_is_warned_of_too(
    settings_of: SettingsOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "exists", refuse)
    assert len(settings_of(f"policies: {{paths: [p]}}\n{MODELS}").warnings) == 1


def test_packs_lie_in_the_package() -> None:
    assert PACKS.is_dir()
    assert PACKS.parent.name == "policies"


def test_state_has_a_folder_of_the_files_own(settings_of: SettingsOf, tmp_path: Path) -> None:
    one = settings_of(MODELS, {"HOME": "/home/u"}).state_dir
    assert one.parent == Path("/home/u/.local/state/splitgate")
    (tmp_path / "other.yaml").write_text(MODELS)
    assert load(tmp_path / "other.yaml", {"HOME": "/home/u"}).state_dir not in (one, one.parent)
    assert settings_of(MODELS, {"HOME": "/home/u"}).state_dir == one


@pytest.mark.rows
@pytest.mark.parametrize(
    ("environ", "parent"),
    [
        ({"HOME": "/home/u", "XDG_STATE_HOME": "/state"}, "/state/splitgate"),
        ({"HOME": "/home/u", "XDG_STATE_HOME": "relative"}, "/home/u/.local/state/splitgate"),
        ({"HOME": ""}, "/var/lib/splitgate"),
        ({}, "/var/lib/splitgate"),
    ],
)
def test_the_folder_follows_the_environment(settings_of: SettingsOf, environ: dict[str, str], parent: str) -> None:
    assert settings_of(MODELS, environ).state_dir.parent == Path(parent)


def test_a_named_folder_is_taken_as_it_is(settings_of: SettingsOf, tmp_path: Path) -> None:
    assert settings_of(f"state_dir: state\n{MODELS}").state_dir == tmp_path / "state"
    assert settings_of(f"state_dir: /var/state\n{MODELS}").state_dir == Path("/var/state")
