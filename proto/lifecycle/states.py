"""The states that the rules read and write: an aggregate per issuer, credential, recognition.

All that was said keeps its `Stamp`, so that what a compromised key said can be left out when reading (DESIGN 3.7).
Knows no rule and no database; stores keep the aggregates as they are encoded here.
"""

from functools import lru_cache
from typing import Literal

import msgspec

from proto.event_fields import KeyPurpose, Reason
from proto.events import Accreditation, Parameters, Predecessor, Scope
from proto.ids import AchievementUri, CredentialId, Did, EventId, KeyId, LeafIndex, Origin, owner_of
from proto.keys import PublicKey
from proto.moment import Moment

owner_of_key = lru_cache(maxsize=8_192)(owner_of)
"""Of key ids on the log, which are short; strangers' texts are not kept."""


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
        return owner_of_key(self.key_id)


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
    """An institution's decision to count a credential; `withdrawals` are the entries that withdrew it.

    `under` is the standing decision that it follows, `replaces` the recognition that the same entry withdrew.
    """

    stamp: Stamp
    credential_id: CredentialId
    decision: Literal["full", "partial"]
    ects_hundredths: int
    eqf_level: int | None
    programme: str
    withdrawals: tuple[Stamp, ...] = ()
    under: EventId | None = None
    replaces: EventId | None = None

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


SharedPlace = int
"""Where lives that several credentials share are kept: made of the event that they came by, and never changed."""
_PLACES_PER_ENTRY = 256


def shared_place(stamp: Stamp, number: int) -> SharedPlace:
    """Return the place of the lives that the event at `stamp` gives to several credentials; `number` below 256."""
    return stamp.index * _PLACES_PER_ENTRY + number
