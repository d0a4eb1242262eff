"""Rules version 1 reproduces its golden log: same entries, same answers, for as long as the version is in the code.

The golden files are made once and then kept: they are what the rules promised. A change of the rules is a new version
with a golden log of its own. Only while a version has never been in force anywhere may its log be made again:

    python -m tests.support.golden_rules_v1

writes `rules-v1.ndjson` (the exact entries) and `rules-v1.json` (what follows from them) and belongs in the same commit
as the reason for it.
"""

import json
from pathlib import Path

import pytest

from proto import events
from proto.envelope import open_envelope
from proto.events import EVENT_TYPES
from proto.log import entry as entries
from tests.support.golden_rules_v1 import LOG_FILE, STATES_FILE, golden_world, states_of
from tests.support.worlds import replay

FROM_VERSION_2 = {
    events.IssuerAdmittedV2,
    events.IssuerKeyAddedV2,
    events.CredentialIssuedV2,
    events.CredentialStackedV2,
    events.CredentialsIssued,
    events.CredentialsRevoked,
    events.CredentialRecognisedV2,
    events.AchievementRecognised,
    events.AchievementRecognitionWithdrawn,
    events.EndorserInvited,
    events.EndorserUninvited,
    events.CredentialEndorsed,
    events.EndorsementWithdrawn,
}
LINES = Path(LOG_FILE).read_bytes().splitlines()
STATES = json.loads(Path(STATES_FILE).read_text(encoding="utf-8"))


def test_the_golden_log_replays_to_the_stored_states() -> None:
    assert states_of(replay(LINES), LINES) == STATES


@pytest.mark.parametrize("part", [0.25, 0.5, 0.75])
def test_a_replay_that_was_interrupted_ends_the_same(part: float) -> None:
    cut = round(len(LINES) * part)
    assert states_of(replay(LINES[:cut]), LINES[:cut]) != STATES
    assert states_of(replay([*LINES[:cut], *LINES[cut:]]), LINES) == STATES


def test_every_event_type_is_in_the_golden_log() -> None:
    kinds = {type(open_envelope(entries.decode(line).envelope).event) for line in LINES}
    assert kinds == set(EVENT_TYPES.values()) - FROM_VERSION_2


def test_every_state_of_a_credential_is_in_the_golden_log() -> None:
    states = {each["now"]["state"] for each in STATES["credentials"].values()}
    assert states == {"active", "suspended", "revoked", "void", "expired", "not_yet_valid", "impaired"}


def test_the_rules_still_write_the_golden_log() -> None:
    assert golden_world().entries == LINES
