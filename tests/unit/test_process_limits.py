"""What a process that reads strangers' data says of its end."""

import subprocess
import sys

import pytest

PROGRAM = """
from services.process_limits import say_kind_of_faults
class PanicException(BaseException): pass
say_kind_of_faults()
raise {kind}("what a stranger wrote")
"""


@pytest.mark.parametrize("kind", ["ValueError", "MemoryError", "PanicException"])
def test_a_fault_is_said_by_its_kind_alone(kind: str) -> None:
    command = [sys.executable, "-c", PROGRAM.format(kind=kind)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (1, kind, "")
