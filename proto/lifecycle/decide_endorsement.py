"""Rules for endorsing: whom the issuer of an achievement invites, and what the invited stand by (DESIGN 9). Pure.

Endorsements are no part of a credential's state, and no verdict rests on them.
"""

from proto import events
from proto.ids import Did, EventId
from proto.lifecycle.book import Book
from proto.lifecycle.decide_credential import active_life
from proto.lifecycle.decide_issuer import admitted, not_closed
from proto.lifecycle.liveness import holds, is_live
from proto.lifecycle.refusals import AlreadyExistsRefusal, LimitRefusal, NotAllowedRefusal, NotInvitedRefusal
from proto.lifecycle.scope import check_prefix, institution
from proto.lifecycle.statements import (
    ENDORSEMENTS_EVER_MAX,
    ENDORSEMENTS_LIVE_MAX,
    INVITATIONS_LIVE_MAX,
    STATEMENTS_EVER_MAX,
    Endorsement,
    Invitation,
    StatementGroup,
    endorsements_of,
    invitations_by,
    invitations_like,
)
from proto.lifecycle.states import Life
from proto.lifecycle.voidness import counts
from proto.moment import Moment
from proto.sentence import sentence


def invite(book: Book, event: events.EndorserInvited) -> None:
    """The issuer of an achievement invites another institution, once for each role."""
    known = institution(book, event.issuer)
    check_prefix(known, event.issuer, event.achievement, pointer="/achievement")
    if event.endorser == event.issuer:
        raise NotAllowedRefusal("An institution does not endorse what it issues itself", pointer="/endorser")
    not_closed(book, admitted(book, event.endorser, pointer="/endorser"), event.endorser, pointer="/endorser")
    like = invitations_like(event.issuer, event.achievement, event.endorser, event.role)
    standing = live_invitation(book, like)
    if standing is not None:
        raise AlreadyExistsRefusal(
            sentence(
                "{institution} is invited to this in this role: {invitation}",
                institution=event.endorser,
                invitation=standing,
            ),
            pointer="/endorser",
        )
    _check_few_invited(book, event.issuer)


def live_invitation(book: Book, group: StatementGroup) -> EventId | None:
    """Return the event id of the last invitation of a group that stands, or None."""
    made = [each for name in book.statements_in(group) if isinstance(each := book.statement(name), Invitation)]
    return next((each.stamp.event_id for each in reversed(made) if is_live(book, each)), None)


def _check_few_invited(book: Book, speaker: Did) -> None:
    names = book.statements_in(invitations_by(speaker))
    if len(names) < INVITATIONS_LIVE_MAX:
        return
    made = [each for name in names if isinstance(each := book.statement(name), Invitation)]
    if sum(is_live(book, each) for each in made) >= INVITATIONS_LIVE_MAX:
        raise LimitRefusal(
            sentence(
                "{institution} has {count} invitations that stand: withdraw some of them",
                institution=speaker,
                count=INVITATIONS_LIVE_MAX,
            )
        )
    if sum(counts(book, each.stamp) for each in made) >= STATEMENTS_EVER_MAX:
        raise LimitRefusal(sentence("{institution} has made as many invitations as are kept", institution=speaker))


def endorse(book: Book, event: events.CredentialEndorsed, received_at: Moment) -> None:
    """An invited institution stands by an active credential, once at a time in each role."""
    institution(book, event.issuer)
    life = active_life(book, event.credential_id, received_at, pointer="/credential_id")
    if live_invitation(book, invitations_for(event, life)) is None:
        raise NotInvitedRefusal(
            sentence(
                "{issuer} has not invited {institution} to endorse {achievement} as {role}; once it has, send it again",
                issuer=life.issuer,
                institution=event.issuer,
                achievement=life.achievement,
                role=event.role,
            ),
            pointer="/role",
        )
    made = [
        each
        for name in book.statements_in(endorsements_of(event.credential_id))
        if isinstance(each := book.statement(name), Endorsement)
    ]
    own = [each for each in made if (each.endorser, each.role) == (event.issuer, event.role)]
    for each in own:
        if holds(book, each):
            raise AlreadyExistsRefusal(
                sentence(
                    "{institution} endorses it already: {endorsement}",
                    institution=event.issuer,
                    endorsement=each.stamp.event_id,
                ),
                pointer="/role",
            )
    if sum(counts(book, each.stamp) for each in own) >= ENDORSEMENTS_EVER_MAX:
        raise LimitRefusal(
            sentence("{institution} has endorsed it in this role as often as is kept", institution=event.issuer)
        )
    if sum(holds(book, each) for each in made) >= ENDORSEMENTS_LIVE_MAX:
        raise LimitRefusal(sentence("The credential has {count} endorsements already", count=ENDORSEMENTS_LIVE_MAX))


def invitations_for(event: events.CredentialEndorsed, life: Life) -> StatementGroup:
    """Return the group of the invitations by which an endorsement of that credential may be made."""
    return invitations_like(life.issuer, life.achievement, event.issuer, event.role)
