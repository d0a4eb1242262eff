"""A log in memory for tests: registrar, institutions, keys and a clock, all deterministic; every event is decided.

`World.say` signs, decides, appends and evolves as a ledger does; `World.refuses` hands back the refusal instead. Speaks
to no service and no database: entries, leaf hashes and the tree are plain bytes that any test can serve or store.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from proto import events
from proto.envelope import Envelope, Opened, open_envelope, seal
from proto.ids import CredentialId, Did, EventId, LeafIndex, Origin, TreeSize
from proto.keys import decode_public_key, did_key, is_signature
from proto.lifecycle import (
    RULES_VERSIONS_KNOWN,
    BadSignatureRefusal,
    Book,
    Effective,
    Key,
    Refusal,
    decide,
    effective,
    evolve,
    overlap,
    prefixes_of,
    signing_key,
)
from proto.log import entry as entries
from proto.log.checkpoint import Checkpoint, sign_checkpoint
from proto.log.merkle import Frontier, Hash, NodeReader, leaf_hash, reader_of
from proto.log.note_key import SignerKey
from proto.moment import Moment, from_datetime, from_ms, to_ms
from tests.support.statements import DAY_MS, Party, Statements, secret_key

__all__ = [
    "DAY_MS",
    "ORIGIN",
    "SECOND_MS",
    "START",
    "FirstWorld",
    "FullBook",
    "Party",
    "World",
    "activate_unknown_rules",
    "check_signature",
    "lately",
    "replay",
]

ORIGIN = Origin("log.example/credentify-test")
START = Moment("2026-01-01T00:00:00.000Z")
SECOND_MS = 1000

_Name = TypeVar("_Name")
_State = TypeVar("_State")
_Refusal = TypeVar("_Refusal", bound=Refusal)


class _Everything(dict[_Name, _State]):
    """A mapping that was looked up under every name: what it does not hold is None."""

    def __contains__(self, name: object) -> bool:
        return True

    def __missing__(self, name: object) -> None:
        return None


class FullBook(Book):
    """A book that holds all there is: no state of it is ever unloaded."""

    def __init__(self) -> None:
        super().__init__()
        self.issuers = _Everything()
        self.public_keys = _Everything()
        self.credentials = _Everything()
        self.recognitions = _Everything()
        self.recognised = _Everything()
        self.statements = _Everything()
        self.groups = _Everything()
        self.events = _Everything()

    def overlapping_with(self, prefix: str) -> tuple[Did, ...]:
        """Return every institution with an overlapping prefix: all are here."""
        issuers = [issuer for issuer in self.issuers.values() if issuer is not None]
        return tuple(each.did for each in issuers if any(overlap(prefix, own) for own in prefixes_of(each)))


def lately() -> Moment:
    """Return where a world begins that grows while followers with this machine's clock look on: two minutes ago.

    What they see later may not be dated before.
    """
    return from_ms(to_ms(from_datetime(datetime.now(UTC))) - 120 * SECOND_MS)


class World(Statements):
    """A log that is open: `book` is its whole state, `entries` its exact bytes, `now_ms` its clock (milliseconds).

    After each event the clock moves on by `step_ms`, so that no two entries share a moment unless a test wants it. It
    begins with the rules of new logs; a test of those before, or of the crossing, makes a `FirstWorld`.
    """

    def __init__(
        self,
        *,
        origin: Origin = ORIGIN,
        parameters: events.Parameters = events.DEFAULT_PARAMETERS,
        step_ms: int = SECOND_MS,
        start: Moment = START,
        is_open: bool = True,
        registrar: str = "registrar",
        rules_version: int = 2,
    ) -> None:
        self.origin = origin
        self.parameters = parameters
        self.step_ms = step_ms
        self.now_ms = to_ms(start)
        self.book: Book = FullBook()
        self.entries: list[bytes] = []
        self.leaf_hashes: list[Hash] = []
        self.opened: list[Opened] = []
        self.parties: dict[Did, Party] = {}
        self.registrar = Party(registrar, did_key(secret_key(registrar, "event", 0).public_key))
        self.parties[self.registrar.did] = self.registrar
        self._begins_with = rules_version
        if is_open:
            self.say(self.opening())

    @property
    def rules_version(self) -> int:
        """The version of the rules that the next statement is made for."""
        return self.book.log.rules_version_at(LeafIndex(len(self.entries))) if self.book.log and self.entries else 1

    def opening(self, **fields: Any) -> events.LogOpened:
        """The registrar opens the log, by the rules that this world begins with."""
        return super().opening(**{"rules_version": self._begins_with} | fields)

    def recognition(self, speaker: Party, credential_id: CredentialId, **fields: Any) -> events.AnyRecognition:
        """An institution recognises a credential in full, with the credits that the log has of it."""
        known = self.book.credential(credential_id)
        own = {"ects_hundredths": known.lives[-1].ects_hundredths} if known else {}
        return super().recognition(speaker, credential_id, **own | fields)

    # The clock.

    @property
    def now(self) -> Moment:
        """The time at which the log would receive an event now."""
        return from_ms(self.now_ms)

    def moment(self, *, days: float = 0, seconds: float = 0) -> Moment:
        """Return the moment that lies so far from now; negative numbers lie in the past."""
        return from_ms(self.now_ms + round(days * DAY_MS + seconds * SECOND_MS))

    def advance(self, *, days: float = 0, seconds: float = 0) -> Moment:
        """Move the clock on and return the time."""
        self.now_ms += round(days * DAY_MS + seconds * SECOND_MS)
        return self.now

    def received_at(self, index: int) -> Moment:
        """Return when the entry at `index` was received."""
        return entries.decode(self.entries[index]).received_at

    # Saying something.

    def party(self, name: str) -> Party:
        """Return a party that is not on the log (yet); `admit` does both."""
        party = Party(name)
        return self.parties.setdefault(party.did, party)

    def seal(self, event: events.Event, *, key: events.KeyRecord | None = None) -> Envelope:
        """Return the event's envelope, signed with `key`, or with the speaker's first event key."""
        party = self.parties[event.issuer]
        key_id = (key or party.event).key_id
        return seal(event, key_id, lambda message: party.sign(key_id, message))

    def say(self, event: events.Event, *, key: events.KeyRecord | None = None) -> LeafIndex:
        """Sign, decide, append and evolve; return the entry's index or raise the `Refusal`."""
        return self.append(self.seal(event, key=key))

    def append(self, envelope: Envelope) -> LeafIndex:
        """Decide on an envelope and append it, as a ledger does; raises the `Refusal`."""
        opened, index, received_at = open_envelope(envelope), LeafIndex(len(self.entries)), self.now
        decide(self.book, opened, index=index, received_at=received_at)
        check_signature(self.book, opened, received_at)
        previous = self.leaf_hashes[-1] if self.leaf_hashes else entries.first_previous(self.origin)
        data = entries.encode(envelope, index, previous, received_at)
        evolve(self.book, opened, index=index, received_at=received_at)
        self.entries.append(data)
        self.leaf_hashes.append(leaf_hash(data))
        self.opened.append(opened)
        self.now_ms += self.step_ms
        return index

    def refuses(self, event: events.Event, refusal: type[_Refusal], *, key: events.KeyRecord | None = None) -> _Refusal:
        """Assert that the log refuses the event with exactly this class, and return the refusal."""
        with pytest.raises(Refusal) as caught:
            self.say(event, key=key)
        assert type(caught.value) is refusal, f"{type(caught.value).__name__}: {caught.value}"
        return caught.value

    def admit(self, name: str, **fields: Any) -> Party:
        """Admit an institution and return it."""
        party = self.party(name)
        self.say(self.admission(party, **fields))
        return party

    def issued(self, speaker: Party, name: str = "", **fields: Any) -> CredentialId:
        """Issue, by the type that the rules in force have, and return the credential's id."""
        is_old = self.rules_version == 1
        return self._said(self.issue(speaker, name, **fields) if is_old else self.committed(speaker, name, **fields))

    def stacked(
        self, speaker: Party, components: Iterable[CredentialId], name: str = "", **fields: Any
    ) -> CredentialId:
        """Stack, by the type that the rules in force have, and return the stack's id."""
        is_old = self.rules_version == 1
        return self._said(
            self.stack(speaker, components, name, **fields)
            if is_old
            else self.committed_stack(speaker, components, name, **fields)
        )

    def _said(self, event: events.Issue) -> CredentialId:
        (credential_id,) = self.opened[self.say(event)].credential_ids
        return credential_id

    def issued_together(self, speaker: Party, names: Iterable[str], **fields: Any) -> tuple[CredentialId, ...]:
        """Issue credentials with one event (rules version 2), and return their ids in its order."""
        return self.opened[self.say(self.issue_many(speaker, names, **fields))].credential_ids

    def event_id(self, index: int) -> EventId:
        """Return the event id of the entry at `index`."""
        return self.opened[index].event_id

    # The tree.

    @property
    def size(self) -> TreeSize:
        """How many entries there are."""
        return TreeSize(len(self.entries))

    @property
    def read_node(self) -> NodeReader:
        """A reader of subtree hashes, for `proto.log.merkle`'s proofs."""
        return reader_of(self.leaf_hashes)

    def root_hash(self, size: int | None = None) -> Hash:
        """Return the root hash of the first `size` entries (default: all)."""
        return Frontier().extend(self.leaf_hashes[:size]).root()

    @property
    def log_key(self) -> SignerKey:
        """The log's own key, which signs checkpoints; named as the origin."""
        return SignerKey(name=self.origin, secret=secret_key("log", self.origin))

    def checkpoint(self, size: int | None = None) -> bytes:
        """Return the signed checkpoint of the first `size` entries (default: all), without cosignatures."""
        size = len(self.entries) if size is None else size
        checkpoint = Checkpoint(origin=self.origin, size=TreeSize(size), root_hash=self.root_hash(size))
        return sign_checkpoint(checkpoint, self.log_key).encode()

    # What the book says.

    def effective(
        self, credential_id: CredentialId, *, at: Moment | None = None, known_at: Moment | None = None
    ) -> Effective | None:
        """Return the credential's state, by default now and by all that is known; None where it was not issued."""
        credential = self.book.credential(credential_id)
        return effective(self.book, credential, at=at or self.now, known_at=known_at) if credential else None

    def state(
        self, credential_id: CredentialId, *, at: Moment | None = None, known_at: Moment | None = None
    ) -> str | None:
        """Return the name of the credential's state."""
        found = self.effective(credential_id, at=at, known_at=known_at)
        return found.state if found else None

    def key_state(self, key: events.KeyRecord) -> Key:
        """Return what the log knows of a key."""
        known = self.book.key(key.key_id)
        assert known is not None
        return known


