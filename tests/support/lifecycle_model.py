"""What a credential's state is, computed a second time: slowly, straight from DESIGN 3.7, from the bare history.

Shares no code with `proto.lifecycle`. Knows only what was admitted: index, key, time received, event.
"""

import hashlib
from typing import Any, NamedTuple

from proto import events
from proto.ids import CredentialId, EventId, KeyId
from proto.moment import Moment
from tests.support.worlds import World

AFTER_NOTHING = -1


class Said(NamedTuple):
    """One admitted event; `place` is its leaf index."""

    place: int
    key_id: KeyId
    received_at: Moment
    event: events.Event


class Shown(NamedTuple):
    """A state, the credits that remain and the reason."""

    state: str
    credits_remaining: int
    reason: str | None


class Model:
    """The whole history, asked by what was known at one moment (None: everything)."""

    def __init__(self, world: World, known_at: Moment | None, *, size: int | None = None) -> None:
        self.world = world
        self.names = [opened.event_id for opened in world.opened]
        self.all = [
            Said(index, opened.key_id, world.received_at(index), opened.event)
            for index, opened in enumerate(world.opened[:size])
        ]
        self.known = [said for said in self.all if known_at is None or said.received_at <= known_at]
        self.condemnations = [
            said
            for said in self.known
            if isinstance(said.event, events.IssuerKeyRetired) and said.event.reason == "compromised"
        ]
        self.additions: dict[KeyId, Said] = {}
        for said in self.all:
            for record in _keys_in(said.event):
                self.additions[record.key_id] = said
        self._void: dict[tuple[int, int], bool] = {}

    def is_void(self, said: Said, after: int = AFTER_NOTHING) -> bool:
        """The definition: condemned from then or earlier by a statement that stands, or added by something void."""
        if said.place == 0:
            return False
        if (said.place, after) not in self._void:
            self._void[said.place, after] = self._is_condemned(said, after) or self.is_void(
                self.additions[said.key_id], after
            )
        return self._void[said.place, after]

    def _is_condemned(self, said: Said, after: int) -> bool:
        return any(
            each.place > after
            and isinstance(each.event, events.IssuerKeyRetired)
            and each.event.key_id == said.key_id
            and each.event.invalid_from
            and each.event.invalid_from <= said.received_at
            and not self.is_void(each, after=each.place)
            for each in self.condemnations
        )

    def shown(self, credential_id: CredentialId, at: Moment) -> Shown | None:
        """Return the state at `at`; None where it was not issued by what is known."""
        issues = [
            (said, said.event)
            for said in self.known
            if isinstance(said.event, _ISSUES) and credential_id in _named(said.event)
        ]
        if not issues:
            return None
        standing = [issue for _, issue in (pair for pair in issues if not self.is_void(pair[0]))]
        if not standing:
            return Shown("void", 0, "key-compromise")
        return self._shown(credential_id, standing[-1], at)

    def _shown(self, credential_id: CredentialId, issue: events.Issue, at: Moment) -> Shown:
        done = [change for change in self._changes(credential_id) if change.effective_at <= at]
        revoked = [
            change for change in done if isinstance(change, events.CredentialRevoked | events.CredentialsRevoked)
        ]
        if revoked:
            return Shown("revoked", 0, revoked[0].reason)
        if done and isinstance(done[-1], events.CredentialSuspended):
            return Shown("suspended", 0, done[-1].reason)
        if at < issue.valid_from:
            return Shown("not_yet_valid", 0, None)
        if issue.valid_until and issue.valid_until <= at:
            return Shown("expired", 0, None)
        if not isinstance(issue, events.CredentialStacked | events.CredentialStackedV2):
            return Shown("active", issue.ects_hundredths, None)
        parts = [self.shown(component, at) for component in issue.components]
        remaining = min(issue.ects_hundredths, sum(part.credits_remaining for part in parts if part))
        is_whole = all(part is not None and part.state == "active" for part in parts)
        return Shown("active" if is_whole else "impaired", remaining, None)

    def standing(self) -> set[EventId]:
        """Return what was said until it is withdrawn, and still stands: recognitions, decisions, invitations.

        And endorsements, as long as the invitation stands too that stood when they were made.
        """
        alone = {
            self.names[said.place]
            for said in self.known
            if isinstance(said.event, _LASTING) and not self.is_void(said) and not self._is_withdrawn(said)
        }
        return {
            name for name in alone if name not in self.endorsed_by or self._invitation(self.endorsed_by[name]) in alone
        }

    def _is_withdrawn(self, said: Said) -> bool:
        name = self.names[said.place]
        return any(name in _taken_back(each.event) and not self.is_void(each) for each in self.known)

    @property
    def endorsed_by(self) -> dict[EventId, Said]:
        """Return the endorsements by their names."""
        return {self.names[said.place]: said for said in self.all if isinstance(said.event, events.CredentialEndorsed)}

    def _invitation(self, endorsement: Said) -> EventId:
        """The last invitation before it that stood by what was known then."""
        event = endorsement.event
        assert isinstance(event, events.CredentialEndorsed)
        then = Model(self.world, None, size=endorsement.place)
        issue = next(said.event for said in self.all if event.credential_id in _named(said.event))
        names = [
            self.names[said.place]
            for said in then.all
            if isinstance(said.event, events.EndorserInvited)
            and (said.event.endorser, said.event.role) == (event.issuer, event.role)
            and said.event.issuer == issue.issuer
            and self.names[said.place] in then.standing()
        ]
        return names[-1]

    def _changes(self, credential_id: CredentialId) -> list[events.Transition]:
        return [
            said.event
            for said in self.known
            if isinstance(said.event, _TRANSITIONS) and credential_id in _named(said.event) and not self.is_void(said)
        ]


_ISSUES = (
    events.CredentialIssued,
    events.CredentialIssuedV2,
    events.CredentialsIssued,
    events.CredentialStacked,
    events.CredentialStackedV2,
)
_TRANSITIONS = (
    events.CredentialRevoked,
    events.CredentialsRevoked,
    events.CredentialSuspended,
    events.CredentialReinstated,
)

_LASTING = (
    events.CredentialRecognised,
    events.CredentialRecognisedV2,
    events.AchievementRecognised,
    events.EndorserInvited,
    events.CredentialEndorsed,
)


def _taken_back(event: Any) -> set[str]:
    """The event ids of what an event withdraws."""
    is_recognition = isinstance(event, events.CredentialRecognised | events.CredentialRecognisedV2)
    fields = ["replaces"] if is_recognition else ["recognition", "invitation", "endorsement"]
    return {getattr(event, field, None) or "" for field in fields} - {""}


def _named(event: Any) -> set[str]:
    """The ids that an event says, or that follow from its commitments, by the words of DESIGN 9."""
    commitments = getattr(event, "commitments", ()) or [getattr(event, "commitment", None)]
    computed = {
        hashlib.sha256(f"credentify/credential/v2\n{event.issuer}\n{each}".encode()).hexdigest()
        for each in commitments
        if each
    }
    return computed | {*getattr(event, "credential_ids", ())} | ({getattr(event, "credential_id", "")} - {""})


def _keys_in(event: events.Event) -> tuple[events.KeyRecord | events.KeyRecordV2, ...]:
    if isinstance(event, events.LogOpened | events.IssuerAdmitted | events.IssuerAdmittedV2):
        return event.keys
    return (event.key,) if isinstance(event, events.IssuerKeyAdded | events.IssuerKeyAddedV2) else ()
