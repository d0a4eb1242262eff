"""What the code cites stands in this repository: every `DESIGN 3.6` is a heading of `proto/DESIGN.md`."""

import re
from pathlib import Path

from proto.bundles.bundle import BUNDLE_BYTES_MAX
from proto.events import DEFAULT_PARAMETERS, EVENT_BYTES_MAX, GROUP_MAX
from proto.lifecycle.decide_issuer import ACTIVATION_AHEAD_MAX
from proto.lifecycle.statements import DECISIONS_LIVE_MAX, STATEMENTS_EVER_MAX
from proto.log.entry import ENTRY_BYTES_MAX
from proto.stacking import PART_COUNT_MAX
from proto.subjects import BATCH_IDS_MAX, ENTRY_BYTES_PER_ID

ROOT = Path(__file__).resolve().parents[2]
READ = (".py", ".md", ".sql", ".toml", ".jinja")
_CITED = re.compile(r"\bDESIGN((?:,? (?:and )?\d+(?:\.\d+)?)+)")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def cited(text: str) -> set[str]:
    return {number for run in _CITED.findall(text) for number in _NUMBER.findall(run)}


def test_a_citation_of_several_sections_names_each() -> None:
    assert cited("by the rules (DESIGN 3.6, 3.7), and DESIGN 4.") == {"3.6", "3.7", "4"}


def test_every_citation_of_the_design_is_a_heading() -> None:
    design = (ROOT / "proto" / "DESIGN.md").read_text()
    headings = set(re.findall(r"^#{2,3} (\d+(?:\.\d+)?)\.? ", design, re.MULTILINE))
    missing = {
        f"{path.relative_to(ROOT)}: DESIGN {number}"
        for folder in ("proto", "services", "tests", "deploy")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in READ and "node_modules" not in path.parts and ".venv" not in path.parts
        for number in cited(path.read_text()) - headings
        if path != Path(__file__)
    }
    assert not missing


def test_every_limit_that_the_design_states_is_the_one_of_the_code() -> None:
    design = (ROOT / "proto" / "DESIGN.md").read_text()
    stated = [
        f"of at most {ENTRY_BYTES_MAX:,} bytes",
        f"An event has at most {EVENT_BYTES_MAX:,} bytes",
        f"about at most {BATCH_IDS_MAX:,} credentials",
        f"at least {ENTRY_BYTES_PER_ID} bytes of an entry",
        f"at most {BUNDLE_BYTES_MAX // 2**20} MiB: 252 parts that each came with {GROUP_MAX - 1} others fit",
        f"2 to {PART_COUNT_MAX} components",
        f"{DECISIONS_LIVE_MAX:,} for an institution",
        f"makes {STATEMENTS_EVER_MAX:,} standing decisions",
        f"at most {ACTIVATION_AHEAD_MAX:,} after it",
        f"{DEFAULT_PARAMETERS.at_ahead_seconds_max // 60} min ≤ `received_at`",
        f"≤ {DEFAULT_PARAMETERS.at_behind_seconds_max // 86_400} days",
    ]
    assert [each for each in stated if each not in design.replace("\n", " ")] == []
