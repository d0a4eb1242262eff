"""What must hold when a gateway's run is over: between what clients were told, batches, outbox and log."""

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

from proto.ids import EventId
from tests.fault.gateway_batches import BatchTables
from tests.fault.gateway_storage import Row
from tests.fault.refusing_ledger import Ledger


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is there at the end; `keys` tells for which request, or row of a batch, each event was made."""

    outbox: Mapping[EventId, Row]
    records: AbstractSet[EventId | None]
    trail: Sequence[EventId]
    ledger: Ledger
    tables: BatchTables
    keys: Mapping[EventId, str]
    told: Mapping[str, set[EventId]]
    tried: Mapping[str, EventId | None]

    def judged(self) -> list[str]:
        """Return what is wrong, in words."""
        said = {event_id: self.keys[event_id] for event_id in self.outbox}
        return [*self._of_requests(list(said.values())), *self._of_log(), *self.tables.judged(said)]

    def refused_count(self) -> int:
        """Return how many events were refused in the end."""
        return len(self._in_state("refused"))

    def _of_requests(self, said: list[str]) -> Iterator[str]:
        yield from (f"{key} was done {said.count(key)} times" for key in self.told if said.count(key) != 1)
        yield from (f"{key} was answered with {len(ids)} events" for key, ids in self.told.items() if len(ids) != 1)
        answered = {event_id for ids in self.told.values() for event_id in ids}
        if not answered <= self.outbox.keys():
            yield "an event was answered that is not there"
        if self.records != {event_id for event_id in self.outbox if self.keys[event_id] in self.told}:
            yield "records and events are not the same"
        yield from (f"{name} was done {said.count(name)} times" for name in self.tried if said.count(name) > 1)
        if not {event_id for event_id in self.tried.values() if event_id is not None} <= self.outbox.keys():
            yield "an event was answered without a key that is not there"
        asked = self.told.keys() | self.tried.keys()
        if sorted(self.trail) != sorted(event_id for event_id in self.outbox if self.keys[event_id] in asked):
            yield "what was done for somebody and the audit trail are not the same"

    def _of_log(self) -> Iterator[str]:
        yield from self.ledger.faults
        if self.ledger.places.keys() != self._in_state("sequenced"):
            yield "log and outbox have not the same events"
        refused = self.ledger.refused & self.outbox.keys()
        without_issue = {self.outbox[each].new.streams for each in refused if _is_issue(self.outbox[each])}
        behind = {event_id for event_id, row in self.outbox.items() if row.new.streams in without_issue}
        if self._in_state("refused") != refused | behind:
            yield "what is called refused is not what was refused, and what waited behind its issue"
        for streams in {row.new.streams for row in self.outbox.values()}:
            places = [self.ledger.places.get(each) for each, row in self.outbox.items() if row.new.streams == streams]
            indices = [place.index for place in places if place is not None]
            if indices != sorted(indices):
                yield "events of one credential came to the log in another order"

    def _in_state(self, state: str) -> set[EventId]:
        return {event_id for event_id, row in self.outbox.items() if row.place.state == state}


def _is_issue(row: Row) -> bool:
    return row.place.event_type == "credential-issued.v1"
