import subprocess
import sys
from pathlib import Path

from gateway.domain.prompt import Data, Instruction, Trust
from gateway.domain.value import value

SNIPPET = """
from gateway.domain.prompt import Data, Instruction, Trust

data = Data(id="d", origin="email", text="t")
instruction: Instruction = data
tuple_of: tuple[Instruction, ...] = (data,)
untrusted = Instruction(id="i", origin="o", text="t", trust=Trust.UNTRUSTED)
"""


def test_the_type_checker_refuses_to_take_data_for_an_instruction(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    snippet = tmp_path / "snippet.py"
    snippet.write_text(SNIPPET)
    pyright = Path(sys.executable).with_name("pyright")
    result = subprocess.run(
        [str(pyright), "--pythonpath", sys.executable, str(snippet)],
        capture_output=True,
        text=True,
        check=False,
        cwd=root,
    )
    errors = [line for line in result.stdout.splitlines() if " - error:" in line]
    assert [line.split("snippet.py:")[1].split(":")[0] for line in errors] == ["5", "6", "7"], result.stdout


@value
class _Unrelated:
    pass


def test_data_and_instruction_share_no_ancestor_but_what_each_value_has() -> None:
    assert Data.__mro__[1:] == _Unrelated.__mro__[1:]
    assert Instruction.__mro__[1:] == _Unrelated.__mro__[1:]


def test_no_field_of_data_can_carry_trust() -> None:
    assert "trust" not in Data.__dataclass_fields__
    assert Trust.UNTRUSTED < Trust.USER < Trust.OPERATOR
