"""Are samples of a running worker summed by the areas that they belong to?"""

from benchmarks.flame import areas

_LOOP = "<module> (gateway/worker.py:147);Runner.run (asyncio/runners.py:118)"


def test_own_time_is_summed_by_folder_and_library() -> None:
    stacks = [
        f"{_LOOP};Door.__call__ (gateway/web/door.py:146) 3",
        f"{_LOOP};Door.__call__ (gateway/web/door.py:146);lift (gateway/pipeline/lift.py:60) 4",
        f"{_LOOP};scan (gateway/pipeline/scan.py:60) 1",
        f"{_LOOP};ClientSession._request (aiohttp/client.py:600) 2",
    ]
    assert areas(stacks) == {"gateway/pipeline": 5, "gateway/web": 3, "aiohttp": 2}


def test_the_loop_itself_and_other_threads_are_told_apart() -> None:
    stacks = [f"{_LOOP} 5", "Thread.run (threading.py:900);Writer.run (gateway/audit/_writer.py:80) 2"]
    assert areas(stacks) == {"(event loop and kernel)": 5, "(other threads)": 2}


def test_code_that_was_written_by_the_program_is_an_area_of_its_own() -> None:
    assert areas([f"{_LOOP};init (<string>:5) 1"]) == {"(made when the program starts)": 1}


def test_a_line_that_is_no_stack_counts_nothing() -> None:
    assert areas(["", "no count"]) == {}
