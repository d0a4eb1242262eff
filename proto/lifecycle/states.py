"""The states that the rules read and write: an aggregate per issuer, credential, recognition; the book of them.

All that was said keeps its `Stamp`, so that what a compromised key said can be left out when reading (DESIGN 3.7).
Knows no rule and no database; stores keep the aggregates as they are encoded here.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal, TypeVar

import msgspec

from proto.event_fields import KeyPurpose, Reason
from proto.events import Accreditation, Parameters, Predecessor, Scope
from proto.ids import AchievementUri, CredentialId, Did, EventId, KeyId, LeafIndex, Origin, owner_of
from proto.keys import PublicKey
from proto.moment import Moment

_owner = lru_cache(maxsize=8_192)(owner_of)  # of key ids on the log, which are short; strangers' texts are not kept


class State(msgspec.Struct, frozen=True, kw_only=True, array_like=True):
    """What a state is: immutable, and compact when stored (fields by position; new fields go to the end)."""


class Stamp(State, frozen=True, kw_only=True):
    """Which entry said something: its index, event id, signing key and the time the log received it.

    Where a log continues another, the index counts the entries of both (see `LogState`).
    """

    index: LeafIndex
    event_id: EventId
    key_id: KeyId
    received_at: Moment

    @property
    def speaker(self) -> Did:
        """Who said it: the owner of the key."""
        return _owner(self.key_id)


class Retirement(State, frozen=True, kw_only=True):
    """A key was retired; `invalid_from` is set where it was condemned as compromised."""

    stamp: Stamp
    invalid_from: Moment | None = None


class Key(State, frozen=True, kw_only=True):
    """A key of a ring; `usable_from` lies after `added.received_at` where the registrar added it (the public delay)."""

    key_id: KeyId
    purpose: KeyPurpose
    public_key: PublicKey
    added: Stamp
    usable_from: Moment
    retirements: tuple[Retirement, ...] = ()


class Profile(State, frozen=True, kw_only=True):
    """What the registrar said of an institution, from this entry on."""

    stamp: Stamp
    is_admission: bool
    legal_name: str
    country: str
    uri_prefixes: tuple[str, ...]
    scope: Scope
    accreditation: Accreditation


class Standing(State, frozen=True, kw_only=True):
    """The registrar suspended, reinstated or closed an institution."""

    stamp: Stamp
    kind: Literal["suspended", "reinstated", "closed"]
    successor: Did | None = None


class Issuer(State, frozen=True, kw_only=True):
    """An institution, or the registrar itself (which has keys only), with everything ever said of it and its keys."""

    did: Did
    profiles: tuple[Profile, ...] = ()
    standings: tuple[Standing, ...] = ()
    keys: tuple[Key, ...] = ()

    def key(self, key_id: KeyId) -> Key | None:
        """Return the key of that name, or None."""
        for key in self.keys:
            if key.key_id == key_id:
                return key
        return None


class Change(State, frozen=True, kw_only=True):
    """A transition of a credential."""

    stamp: Stamp
    kind: Literal["revoked", "suspended", "reinstated"]
    reason: Reason
    effective_at: Moment
    replaced_by: CredentialId | None = None


class Life(State, frozen=True, kw_only=True):
    """One issue of a credential and what followed; `parts` are the components flattened, all levels (stacks only).

    What was done to the credential (`changes`) is in each of its lives: transitions are the credential's, and outlive
    the void issue under which they were said.
    """

    stamp: Stamp
    achievement: AchievementUri
    ects_hundredths: int
    eqf_level: int | None
    valid_from: Moment
    valid_until: Moment | None
    components: tuple[CredentialId, ...] = ()
    parts: tuple[CredentialId, ...] = ()
    level: int = 0
    changes: tuple[Change, ...] = ()

    @property
    def issuer(self) -> Did:
        """Who issued it."""
        return self.stamp.speaker


class Credential(State, frozen=True, kw_only=True):
    """A credential; more than one life only where an earlier issue was void and it was issued again.

    All lives have the same components, so that what a stack is made of never changes, and nothing contains itself.
    """

    credential_id: CredentialId
    lives: tuple[Life, ...]

    @property
    def issuer(self) -> Did:
        """Who issued it first; nobody else may issue it again."""
        return self.lives[0].issuer


class Recognition(State, frozen=True, kw_only=True):
    """An institution's decision to count a credential; `withdrawals` are the entries that withdrew it."""

    stamp: Stamp
    credential_id: CredentialId
    decision: Literal["full", "partial"]
    ects_hundredths: int
    eqf_level: int | None
    programme: str
    withdrawals: tuple[Stamp, ...] = ()

    @property
    def recogniser(self) -> Did:
        """Who recognised."""
        return self.stamp.speaker


