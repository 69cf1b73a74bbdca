from benchmarks.splitting.plan import CONTROL, RUNS, SEEDS, SHIPPED


def test_every_method_has_the_seeds_of_its_control() -> None:
    seeds = {family: [run.seed for run in RUNS if run.family == family and run.steps] for family in _families()}
    assert all(each == list(SEEDS) for family, each in seeds.items() if not family.startswith("untrained"))
    assert CONTROL in seeds


def test_what_a_run_goes_on_from_stands_before_it() -> None:
    names = [run.name for run in RUNS]
    assert all(names.index(run.start) < names.index(run.name) for run in RUNS if run.start is not None)
    assert SHIPPED in names


def _families() -> set[str]:
    return {run.family for run in RUNS}
