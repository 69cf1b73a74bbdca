import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import Result

from gateway.audit.search import Passed, Wanted, found
from gateway.cli.audit.when import moment, shown, shown_exactly
from gateway.cli.told import CommandFailed

Splitgate = Callable[..., Result]
Recorded: TypeAlias = Any


def test_records_are_listed_one_a_line_within_100_columns(splitgate: Splitgate, recorded: Recorded) -> None:
    result = splitgate("audit", "query", str(recorded.settings.audit.dir), "--request", recorded.request)
    heading, intent, outcome = result.stdout.rstrip("\n").split("\n")
    assert heading.split() == ["time", "phase", "request", "tenant", "model", "decision", "rules"]
    assert re.fullmatch(
        r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ intent    abababab  acme       local          redact         secrets", intent
    )
    assert outcome.split()[1:] == ["outcome", "abababab", "acme", "local", "allow", "200"]
    assert max(len(line) for line in (heading, intent, outcome)) <= 100
    assert result.exit_code == 0


def test_json_lines_are_the_records_own(splitgate: Splitgate, recorded: Recorded) -> None:
    result = splitgate("audit", "query", "--config", str(recorded.config), "--format", "jsonl")
    journals = [epoch.journal.read_text(encoding="utf-8") for epoch in recorded.places.epochs()]
    assert result.stdout == "".join(journals)
    everything = splitgate("audit", "query", "--config", str(recorded.config), "--format", "json")
    assert json.loads(everything.stdout) == [json.loads(line) for line in result.stdout.splitlines()]
    assert len(splitgate("audit", "query", "-c", str(recorded.config), "--format", "jsonl", "--limit", "2")
               .stdout.splitlines()) == 2  # fmt: skip


def test_nothing_found_is_an_answer(splitgate: Splitgate, recorded: Recorded) -> None:
    folder = str(recorded.settings.audit.dir)
    result = splitgate("audit", "query", folder, "--format", "json", "--tenant", "nobody")
    assert (result.exit_code, result.stdout) == (0, "[]\n")
    assert len(splitgate("audit", "query", folder, "--tenant", "nobody").stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "count"),
    [
        (("--tenant", "acme"), 2), (("--tenant", "other"), 1), (("--rule", "base/secrets"), 1), (("--rule", "base"), 0),
        (("--decision", "redact"), 1), (("--phase", "outcome"), 2), (("--model", "local"), 2),
        (("--since", "1h", "--phase", "intent"), 1), (("--until", "1h"), 0), (("--since", "2001-01-01T00:00:00Z"), 8),
        (("--tenant", "acme", "--subject", "bob"), 2), (("--tenant", "other", "--subject", "bob"), 0),
    ],
)  # fmt: skip
def test_records_are_chosen_by_options(
    splitgate: Splitgate, recorded: Recorded, options: tuple[str, ...], count: int
) -> None:
    result = splitgate("audit", "query", "--config", str(recorded.config), "--format", "jsonl", *options)
    expected = count if options[0] != "--since" or len(options) > 2 else _records(recorded)
    assert (result.exit_code, len(result.stdout.splitlines())) == (0, expected)


def _records(recorded: Recorded) -> int:
    return len(list(found(recorded.places, Wanted(), Passed())))


def test_a_subject_is_found_by_a_master_key_that_is_named(
    splitgate: Splitgate, recorded: Recorded, tmp_path: Path
) -> None:
    folder = str(recorded.settings.audit.dir)
    chosen = ("audit", "query", folder, "--tenant", "acme", "--subject", "bob", "--format", "jsonl")
    assert len(splitgate(*chosen, "--master-key", "file:state/audit-master.key").stdout.splitlines()) == 2
    for wrong in (("--master-key", "file:nowhere"), ("--master-key", "secret"), ()):
        refused = splitgate(*chosen, *wrong, "--config", _other(tmp_path))
        assert (refused.exit_code, refused.stdout) == (2, "")
    refused = splitgate("audit", "query", folder, "--subject", "bob")
    assert (refused.exit_code, "--tenant" in refused.stderr) == (2, True)


def _other(folder: Path) -> str:
    path = folder / "other.yaml"
    path.write_text("state_dir: elsewhere\nmodels: {m: {targets: [{provider: embedded}]}}\n", encoding="utf-8")
    return str(path)


def test_lines_that_are_no_records_are_told_on_stderr(splitgate: Splitgate, recorded: Recorded) -> None:
    (epoch,) = recorded.places.epochs()
    whole = splitgate("audit", "query", str(recorded.places.root), "--format", "jsonl").stdout
    with epoch.journal.open("ab") as file:
        file.write(b"planted-garbage\n{\n")
    result = splitgate("audit", "query", str(recorded.places.root), "--format", "jsonl")
    assert (result.exit_code, result.stdout) == (0, whole)
    assert (
        result.stderr == f"note: 2 lines are no records; `splitgate audit verify {recorded.places.root}` tells which\n"
    )


def test_an_epoch_that_cannot_be_read_is_told_on_stderr(splitgate: Splitgate, recorded: Recorded) -> None:
    (epoch,) = recorded.places.epochs()
    epoch.journal.unlink()
    epoch.journal.mkdir()
    result = splitgate("audit", "query", str(recorded.places.root))
    assert (result.exit_code, result.stderr) == (0, f"note: not read: {epoch.epoch}: it is no regular file\n")


def test_where_there_are_no_journals_that_is_wrong_usage(splitgate: Splitgate, audited: Path, tmp_path: Path) -> None:
    for chosen in (("--config", str(audited)), (str(tmp_path / "nowhere"),)):
        result = splitgate("audit", "query", *chosen)
        assert (result.exit_code, "there are no journals at" in result.stderr) == (2, True)


def test_nothing_of_a_record_drives_the_terminal(splitgate: Splitgate, recorded: Recorded) -> None:
    recorded.write(("outcome", {"request": "99", "model": "\x1b[31mred and far too long for it", "status": 200}))
    result = splitgate("audit", "query", str(recorded.places.root), "--request", "99")
    assert "\x1b" not in result.stdout
    assert "\\x1b[31mred a… " in result.stdout


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-08-01T12:00:00Z", 1_785_585_600_000_000), ("2026-08-01T14:00:00.000001+02:00", 1_785_585_600_000_001),
        ("2026-08-01", 1_785_542_400_000_000), ("90s", -90_000_000), ("30m", -1_800_000_000), ("2h", -7_200_000_000),
        ("1d", -86_400_000_000), ("1w", -604_800_000_000), (None, None),
    ],
)  # fmt: skip
def test_a_moment_is_read_as_people_write_it(text: str | None, expected: int | None) -> None:
    assert moment(text, "--since", lambda: 0) == expected


@pytest.mark.parametrize("text", ["", "noon", "2026-08-01T12:00:00", "2026-13-01", "2 h", "-2h", "2y", "1785585600"])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(CommandFailed, match="--until must be a moment"):
        moment(text, "--until", lambda: 0)


def test_wrong_usage_is_told(splitgate: Splitgate, recorded: Recorded) -> None:
    result = splitgate("audit", "query", str(recorded.places.root), "--until", "noon")
    assert (result.exit_code, "--until" in result.stderr) == (2, True)


def test_a_moment_is_shown_in_utc() -> None:
    assert shown(1_785_585_600_999_999) == "2026-08-01T12:00:00Z"
    assert shown_exactly(1_785_585_600_999_999) == "2026-08-01T12:00:00.999Z"
    assert shown(2**62) == f"{2**62} µs"
