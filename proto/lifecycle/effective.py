"""The effective state of a credential at a moment, by what was known at another: both axes of DESIGN 3.7. Pure reading.

When several states apply, the first of void, revoked, suspended, not_yet_valid, expired, impaired is shown.
"""

from typing import Literal

import msgspec

from proto.ids import CredentialId
from proto.lifecycle.book import Book
from proto.lifecycle.states import Change, Credential, Life
from proto.lifecycle.voidness import compromised_from, counts, is_known
from proto.moment import Moment
from proto.stacking import ects_remaining

StateName = Literal["active", "suspended", "revoked", "void", "expired", "not_yet_valid", "impaired"]


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """An effective state: its name, since when on the effective axis, and the reason where a transition gave one.

    `credits_remaining` is in hundredths of ECTS; for a plain credential all or nothing. `replaced_by` comes from a
    revocation.
    """

    state: StateName
    since: Moment
    credits_remaining: int
    reason: str | None = None
    replaced_by: CredentialId | None = None


def life_of(book: Book, credential: Credential, *, known_at: Moment | None = None) -> Life | None:
    """Return the life that counts: the last that is known and not void, else the last known, else None."""
    known = [life for life in credential.lives if is_known(life.stamp, known_at)]
    living = [life for life in known if counts(book, life.stamp, known_at)]
    found = living or known
    return found[-1] if found else None


def effective(book: Book, credential: Credential, *, at: Moment, known_at: Moment | None = None) -> Effective | None:
    """Return the credential's state at `at` by what the log said up to `known_at`; None if not yet issued then.

    Needs the parts of a stack in the book.
    """
    life = life_of(book, credential, known_at=known_at)
    if life is None:
        return None
    alone = _alone(book, life, at, known_at)
    if alone.state != "active" or not life.components:
        return alone
    return _with_parts(book, life, alone, at, known_at)


def changes_that_count(book: Book, life: Life, *, known_at: Moment | None = None) -> list[Change]:
    """Return the transitions of a life that are known and not void, in the order of the log."""
    return [change for change in life.changes if counts(book, change.stamp, known_at)]


def _alone(book: Book, life: Life, at: Moment, known_at: Moment | None) -> Effective:
    """The state without looking at the parts."""
    if not counts(book, life.stamp, known_at):
        since = compromised_from(book, life.stamp.key_id, known_at=known_at) or life.stamp.received_at
        return Effective(state="void", since=since, credits_remaining=0, reason="key-compromise")
    last = _last_change(book, life, at, known_at)
    if last is not None and last.kind != "reinstated":
        return Effective(
            state="revoked" if last.kind == "revoked" else "suspended",
            since=last.effective_at,
            credits_remaining=0,
            reason=last.reason,
            replaced_by=last.replaced_by,
        )
    if at < life.valid_from:
        return Effective(state="not_yet_valid", since=min(life.valid_from, life.stamp.received_at), credits_remaining=0)
    if life.valid_until is not None and at >= life.valid_until:
        return Effective(state="expired", since=life.valid_until, credits_remaining=0)
    since = max(life.valid_from, last.effective_at) if last else life.valid_from
    return Effective(state="active", since=since, credits_remaining=life.ects_hundredths)


def _last_change(book: Book, life: Life, at: Moment, known_at: Moment | None) -> Change | None:
    """The transition that decides at `at`: a revocation is final, else the last."""
    found = [change for change in changes_that_count(book, life, known_at=known_at) if change.effective_at <= at]
    revoked = [change for change in found if change.kind == "revoked"]
    decisive = revoked[:1] or found[-1:]
    return decisive[0] if decisive else None


def _with_parts(book: Book, life: Life, alone: Effective, at: Moment, known_at: Moment | None) -> Effective:
    """A stack whose own state is active: impaired if any part, at any level, fell away."""
    parts = [_part(book, component, at, known_at) for component in life.components]
    remaining = ects_remaining(life.ects_hundredths, (part.credits_remaining for part in parts if part))
    fallen = [part for part in parts if part is None or part.state != "active"]
    if not fallen:
        return msgspec.structs.replace(alone, credits_remaining=remaining)
    since = min((part.since for part in fallen if part), default=life.valid_from)
    return Effective(state="impaired", since=max(since, life.valid_from), credits_remaining=remaining)


def _part(book: Book, component: CredentialId, at: Moment, known_at: Moment | None) -> Effective | None:
    credential = book.credential(component)
    return effective(book, credential, at=at, known_at=known_at) if credential else None
