"""README's life of a credential, every command as printed, in one shell."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, Up


def test_the_commands_of_the_readme_run_as_printed(up: Up) -> None:
    if shutil.which("curl") is None or shutil.which("bash") is None:
        pytest.skip("README's commands need curl and bash")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text[text.index("## The life of a credential") : text.index("## Trust")]
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```", section, flags=re.DOTALL | re.MULTILINE))
    up.start()
    environment = dict(os.environ) | {
        "CREDENTIFY_DATA": str(up.data),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    for words in (
        "VALID",
        "refused, with status 1",
        "authentic, with status 2",
        "no longer valid: status 1",
        '"impaired"',
        '"active"',
        "clean",
    ):
        assert words in done.stdout, f"{words}\n{done.stdout}"
    up.fsck_is_clean()
