"""What the lists of achievements and entries gain by entries of the log: counts, bounds, the newest. Pure; no table."""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from proto.ids import CredentialId, Did
from proto.lifecycle import Life
from proto.moment import Moment
from services.follow import Applied
from services.verifier.projection.statistic_counts import Act, Kind

NEWEST_MAX = 100
"""So many entries are kept as they stand on the log, to be shown in words; all others are known by their hash."""
_DAY_CHARACTERS = 10
_FIELDS: dict[Kind, str] = {
    "credential": "credentials",
    "stack": "stacks",
    "revocation": "revocations",
    "suspension": "suspensions",
    "reinstatement": "reinstatements",
    "recognition": "recognitions",
    "withdrawal": "withdrawals",
}


class AwardKey(NamedTuple):
    """An achievement, and who awards it."""

    achievement: str
    issuer: Did


class AwardSum(msgspec.Struct, kw_only=True):
    """What was done with the credentials of one achievement; `levels` has bit n for EQF level n, bit 0 for none.

    Credits are in hundredths; `first_at` and `last_at` are when the log received the first and the last issue.
    """

    credentials: int = 0
    stacks: int = 0
    revocations: int = 0
    suspensions: int = 0
    reinstatements: int = 0
    recognitions: int = 0
    withdrawals: int = 0
    ects_min: int
    ects_max: int
    levels: int
    first_at: Moment
    last_at: Moment


class RecognisedKey(NamedTuple):
    """Who recognises credentials of which achievement, and who awards that."""

    recogniser: Did
    achievement: str
    issuer: Did


class RecognisedSum(msgspec.Struct, kw_only=True):
    """How many recognitions, the credits (in hundredths) that they count, and how many were withdrawn again."""

    recognitions: int = 0
    withdrawals: int = 0
    ects_hundredths: int = 0


class Gain(msgspec.Struct, kw_only=True):
    """What a chunk of entries adds; `growth` counts entries by day (`2026-11-29`) and event type."""

    growth: dict[tuple[str, str], int]
    newest: list[tuple[int, bytes]]
    awards: dict[AwardKey, AwardSum]
    recognised: dict[RecognisedKey, RecognisedSum]


def gain_of(applied: Sequence[Applied], acts: Iterable[Act], life_of: Callable[[CredentialId], Life]) -> Gain:
    """Return what these entries and their acts add; `life_of` returns a credential's first issue."""
    gain = Gain(growth={}, newest=[], awards={}, recognised={})
    for item in applied:
        day = item.stamp.received_at[:_DAY_CHARACTERS], str(item.opened.event.__struct_config__.tag)
        gain.growth[day] = gain.growth.get(day, 0) + 1
    gain.newest = [(item.index, item.entry_bytes) for item in applied[-NEWEST_MAX:]]
    for act in acts:
        life = life_of(act.credential_id)
        _count(gain.awards, act, life)
        if act.key.kind in {"recognition", "withdrawal"}:
            _recognise(gain.recognised, act, life)
    return gain


def _count(awards: dict[AwardKey, AwardSum], act: Act, life: Life) -> None:
    """Count an act; credits, levels and times are those of the issue."""
    key, received_at = AwardKey(life.achievement, life.issuer), life.stamp.received_at
    found = awards.get(key)
    if found is None:
        found = awards[key] = AwardSum(
            ects_min=life.ects_hundredths,
            ects_max=life.ects_hundredths,
            levels=0,
            first_at=received_at,
            last_at=received_at,
        )
    field = _FIELDS[act.key.kind]
    setattr(found, field, getattr(found, field) + act.credential_count)
    found.ects_min = min(found.ects_min, life.ects_hundredths)
    found.ects_max = max(found.ects_max, life.ects_hundredths)
    found.levels |= 1 << (life.eqf_level or 0)
    found.first_at, found.last_at = min(found.first_at, received_at), max(found.last_at, received_at)


def _recognise(recognised: dict[RecognisedKey, RecognisedSum], act: Act, life: Life) -> None:
    found = recognised.setdefault(RecognisedKey(act.key.issuer, life.achievement, life.issuer), RecognisedSum())
    if act.key.kind == "recognition":
        found.recognitions += 1
        found.ects_hundredths += act.ects_hundredths
    else:
        found.withdrawals += 1
