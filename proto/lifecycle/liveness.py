"""Whether what is said until it is withdrawn still stands, by what was known at a moment (DESIGN 3.7, 9). Pure."""

from proto.ids import EventId
from proto.lifecycle.book import Book
from proto.lifecycle.statements import Endorsement, Invitation, StandingDecision, Withdrawable
from proto.lifecycle.voidness import counts
from proto.moment import Moment


def is_live(book: Book, said: Withdrawable, *, known_at: Moment | None = None) -> bool:
    """Tell whether it counts: known, not void, and not withdrawn by anything that counts."""
    return counts(book, said.stamp, known_at) and not any(counts(book, each, known_at) for each in said.withdrawals)


def is_live_recognition(book: Book, event_id: EventId, *, known_at: Moment | None = None) -> bool:
    """Tell whether the recognition made by that event counts."""
    recognition = book.recognition(event_id)
    return recognition is not None and is_live(book, recognition, known_at=known_at)


def is_in_force(book: Book, decision: StandingDecision, at: Moment, *, known_at: Moment | None = None) -> bool:
    """Tell whether a standing decision counts, and `at` lies within its period."""
    return decision.valid_from <= at < decision.valid_until and is_live(book, decision, known_at=known_at)


def holds(book: Book, endorsement: Endorsement, *, known_at: Moment | None = None) -> bool:
    """Tell whether an endorsement counts, and the invitation too by which it was made."""
    invitation = book.statement(endorsement.invitation)
    is_invited = isinstance(invitation, Invitation) and is_live(book, invitation, known_at=known_at)
    return is_invited and is_live(book, endorsement, known_at=known_at)
