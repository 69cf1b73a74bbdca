import threading

import pytest

from gateway.pipeline.run import LARGE, at_once, beside, runner_for


@pytest.mark.rows
@pytest.mark.parametrize(("size", "in_loop"), [(0, True), (LARGE, True), (LARGE + 1, False)])
async def test_only_large_requests_are_computed_beside_the_event_loop(size: int, in_loop: bool) -> None:
    ran_in = await runner_for(size)(threading.current_thread)
    assert (ran_in is threading.current_thread()) is in_loop


@pytest.mark.parametrize("run", [at_once, beside])
async def test_an_error_in_the_work_is_the_callers(run: object) -> None:
    def fail() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await (at_once if run is at_once else beside)(fail)


@pytest.mark.parametrize("size", [0, LARGE + 1])
async def test_the_work_is_given_what_it_works_on(size: int) -> None:
    assert await runner_for(size)(divmod, 7, 4) == (1, 3)
