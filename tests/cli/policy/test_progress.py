import pytest
from rich.console import Console

from gateway.cli.policy import progress
from gateway.cli.policy.progress import followed


def test_nothing_is_shown_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with followed("texts", 1_000) as step:
        step()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(("total", "shown"), [(49, False), (50, True)])
def test_a_terminal_sees_how_far_a_long_run_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], total: int, shown: bool
) -> None:
    monkeypatch.setattr(progress, "err", lambda: Console(stderr=True, force_terminal=True))
    with followed("texts", total) as step:
        for _ in range(total):
            step()
    captured = capsys.readouterr()
    assert (captured.out, "texts" in captured.err) == ("", shown)
