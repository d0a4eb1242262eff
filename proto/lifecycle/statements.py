"""States of what stands until it is withdrawn: standing decisions, invitations, endorsements; and how they are grouped.

Each is made by one entry and keeps the entries that withdrew it. Rules read them by their event id, or all of a group:
what one institution said, or what was said of one thing. Knows no rule and no database.
"""

import hashlib
from typing import NewType

from proto.events import Decision, EndorserRole
from proto.ids import AchievementUri, CredentialId, Did, EventId
from proto.lifecycle.states import Recognition, Stamp, State
from proto.moment import Moment

StatementGroup = NewType("StatementGroup", str)
"""The name of a group of statements: 64 hex digits, made of what its statements have in common."""

# Limits of rules version 2 (DESIGN 9). Only what counts is counted; void ones are not.
WITHDRAWALS_MAX = 4
"""Withdrawals of one statement, the void ones among them."""
DECISIONS_EVER_MAX = 16
"""Standing decisions of one institution on one achievement for one programme."""
DECISIONS_LIVE_MAX = 10_000
"""Standing decisions of one institution that are neither withdrawn nor over."""
DECISION_YEARS_MAX = 5
INVITATIONS_LIVE_MAX = 64
"""Invitations of one institution."""
ENDORSEMENTS_EVER_MAX = 4
"""Endorsements of one credential by one institution in one role."""
ENDORSEMENTS_LIVE_MAX = 16
"""Endorsements of one credential that hold."""
STATEMENTS_EVER_MAX = 65_536
"""Standing decisions, or invitations, of one institution in all: to count the live ones each may have to be read."""


class StandingDecision(State, frozen=True, kw_only=True, tag="decision"):
    """An institution counts what another awards for an achievement, towards a programme, for as long as it says."""

    stamp: Stamp
    achievement_issuer: Did
    achievement: AchievementUri
    decision: Decision
    ects_hundredths: int
    eqf_level: int | None
    programme: str
    valid_from: Moment
    valid_until: Moment
    ects_hundredths_min: int | None
    eqf_level_min: int | None
    description_digest: str | None
    withdrawals: tuple[Stamp, ...] = ()

    @property
    def recogniser(self) -> Did:
        """Who decided."""
        return self.stamp.speaker

    def groups(self) -> tuple[StatementGroup, ...]:
        """Return the groups that it is in."""
        return (
            decisions_like(self.recogniser, self.achievement_issuer, self.achievement, self.programme),
            decisions_by(self.recogniser),
            decisions_on(self.achievement_issuer, self.achievement),
        )


class Invitation(State, frozen=True, kw_only=True, tag="invitation"):
    """The issuer of an achievement lets an institution endorse its credentials in a role."""

    stamp: Stamp
    achievement: AchievementUri
    endorser: Did
    role: EndorserRole
    withdrawals: tuple[Stamp, ...] = ()

    def groups(self) -> tuple[StatementGroup, ...]:
        """Return the groups that it is in."""
        inviter = self.stamp.speaker
        return (
            invitations_like(inviter, self.achievement, self.endorser, self.role),
            invitations_by(inviter),
            invitations_of(self.endorser),
        )


class Endorsement(State, frozen=True, kw_only=True, tag="endorsement"):
    """An institution stands by a credential in a role; `invitation` is the one by which it may."""

    stamp: Stamp
    credential_id: CredentialId
    role: EndorserRole
    invitation: EventId
    withdrawals: tuple[Stamp, ...] = ()

    @property
    def endorser(self) -> Did:
        """Who endorsed."""
        return self.stamp.speaker

    def groups(self) -> tuple[StatementGroup, ...]:
        """Return the groups that it is in."""
        return (endorsements_of(self.credential_id),)


Statement = StandingDecision | Invitation | Endorsement
Withdrawable = Recognition | Statement
"""What is withdrawn by an event of its own, or as a recognition by the one that replaces it."""


def decisions_like(recogniser: Did, issuer: Did, achievement: str, programme: str) -> StatementGroup:
    """Return the group of the standing decisions of one institution on one achievement for one programme."""
    return _group("decisions-like", recogniser, issuer, achievement, programme)


def decisions_by(recogniser: Did) -> StatementGroup:
    """Return the group of all standing decisions of one institution."""
    return _group("decisions-by", recogniser)


def decisions_on(issuer: Did, achievement: str) -> StatementGroup:
    """Return the group of everybody's standing decisions on one achievement."""
    return _group("decisions-on", issuer, achievement)


def invitations_like(inviter: Did, achievement: str, endorser: Did, role: EndorserRole) -> StatementGroup:
    """Return the group of the invitations of one institution to endorse one achievement in one role."""
    return _group("invitations-like", inviter, achievement, endorser, role)


def invitations_by(inviter: Did) -> StatementGroup:
    """Return the group of all invitations that one institution made."""
    return _group("invitations-by", inviter)


def invitations_of(endorser: Did) -> StatementGroup:
    """Return the group of all invitations that one institution got."""
    return _group("invitations-of", endorser)


def endorsements_of(credential_id: CredentialId) -> StatementGroup:
    """Return the group of all endorsements of one credential."""
    return _group("endorsements-of", credential_id)


def _group(*names: str) -> StatementGroup:
    """No name has a line feed in it, so that what is joined by them means one thing."""
    return StatementGroup(hashlib.sha256("\n".join(names).encode()).hexdigest())
