"""Rules for taking back what stands until it is withdrawn: by who said it, its successor, or the registrar. Pure.

A withdrawal that turns out void lapses, and the statement stands again (DESIGN 9). A closed institution says nothing
any more, and a suspended one nothing for now: that is refused for every event, before these rules.
"""

from proto import events
from proto.ids import EventId
from proto.lifecycle.book import Book
from proto.lifecycle.decide_issuer import living_end
from proto.lifecycle.liveness import is_live
from proto.lifecycle.refusals import (
    CredentialStateRefusal,
    LimitRefusal,
    NotAllowedRefusal,
    StatementStateRefusal,
    UnknownRecognitionRefusal,
    UnknownStatementRefusal,
)
from proto.lifecycle.statements import (
    WITHDRAWALS_MAX,
    Endorsement,
    Invitation,
    StandingDecision,
    Statement,
    Withdrawable,
)
from proto.lifecycle.states import Recognition
from proto.sentence import sentence

_KINDS: dict[type[events.Withdrawal], tuple[str, str, type[Statement]]] = {
    events.AchievementRecognitionWithdrawn: ("recognition", "standing decision", StandingDecision),
    events.EndorserUninvited: ("invitation", "invitation", Invitation),
    events.EndorsementWithdrawn: ("endorsement", "endorsement", Endorsement),
}
"""The field that names the statement, how it is called, and what it is."""


def withdraw(book: Book, event: events.Withdrawal, *, version: int) -> None:
    """Withdraw a recognition or a statement that is live; from rules version 2 on, so often at most."""
    if isinstance(event, events.RecognitionWithdrawn):
        recognition = known_recognition(book, event.recognition, pointer="/recognition")
        _check_may_withdraw(book, event, recognition, pointer="/recognition")
        if not is_live(book, recognition):
            raise CredentialStateRefusal("The recognition was withdrawn already", pointer="/recognition")
        if version > 1:
            check_room(recognition, pointer="/recognition")
        return
    field, called, kind = _KINDS[type(event)]
    statement = book.statement(withdrawn_by(event))
    if not isinstance(statement, kind):
        raise UnknownStatementRefusal(
            sentence("No {called} {statement} is on this log", called=sentence(called), statement=withdrawn_by(event)),
            pointer=f"/{field}",
        )
    _check_may_withdraw(book, event, statement, pointer=f"/{field}")
    if not is_live(book, statement):
        raise StatementStateRefusal(
            sentence("The {called} was withdrawn already, or is void", called=sentence(called)), pointer=f"/{field}"
        )
    check_room(statement, pointer=f"/{field}")


def withdrawn_by(event: events.Withdrawal) -> EventId:
    """Return what a withdrawal names."""
    if isinstance(event, events.EndorserUninvited):
        return event.invitation
    return event.endorsement if isinstance(event, events.EndorsementWithdrawn) else event.recognition


def known_recognition(book: Book, event_id: EventId, *, pointer: str) -> Recognition:
    """Return a recognition, or refuse what is none."""
    recognition = book.recognition(event_id)
    if recognition is None:
        raise UnknownRecognitionRefusal(
            sentence("No recognition {recognition} is on this log", recognition=event_id), pointer=pointer
        )
    return recognition


def _check_may_withdraw(book: Book, event: events.Withdrawal, said: Withdrawable, *, pointer: str) -> None:
    speaker = said.stamp.speaker
    if event.issuer not in {speaker, book.opened_log().registrar, living_end(book, speaker)}:
        raise NotAllowedRefusal(
            sentence(
                "Only {institution}, its successor or the registrar may withdraw what {field} names",
                institution=speaker,
                field=pointer[1:],
            ),
            pointer="/issuer",
        )


def check_room(said: Withdrawable, *, pointer: str) -> None:
    """Refuse one withdrawal more than is kept; those that lapsed are kept too."""
    if len(said.withdrawals) >= WITHDRAWALS_MAX:
        raise LimitRefusal(
            sentence(
                "{statement} was withdrawn {count} times by events that are void: no more are kept",
                statement=said.stamp.event_id,
                count=WITHDRAWALS_MAX,
            ),
            pointer=pointer,
        )
