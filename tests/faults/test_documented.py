"""docs/operations.md says what a fault looks like to a client: the very table that the matrix is made of."""

from pathlib import Path

from benchmarks.soaking.faults import FAULTS, Fault, Told

PAGE = Path(__file__).resolve().parents[2] / "docs" / "operations.md"


def cell(told: Told, fault: Fault) -> str:
    error = f"200, then an error event, `{told.code}`" if told.begun else f"{told.status} `{told.code}`"
    after = "" if told.wait is None else f", after `timeouts.{told.wait}`"
    return error + after + ("" if fault.retry_after is None else f", `retry-after: {fault.retry_after}`")


def row(fault: Fault) -> str:
    stream = "the same" if fault.stream == fault.whole else cell(fault.stream, fault)
    return f"| {fault.does} | {cell(fault.whole, fault)} | {stream} |"


def test_the_table_is_the_one_that_is_tested() -> None:
    wanted = "\n".join(row(fault) for fault in FAULTS)
    assert wanted in PAGE.read_text(), f"put these lines into docs/operations.md:\n{wanted}"
