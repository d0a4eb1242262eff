"""The book of one decision or of one batch: the states that it reads, and what changed in them. Knows no rule."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from proto.ids import CredentialId, Did, EventId, KeyId, LeafIndex
from proto.keys import PublicKey
from proto.lifecycle.statements import Statement, StatementGroup
from proto.lifecycle.states import (
    Credential,
    Issuer,
    Key,
    Life,
    LogState,
    Profile,
    Recognition,
    SharedPlace,
    Standing,
    overlap,
    owner_of_key,
    prefixes_of,
)
from proto.moment import Moment

RULINGS_MAX = 8_192
RecognisedPair = tuple[CredentialId, Did]
_Name = TypeVar("_Name")
_Found = TypeVar("_Found")


class UnloadedStateError(LookupError):
    """A rule reads a state that was not loaded: a fault of ours, never of the input."""


def _loaded(states: dict[_Name, _Found], name: _Name) -> _Found:
    try:
        return states[name]
    except KeyError:
        raise UnloadedStateError(f"{name} was not loaded before deciding") from None


def put_absent(states: dict[_Name, Any], names: Iterable[_Name]) -> None:
    """Put None under every name that a book's states do not hold: it was looked up, and is not there."""
    for name in names:
        states.setdefault(name, None)


class Ruling:
    """What all that is known says of one institution; true for as long as both aggregates are these same objects.

    All that was said of an institution and its keys was said by itself or by the registrar, so nothing else matters.
    `proto.lifecycle.voidness` fills it in as it is asked; what was not asked yet is not there.
    """

    __slots__ = ("may_sign", "own", "profile", "registrar", "standing")

    def __init__(self, own: Issuer | None, registrar: Issuer | None) -> None:
        self.own = own
        self.registrar = registrar
        self.profile: tuple[Profile | None] | None = None
        self.standing: tuple[Standing | None] | None = None
        self.may_sign: dict[KeyId, bool] = {}


