"""Gives each record of the audit trail its place in the chain of its institution, a moment after it was committed.

So nothing that is recorded waits for anybody else's record. Of several processes one at a time chains, under a lock of
its transaction. If we crash here, what has no place yet gets it later: from us, or from another process.
"""

import asyncio
from collections.abc import Sequence

from proto.audit_trail import BEGINNING, entry_hash, record_from
from proto.ids import InstitutionId
from proto.moment import to_datetime
from services.issuer_gateway.store import audit_trail
from services.issuer_gateway.store.audit_trail import ChainedRecord, ChainEnd, UnchainedRecord
from services.persistence.postgres import Connection, Pool, transaction

_RECORDS_AT_ONCE = 1_000
_PAUSE_SECONDS = 0.5


class AuditChain:
    """Chains what was recorded."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def run(self) -> None:
        """Chain for ever; raises what the database raises."""
        while True:
            if await self.chain() < _RECORDS_AT_ONCE:
                await asyncio.sleep(_PAUSE_SECONDS)

    async def chain(self) -> int:
        """Give records that wait their places, and return how many did."""
        async with transaction(self._pool) as connection:
            found = await audit_trail.unchained(connection, limit=_RECORDS_AT_ONCE)
            if found:
                await self._add(connection, found)
        return len(found)

    async def _add(self, connection: Connection, found: Sequence[UnchainedRecord]) -> None:
        """Put records behind the ends of their chains; those stay where they are while the lock is held."""
        ends = await audit_trail.chain_ends(connection, [each.institution_id for each in found])
        entries = chained(found, ends)
        await audit_trail.chain(connection, entries, ends_of(entries))


def chained(found: Sequence[UnchainedRecord], ends: dict[InstitutionId, ChainEnd]) -> list[ChainedRecord]:
    """Return records as links, each behind the end of its institution's chain."""
    last = {institution_id: (end.number, end.hash) for institution_id, end in ends.items()}
    made = []
    for each in found:
        number, previous = last.get(each.institution_id, (0, BEGINNING))
        hashed = entry_hash(number + 1, previous, each.record)
        last[each.institution_id] = number + 1, hashed
        made.append(
            ChainedRecord(
                institution_id=each.institution_id,
                number=number + 1,
                record_id=each.record_id,
                recorded_at=to_datetime(record_from(each.record).at),
                previous=previous,
                hash=hashed,
                record=each.record,
            )
        )
    return made


def ends_of(entries: Sequence[ChainedRecord]) -> list[ChainEnd]:
    """Return where chains end once these entries are added."""
    last = {each.institution_id: each for each in entries}
    return [ChainEnd(institution_id=each.institution_id, number=each.number, hash=each.hash) for each in last.values()]
