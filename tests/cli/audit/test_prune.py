import json
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
from typer.testing import Result

Splitgate = Callable[..., Result]
Recorded: TypeAlias = Any
Prune = Callable[..., Result]

SINK = "  ship: [{name: siem, kind: directory, path: siem}]\n"
NOW = "0s"


@pytest.fixture
def prune(splitgate: Splitgate, recorded: Recorded) -> Prune:
    def run(before: str, *more: str) -> Result:
        return splitgate("audit", "prune", "--config", str(recorded.config), "--before", before, *more)

    return run


def journals(recorded: Recorded) -> list[str]:
    return [epoch.epoch for epoch in recorded.places.epochs() if epoch.journal.exists()]


def test_what_is_old_goes_and_the_rest_stays_provable(
    recorded: Recorded, prune: Prune, verified: Callable[[], Result]
) -> None:
    (epoch,) = recorded.places.epochs()
    result = prune(NOW)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"pruned: {epoch.epoch}: ")
    assert (epoch.journal.exists(), epoch.blobs.exists(), epoch.checkpoints.exists()) == (False, False, True)
    report = verified()
    assert (report.exit_code, "WHOLE" in report.stdout) == (0, True)
    # The epoch of the command itself answers for it.
    (own,) = journals(recorded)
    last = json.loads((recorded.places.registry / "00000004").read_bytes().partition(b"\n")[0])
    assert (last["entry"], last["epoch"], last["by"]) == ("pruned", epoch.epoch, own)


def test_what_is_young_stays(recorded: Recorded, prune: Prune) -> None:
    result = prune("1h")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "nothing to prune\n")
    assert len(journals(recorded)) == 1


def test_a_dry_run_takes_nothing_away(recorded: Recorded, prune: Prune) -> None:
    before = sorted(recorded.places.root.rglob("*"))
    result = prune(NOW, "--dry-run")
    assert (result.exit_code, result.stdout.startswith("would be pruned: ")) == (0, True)
    assert sorted(recorded.places.root.rglob("*")) == before


def test_what_a_sink_did_not_get_stays_unless_forced(recorded: Recorded, prune: Prune) -> None:
    text = recorded.config.read_text(encoding="utf-8")
    recorded.config.write_text(text.replace("  dir: journals\n", f"  dir: journals\n{SINK}"), encoding="utf-8")
    result = prune(NOW)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "siem lacks" in result.stderr
    assert len(journals(recorded)) == 1
    assert prune(NOW, "--force-unshipped").exit_code == 0
    assert len(journals(recorded)) == 1


def test_what_is_not_as_it_was_signed_stays_as_evidence(
    recorded: Recorded, prune: Prune, verified: Callable[[], Result]
) -> None:
    (epoch,) = recorded.places.epochs()
    epoch.journal.write_bytes(epoch.journal.read_bytes().replace(b'"status":404', b'"status":200'))
    result = prune(NOW)
    assert (result.exit_code, f"stays: {epoch.epoch}: " in result.stderr) == (1, True)
    assert epoch.journal.exists()
    assert verified().exit_code == 1


def test_what_was_cut_short_is_finished(recorded: Recorded, prune: Prune, verified: Callable[[], Result]) -> None:
    (epoch,) = recorded.places.epochs()
    content = epoch.journal.read_bytes()
    prune(NOW)
    epoch.journal.write_bytes(content)
    result = prune("1h")
    assert (result.exit_code, f"finished: {epoch.epoch}" in result.stderr) == (0, True)
    assert not epoch.journal.exists()
    assert verified().exit_code == 0


def test_what_an_earlier_key_signed_goes_once_the_key_is_named(recorded: Recorded, prune: Prune) -> None:
    earlier = str(recorded.places.public_key.read_text(encoding="utf-8")).strip()
    (recorded.settings.state_dir / "audit-signing.key").unlink()
    result = prune(NOW)
    assert (result.exit_code, "none of the keys" in result.stderr) == (1, True)
    assert prune(NOW, "--key", earlier).exit_code == 0
    assert prune(NOW, "--key", "no key").exit_code == 2


def test_wrong_usage_is_told(splitgate: Splitgate, recorded: Recorded, prune: Prune) -> None:
    assert prune("yesterday").exit_code == 2
    assert splitgate("audit", "prune", "--config", str(recorded.config)).exit_code == 2


def test_a_folder_that_cannot_be_read_is_told(recorded: Recorded, prune: Prune) -> None:
    (epoch,) = recorded.places.epochs()
    epoch.checkpoints.unlink()
    epoch.checkpoints.mkdir()
    result = prune(NOW)
    assert (result.exit_code, "cut short at " in result.stderr) == (1, True)
    assert epoch.journal.exists()