class Book:
    """The states that one decision or one batch of them reads; `None` under a name means: looked up, and not there.

    `evolve` writes to it, and the `changed_…` sets say what a store has to save; `earlier_credentials` are those of the
    changed ones that it has a row of already; `shared_by` says at which place of
    `shared_lives` the lives of a changed credential are, where it shares them. A book is made for a batch and thrown
    away after it (or kept, by a follower that is its only writer).
    """

    def __init__(self) -> None:
        self.log: LogState | None = None
        self.issuers: dict[Did, Issuer | None] = {}
        self.public_keys: dict[PublicKey, KeyId | None] = {}
        self.credentials: dict[CredentialId, Credential | None] = {}
        self.recognitions: dict[EventId, Recognition | None] = {}
        self.overlapping: dict[str, tuple[Did, ...] | None] = {}
        self.recognised: dict[RecognisedPair, tuple[EventId, ...] | None] = {}
        self.statements: dict[EventId, Statement | None] = {}
        self.groups: dict[StatementGroup, tuple[EventId, ...] | None] = {}
        self.events: dict[EventId, LeafIndex | None] = {}
        self.condemned: dict[
            tuple[Did, Moment | None], tuple[Issuer | None, Issuer | None, Mapping[KeyId, Moment]]
        ] = {}
        self.rulings: dict[Did, Ruling] = {}
        self.forget_changes()

    @classmethod
    def of_the_next_batch(cls, before: "Book | None") -> "Book":
        """Return a book that shares with an earlier one what most events touch: the log's state and issuers."""
        book = cls()
        if before is not None:
            book.log, book.issuers = before.log, before.issuers
            book.condemned, book.rulings = before.condemned, before.rulings
        return book

    def forget_changes(self) -> None:
        """Call after the changes were saved: what is in the book is then what is in the store."""
        self.is_log_changed = False
        self.changed_issuers: set[Did] = set()
        self.changed_public_keys: set[PublicKey] = set()
        self.changed_credentials: set[CredentialId] = set()
        self.earlier_credentials: set[CredentialId] = set()
        self.shared_by: dict[CredentialId, SharedPlace] = {}
        self.shared_lives: dict[SharedPlace, tuple[Life, ...]] = {}
        self.changed_recognitions: set[EventId] = set()
        self.changed_statements: set[EventId] = set()
        self.changed_events: set[EventId] = set()

    def opened_log(self) -> LogState:
        """Return the log's state; raises `UnloadedStateError` before entry 0."""
        if self.log is None:
            raise UnloadedStateError("The log has not been opened")
        return self.log

    def issuer(self, did: Did) -> Issuer | None:
        """Return the issuer or registrar of that DID, or None if the log knows none."""
        return _loaded(self.issuers, did)

    def credential(self, credential_id: CredentialId) -> Credential | None:
        """Return the credential of that id, or None if the log knows none."""
        return _loaded(self.credentials, credential_id)

    def recognition(self, event_id: EventId) -> Recognition | None:
        """Return the recognition made by that event, or None."""
        return _loaded(self.recognitions, event_id)

    def recognitions_by(self, pair: RecognisedPair) -> tuple[EventId, ...]:
        """Return the event ids of all recognitions of one credential by one institution, withdrawn ones too."""
        return _loaded(self.recognised, pair) or ()

    def statement(self, event_id: EventId) -> Statement | None:
        """Return the standing decision, invitation or endorsement made by that event, or None."""
        return _loaded(self.statements, event_id)

    def statements_in(self, group: StatementGroup) -> tuple[EventId, ...]:
        """Return the event ids of all statements of a group, withdrawn ones too, in the order of the log."""
        return _loaded(self.groups, group) or ()

    def key_id_of(self, public_key: PublicKey) -> KeyId | None:
        """Return under which name these key bytes are on the log, or None."""
        return _loaded(self.public_keys, public_key)

    def overlapping_with(self, prefix: str) -> tuple[Did, ...]:
        """Return every institution that ever registered a URI prefix which begins with this one, or begins it."""
        return _loaded(self.overlapping, prefix) or ()

    def index_of(self, event_id: EventId) -> LeafIndex | None:
        """Return where this event is on the log, or None."""
        return _loaded(self.events, event_id)

    def ruling(self, did: Did) -> Ruling:
        """Return what was found out about an institution from its aggregate and the registrar's as they are now."""
        own, registrar = self.issuer(did), self.issuer(self.opened_log().registrar)
        found = self.rulings.get(did)
        if found is None or found.own is not own or found.registrar is not registrar:
            if len(self.rulings) >= RULINGS_MAX:
                self.rulings.clear()
            found = self.rulings[did] = Ruling(own, registrar)
        return found

    def key(self, key_id: KeyId) -> Key | None:
        """Return the key of that name, or None."""
        owner = self.issuer(owner_of_key(key_id))
        return owner.key(key_id) if owner else None

    def put_issuer(self, issuer: Issuer) -> None:
        """Write an issuer, and the bytes of the keys that are new in its ring (keys never leave a ring)."""
        before = self.issuers.get(issuer.did)
        self.issuers[issuer.did] = issuer
        self.changed_issuers.add(issuer.did)
        for key in issuer.keys[len(before.keys) if before else 0 :]:
            self.public_keys[key.public_key] = key.key_id
            self.changed_public_keys.add(key.public_key)
        for prefix in prefixes_of(issuer) if len(issuer.profiles) > (len(before.profiles) if before else 0) else ():
            self._put_prefix(prefix, issuer.did)

    def _put_prefix(self, prefix: str, did: Did) -> None:
        for asked, known in self.overlapping.items():
            if overlap(asked, prefix) and did not in (known or ()):
                self.overlapping[asked] = (*(known or ()), did)

    def put_credential(self, credential: Credential) -> None:
        """Write a credential that shares what it went through with no other."""
        self._change((credential.credential_id,))
        self.credentials[credential.credential_id] = credential
        self.shared_by.pop(credential.credential_id, None)

    def put_credentials(self, ids: Sequence[CredentialId], lives: tuple[Life, ...], place: SharedPlace) -> None:
        """Write credentials that one event gave the same lives; a store keeps these once, at `place`."""
        if len(ids) == 1:
            self.put_credential(Credential(credential_id=ids[0], lives=lives))
            return
        self.shared_lives[place] = lives
        self._change(ids)
        self.shared_by.update(dict.fromkeys(ids, place))
        for credential_id in ids:
            self.credentials[credential_id] = Credential(credential_id=credential_id, lives=lives)

    def _change(self, ids: Sequence[CredentialId]) -> None:
        """Note that these change, and which of them the store has: those that were there before anything changed."""
        known, changed = self.credentials, self.changed_credentials
        self.earlier_credentials.update(name for name in ids if known.get(name) is not None and name not in changed)
        changed.update(ids)

    def put_recognition(self, recognition: Recognition) -> None:
        """Write a recognition."""
        event_id = recognition.stamp.event_id
        pair = (recognition.credential_id, recognition.recogniser)
        self.recognitions[event_id] = recognition
        self.changed_recognitions.add(event_id)
        known = self.recognised.get(pair) or ()
        if event_id not in known:
            self.recognised[pair] = (*known, event_id)

    def put_statement(self, statement: Statement) -> None:
        """Write a standing decision, an invitation or an endorsement; groups that nobody asked for are left alone."""
        event_id = statement.stamp.event_id
        self.statements[event_id] = statement
        self.changed_statements.add(event_id)
        for group in statement.groups():
            if group in self.groups and event_id not in (known := self.groups.get(group) or ()):
                self.groups[group] = (*known, event_id)

    def put_event(self, event_id: EventId, index: LeafIndex) -> None:
        """Write where an event is on the log."""
        self.events[event_id] = index
        self.changed_events.add(event_id)

    def put_log(self, log: LogState) -> None:
        """Write the log's own state."""
        self.log = log
        self.is_log_changed = True
