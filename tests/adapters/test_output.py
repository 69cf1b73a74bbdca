import subprocess
import sys

CODE = """
import os, sys
from adapters._output import silence
say = silence()
os.write(1, b"native"); os.write(2, b"native")
print("python", flush=True); print("python", file=sys.stderr, flush=True)
say("ours")
"""


def test_only_our_own_lines_are_written() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"splitgate: ours\n")
