"""Limits put together by the settings: what is there, and what outlives it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.domain.errors import BudgetSpent, LimitReached
from gateway.domain.identity import ANONYMOUS
from gateway.domain.operation import Operation
from gateway.domain.request import ClientRequest
from gateway.limited import limited, share_of
from gateway.pipeline.limiter import RequestTab
from gateway.settings import Settings, load
from gateway.stores.share import Share

SettingsOf = Callable[[str], Settings]
ASKED = ClientRequest(dialect="split", model="m", messages=())


@pytest.fixture
def settings_of(tmp_path: Path) -> SettingsOf:
    def make(rules: str) -> Settings:
        path = tmp_path / "splitgate.yaml"
        price = "prices: {'*': {input: 0, output: 1000}}"
        path.write_text(
            f"state_dir: {tmp_path}/state\nmodels: {{m: {{targets: [{{provider: embedded}}]}}}}\n"
            f"limits: {{assumed_output_tokens: 1000, {price}, rules: [{rules}]}}\n"
        )
        return load(path, {})

    return make


async def take(settings: Settings, share: Share = Share()) -> None:  # noqa: B008 — a value
    async with limited(settings, share) as limiter:
        assert limiter is not None
        tab = RequestTab(limiter, "id", "split", Operation.CHAT)
        await tab.take(ASKED, ANONYMOUS, settings.models["m"])
        # An answer that nobody knows the end of.
        tab.asking(settings.models["m"].targets[0])
        tab.close()


async def test_without_rules_there_is_no_limiter(settings_of: SettingsOf) -> None:
    async with limited(settings_of(""), Share()) as limiter:
        assert limiter is None


async def test_budgets_outlive_the_process_and_short_windows_do_not(settings_of: SettingsOf, tmp_path: Path) -> None:
    short = settings_of("{name: r, requests: [1/minute]}")
    await take(short)
    await take(short)
    assert not (tmp_path / "state").exists()
    budget = settings_of("{name: r, money: [1.5/day]}")
    await take(budget)
    with pytest.raises(BudgetSpent):
        await take(budget)


async def test_each_worker_has_its_part(settings_of: SettingsOf) -> None:
    settings = settings_of("{name: r, requests: [2/minute]}")
    async with limited(settings, Share(number=2, of=2)) as limiter:
        assert limiter is not None
        model = settings.models["m"]
        await RequestTab(limiter, "a", "split", Operation.CHAT).take(ASKED, ANONYMOUS, model)
        with pytest.raises(LimitReached):
            await RequestTab(limiter, "b", "split", Operation.CHAT).take(ASKED, ANONYMOUS, model)


@pytest.mark.rows
@pytest.mark.parametrize(
    ("environ", "share"),
    [
        ({"SPLITGATE_WORKER": "3"}, Share(number=3, of=4)),
        ({}, Share(number=1, of=4)),
        ({"SPLITGATE_WORKER": "shipper"}, Share(number=1, of=4)),
    ],
)
def test_the_supervisor_says_which_worker_it_is(environ: dict[str, str], share: Share) -> None:
    assert share_of(environ, 4) == share
