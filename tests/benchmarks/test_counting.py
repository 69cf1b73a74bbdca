import asyncio

from benchmarks.counting import RULES, Effort, figures


def test_every_set_of_rules_is_told_with_what_a_request_costs() -> None:
    said: list[str] = []
    asyncio.run(figures(None, Effort(rounds=1, requests=32), said.append))
    assert len(said) == len(RULES)
    assert all(name in line and line.endswith(" µs") for name, line in zip(RULES, said, strict=True))
