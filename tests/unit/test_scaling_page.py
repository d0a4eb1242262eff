"""The page about many logs says what its script says, and the script says what it should."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import pytest

FOLDER = Path(__file__).parents[2] / "deploy"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("scaling_simulate", FOLDER / "scaling" / "simulate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_tables_of_the_page_are_those_of_the_script_and_so_is_the_plot(script: ModuleType) -> None:
    page = (FOLDER / "SCALING.md").read_text(encoding="utf-8")
    found = script.tables(script.FULL)
    assert script.with_tables(page, found) == page, "python deploy/scaling/simulate.py --write renews them"
    assert script.BETWEEN.search(page)
    picture = (FOLDER / "scaling" / "scaling.svg").read_text(encoding="utf-8")
    assert picture == script.plot(script.FULL)
    assert ET.fromstring(picture).tag.endswith("svg")


def test_the_script_runs_by_itself_in_a_small_way() -> None:
    command = [sys.executable, "-I", str(FOLDER / "scaling" / "simulate.py"), "--small"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "| 10^9 |" in said
    assert "a stack over logs" in said


def test_logs_share_all_credentials_and_the_largest_country_stays_whole(script: ModuleType) -> None:
    for logs in script.LOGS:
        assert sum(script.shares(logs)) == pytest.approx(1)
    assert script.shares(script.COUNTRIES)[0] == script.shares(9)[0]


def test_more_logs_shorten_no_wait_below_the_largest_countrys(script: ModuleType) -> None:
    waits = [script.delays(1e9, logs, 1.0, script.SMALL)[1] for logs in script.LOGS]
    assert waits[0] == max(waits)


def test_a_rule_that_needs_every_log_answers_worst_and_a_single_credential_needs_one(script: ModuleType) -> None:
    single, stack, every = script.unanswered(9, script.SMALL)
    assert 0 < single <= stack <= every
