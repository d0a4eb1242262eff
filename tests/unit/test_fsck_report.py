"""What `credentify fsck` says of reports: clean, damaged, or not wholly checked."""

import pytest

from services.command.fsck import exit_status, lines
from services.fsck_report import DAMAGES_MAX, Damage, Findings, Report

CLEAN = Report(counts={"entries": 3}, damage_count=0, damages=())
DAMAGED = Report(counts={}, damage_count=60, damages=tuple(Damage(place=f"entry {n}", what="bad") for n in range(60)))
UNFINISHED = Report(counts={"pages": 2}, damage_count=0, damages=(), incomplete="The log does not answer")


@pytest.mark.parametrize(
    ("reports", "status"),
    [
        ((), 0),
        ((CLEAN, CLEAN), 0),
        ((CLEAN, DAMAGED, UNFINISHED), 1),
        ((CLEAN, UNFINISHED), 3),
    ],
)
def test_the_status_tells_damage_from_what_could_not_be_checked(reports: tuple[Report, ...], status: int) -> None:
    assert exit_status(reports) == status


def test_what_could_not_be_checked_is_neither_clean_nor_called_damaged() -> None:
    assert not UNFINISHED.is_clean
    said = list(lines("verifier", UNFINISHED))
    assert said[0] == "verifier  NOT WHOLLY CHECKED: checked 2 pages"
    assert said[1].endswith("The log does not answer")


def test_the_first_damages_are_named_and_the_rest_counted() -> None:
    said = list(lines("ledger", DAMAGED))
    assert said[0] == "ledger    DAMAGED: checked nothing"
    assert said[1] == "  entry 0: bad"
    assert said[-1] == "  … and 10 more"


def test_more_damages_than_are_listed_are_counted() -> None:
    findings = Findings()
    for number in range(DAMAGES_MAX + 5):
        findings.expect(False, f"entry {number}", "bad")
    findings.expect(True, "entry 0", "good")
    assert (findings.damage_count, len(findings.damages)) == (DAMAGES_MAX + 5, DAMAGES_MAX)
