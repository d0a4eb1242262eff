"""Rules version 2 reproduces its golden logs: same entries, same answers, for as long as the version is in the code.

The golden files are made once and then kept. Only while the version has never been in force anywhere may they be made
again, with `python -m tests.support.golden_rules_v2`, in the same commit as the reason for it.
"""

import json

import msgspec
import pytest

from proto import events
from proto.envelope import open_envelope
from proto.events import EVENT_TYPES
from proto.log import entry as entries
from tests.support.golden_rules_v1 import golden_world, states_of
from tests.support.golden_rules_v2 import (
    REFUSED_FILE,
    Refused,
    made,
    names_of_files,
    refusal_of,
    refused_by_v1,
    replayed,
)

FILES = names_of_files()
LINES = {name: log.read_bytes().splitlines() for name, (log, _) in FILES.items()}
STATES = {name: json.loads(states.read_text(encoding="utf-8")) for name, (_, states) in FILES.items()}
ADMITTED_NO_MORE = {
    events.IssuerAdmitted,
    events.CredentialIssued,
    events.CredentialStacked,
    events.CredentialRecognised,
}


def _kinds(name: str) -> set[type[events.EventBase]]:
    return {type(open_envelope(entries.decode(line).envelope).event) for line in LINES[name]}


@pytest.mark.parametrize("name", FILES)
def test_a_golden_log_replays_to_the_stored_states(name: str) -> None:
    assert states_of(replayed(name, LINES[name]), LINES[name]) == STATES[name]


@pytest.mark.parametrize("name", FILES)
def test_the_rules_still_write_the_golden_logs(name: str) -> None:
    assert made()[name].entries == LINES[name]


def test_every_event_type_is_on_a_golden_log() -> None:
    assert _kinds("v2") == set(EVENT_TYPES.values()) - ADMITTED_NO_MORE
    assert _kinds("v1-to-v2") >= {*ADMITTED_NO_MORE, *_kinds("v2")} - {events.IssuerAdmittedV2}


def test_what_came_together_reaches_every_state() -> None:
    states = {each["now"]["state"] for each in STATES["v2"]["credentials"].values()}
    assert states == {"active", "suspended", "revoked", "void", "impaired"}


def test_what_stands_until_it_is_withdrawn_is_there_in_every_state() -> None:
    for states in STATES.values():
        made = states["statements"].values()
        assert {each["is_live"] for each in made} == {each.get("holds", True) for each in made} == {True, False}
        assert {each.get("is_in_force", True) for each in made} == {True, False}
        recognitions = states["recognitions"].values()
        assert {each["is_live"] for each in recognitions} == {True, False}


def test_rules_version_1_still_refuses_what_version_2_brought() -> None:
    world = golden_world()
    kept = [msgspec.json.decode(line, type=Refused) for line in REFUSED_FILE.read_bytes().splitlines()]
    assert [refusal_of(world.book, world, each.envelope) for each in kept] == [("rules-version", False)] * len(kept)
    assert kept == refused_by_v1()