class FirstWorld(World):
    """A log that begins with version 1 of the rules, as the first logs did."""

    def __init__(self, **fields: Any) -> None:
        fields.setdefault("rules_version", 1)
        super().__init__(**fields)


def activate_unknown_rules(world: World) -> None:
    """Have the next entry judged by a version of the rules that no software knows."""
    version = max(RULES_VERSIONS_KNOWN) + 1
    for each in range(world.rules_version + 1, version + 1):
        world.say(world.activation(each, world.size + version - each + 1))


def check_signature(book: Book, opened: Opened, received_at: Moment) -> None:
    """Raise `BadSignatureRefusal` unless the envelope verifies under the key it names."""
    key = signing_key(book, opened, received_at=received_at)
    if not is_signature(decode_public_key(key.public_key), opened.pae, opened.signature):
        raise BadSignatureRefusal(f"The signature was not made by {key.key_id} over these bytes")


def replay(lines: Iterable[bytes], origin: Origin = ORIGIN, *, book: Book | None = None) -> Book:
    """Return the state after these entries, each decoded, chained, decided, verified and applied as a follower does.

    `book` is the final state of the log that this one continues.
    """
    book, previous = book or FullBook(), entries.first_previous(origin)
    for index, line in enumerate(lines):
        entry, position = entries.decode(line), LeafIndex(index)
        assert (entry.index, entry.previous) == (index, previous.hex())
        opened = open_envelope(entry.envelope)
        decide(book, opened, index=position, received_at=entry.received_at)
        check_signature(book, opened, entry.received_at)
        evolve(book, opened, index=position, received_at=entry.received_at)
        previous = leaf_hash(line)
    return book
