"""A machine whose clock is wrong, for one process: what `time` says is off by the seconds in a file."""

import os
import time
from pathlib import Path

_TRUE, _TRUE_NS = time.time, time.time_ns


def _off() -> float:
    return float(Path(os.environ["WRONG_CLOCK_FILE"]).read_text() or 0)


time.time = lambda: _TRUE() + _off()
time.time_ns = lambda: _TRUE_NS() + round(_off() * 1e9)
