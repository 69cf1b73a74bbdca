import platform

from benchmarks.surroundings import interpreter, surroundings


def test_a_run_says_where_it_was() -> None:
    told = surroundings()
    assert told.keys() == {"processor", "memory", "kernel", "interpreter", "load_average", "command"}
    assert told["interpreter"] == interpreter()


def test_the_interpreter_is_told_with_how_it_was_built() -> None:
    assert platform.python_version().rpartition(".")[0] in interpreter()
    assert "--enable-optimizations" in interpreter()
