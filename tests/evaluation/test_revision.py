import subprocess
from pathlib import Path

from gateway.evaluation.revision import revision

ROOT = Path(__file__).parents[2]


def test_it_is_that_of_the_checkout() -> None:
    command = ["git", "rev-parse", "HEAD"]
    asked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = revision()
    if not (ROOT / ".git").exists() or asked.returncode:
        assert found is None
    else:
        assert found is not None
        assert found.removesuffix("-dirty") == asked.stdout.strip()
