"""Events about many credentials (rules version 2), the same each time from the same seed. Runs in the workers.

Whoever knows the seed knows every id, so that millions of them need not be kept to be asked for.
"""

import functools
import random
from datetime import UTC, datetime
from typing import NamedTuple

from proto import events
from proto.events import GROUP_MAX
from proto.ids import AchievementUri, Commitment, CredentialId, Origin, committed_credential_ids
from proto.moment import Moment, from_datetime
from tests.bench.signing import INSTITUTIONS, append_requests, institution, seal_line
from tests.support.statements import Party

_HEX_DIGITS = 64


def commitments(seed: str, number: int, count: int = GROUP_MAX) -> tuple[Commitment, ...]:
    """Return the sorted commitments of group `number`: random numbers, which stand for documents that nobody has."""
    digits = random.Random(f"{seed}:{number}").randbytes(count * _HEX_DIGITS // 2).hex()
    return tuple(sorted(Commitment(digits[at : at + _HEX_DIGITS]) for at in range(0, len(digits), _HEX_DIGITS)))


def ids_of(seed: str, number: int, count: int = GROUP_MAX) -> tuple[CredentialId, ...]:
    """Return the ids of the credentials of group `number`."""
    return committed_credential_ids(_issuer(number).did, commitments(seed, number, count))


@functools.cache
def _party(number: int) -> Party:
    return institution(number)


def _issuer(number: int) -> Party:
    """Return who issues group `number`: the institutions take turns."""
    return _party(number % INSTITUTIONS)


class Order(NamedTuple):
    """Which groups of which log: the seed, what time they claim, the groups' numbers, how many credentials are in each.

    The same order makes the same events, so that a log takes none of them twice.
    """

    origin: Origin
    at: Moment
    seed: str
    numbers: range
    size: int = GROUP_MAX


def sign_groups(order: Order) -> list[bytes]:
    """Return one line of JSON for each group: the envelope of the event that issues it."""
    origin, at, seed, numbers, size = order
    signers = {each.did: (each.event.key_id, each.secret("event").sign) for each in map(_party, range(INSTITUTIONS))}
    lines = []
    for number in numbers:
        party = _issuer(number)
        event = events.CredentialsIssued(
            log=origin,
            issuer=party.did,
            at=at,
            nonce=f"00000000-0000-7000-8000-{number:012x}",
            achievement=AchievementUri(f"{party.url}achievements/{number % 100}"),
            ects_hundredths=350,
            eqf_level=6,
            valid_from=from_datetime(datetime(2026, 1, 1, tzinfo=UTC)),
            commitments=commitments(seed, number, size),
        )
        lines.append(seal_line(event, *signers[party.did]))
    return lines


def group_requests(order: Order, per_request: int) -> list[bytes]:
    """Return whole requests that append these groups, so many events to each."""
    return append_requests(sign_groups(order), per_request)
