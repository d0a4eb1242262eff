"""Events about many credentials (rules version 2), the same each time from the same seed. Runs in the workers.

Whoever knows the seed knows every id, so that millions of them need not be kept to be asked for.
"""

import random
from datetime import UTC, datetime
from typing import NamedTuple

import uuid_utils

from proto import events
from proto.events import GROUP_MAX
from proto.ids import AchievementUri, Commitment, CredentialId, Origin, committed_credential_ids
from proto.moment import from_datetime
from tests.bench.signing import append_requests, institution, seal_line

_HEX_DIGITS = 64


def commitments(seed: str, number: int, count: int = GROUP_MAX) -> tuple[Commitment, ...]:
    """Return the sorted commitments of group `number`: random numbers, which stand for documents that nobody has."""
    digits = random.Random(f"{seed}:{number}").randbytes(count * _HEX_DIGITS // 2).hex()
    return tuple(sorted(Commitment(digits[at : at + _HEX_DIGITS]) for at in range(0, len(digits), _HEX_DIGITS)))


def ids_of(seed: str, number: int, speaker: int, count: int = GROUP_MAX) -> tuple[CredentialId, ...]:
    """Return the ids of the credentials of group `number`, as this institution issues it."""
    return committed_credential_ids(institution(speaker).did, commitments(seed, number, count))


class Order(NamedTuple):
    """Which groups of which log: the institution's number, the seed, the groups' numbers, and how many are in each."""

    origin: Origin
    speaker: int
    seed: str
    numbers: range
    size: int = GROUP_MAX


def sign_groups(order: Order) -> list[bytes]:
    """Return one line of JSON for each group: the envelope of the event that issues it."""
    origin, speaker, seed, numbers, size = order
    party = institution(speaker)
    key_id, sign = party.event.key_id, party.secret("event").sign
    lines = []
    for number in numbers:
        event = events.CredentialsIssued(
            log=origin,
            issuer=party.did,
            at=from_datetime(datetime.now(UTC)),
            nonce=str(uuid_utils.uuid7()),
            achievement=AchievementUri(f"{party.url}achievements/{number % 100}"),
            ects_hundredths=350,
            eqf_level=6,
            valid_from=from_datetime(datetime(2026, 1, 1, tzinfo=UTC)),
            commitments=commitments(seed, number, size),
        )
        lines.append(seal_line(event, key_id, sign))
    return lines


def group_requests(order: Order, per_request: int) -> list[bytes]:
    """Return whole requests that append these groups, so many events to each."""
    return append_requests(sign_groups(order), per_request)
