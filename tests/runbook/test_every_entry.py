"""No entry of the runbook stands there untried: its commands are followed, or the fault of its alarm is made."""

from tests.runbook.page import blocks, drilled, entries, walked


def test_every_entry_is_walked_or_its_alarm_drilled() -> None:
    assert entries().keys() - walked() - drilled() == set()


def test_every_entry_that_has_commands_is_walked_by_them() -> None:
    assert {name for name in entries() if blocks(name)} - walked() == set()


def test_only_entries_that_there_are_are_walked() -> None:
    assert (walked() | drilled()) - entries().keys() == set()