class RulesVersion(State, frozen=True, kw_only=True):
    """From index `from_index` on, entries are judged by this version."""

    stamp: Stamp
    version: int
    from_index: int


class LogState(State, frozen=True, kw_only=True):
    """What the opening said, and the rules' versions since.

    A log that continues another (`predecessor`) inherits its states, so stamps count entries across both: the entry at
    `index` of this log is stamped `first_stamp + index`, which is more than any entry of the predecessor has.
    """

    origin: Origin
    registrar: Did
    parameters: Parameters
    rules: tuple[RulesVersion, ...]
    predecessor: Predecessor | None = None
    first_stamp: int = 0

    def rules_version_at(self, index: LeafIndex) -> int:
        """Return the version of the rules that judges the entry at `index`."""
        if len(self.rules) == 1 and self.rules[0].from_index <= index:
            return self.rules[0].version
        return max(rule.version for rule in self.rules if rule.from_index <= index)


def prefixes_of(issuer: Issuer) -> tuple[str, ...]:
    """Return every URI prefix that an institution ever registered, void admissions included, sorted."""
    return tuple(sorted({prefix for entry in issuer.profiles for prefix in entry.uri_prefixes}))


def overlap(one: str, other: str) -> bool:
    """Tell whether one URI prefix begins with the other."""
    return one.startswith(other) or other.startswith(one)


RULINGS_MAX = 8_192
SharedPlace = int
"""Where lives that several credentials share are kept: made of the event that they came by, and never changed."""
_PLACES_PER_ENTRY = 256


def shared_place(stamp: Stamp, number: int) -> SharedPlace:
    """Return the place of the lives that the event at `stamp` gives to several credentials; `number` below 256."""
    return stamp.index * _PLACES_PER_ENTRY + number


RecognisedPair = tuple[CredentialId, Did]
_Name = TypeVar("_Name")
_Aggregate = TypeVar("_Aggregate")


class UnloadedStateError(LookupError):
    """A rule reads a state that was not loaded: a fault of ours, never of the input."""


def _loaded(states: dict[_Name, _Aggregate | None], name: _Name) -> _Aggregate | None:
    try:
        return states[name]
    except KeyError:
        raise UnloadedStateError(f"{name} was not loaded before deciding") from None


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

    `evolve` writes to it, and the `changed_…` sets say what a store has to save; `shared_by` says at which place of
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
        self.shared_by: dict[CredentialId, SharedPlace] = {}
        self.shared_lives: dict[SharedPlace, tuple[Life, ...]] = {}
        self.changed_recognitions: set[EventId] = set()
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
        owner = self.issuer(_owner(key_id))
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
        self.credentials[credential.credential_id] = credential
        self.changed_credentials.add(credential.credential_id)
        self.shared_by.pop(credential.credential_id, None)

    def put_credentials(self, ids: Sequence[CredentialId], lives: tuple[Life, ...], place: SharedPlace) -> None:
        """Write credentials that one event gave the same lives; a store keeps these once, at `place`."""
        if len(ids) == 1:
            self.put_credential(Credential(credential_id=ids[0], lives=lives))
            return
        self.shared_lives[place] = lives
        self.changed_credentials.update(ids)
        self.shared_by.update(dict.fromkeys(ids, place))
        for credential_id in ids:
            self.credentials[credential_id] = Credential(credential_id=credential_id, lives=lives)

    def put_recognition(self, recognition: Recognition) -> None:
        """Write a recognition."""
        event_id = recognition.stamp.event_id
        pair = (recognition.credential_id, recognition.recogniser)
        self.recognitions[event_id] = recognition
        self.changed_recognitions.add(event_id)
        known = self.recognised.get(pair) or ()
        if event_id not in known:
            self.recognised[pair] = (*known, event_id)

    def put_event(self, event_id: EventId, index: LeafIndex) -> None:
        """Write where an event is on the log."""
        self.events[event_id] = index
        self.changed_events.add(event_id)

    def put_log(self, log: LogState) -> None:
        """Write the log's own state."""
        self.log = log
        self.is_log_changed = True
