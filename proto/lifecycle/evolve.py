"""What an admitted event changes in the book. Total: called only with what `decide` let through."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import Literal

from msgspec import UNSET
from msgspec.structs import replace

from proto import events
from proto.envelope import Opened
from proto.ids import CredentialId, EventId, LeafIndex
from proto.lifecycle.book import Book
from proto.lifecycle.decide_credential import flatten, level_of
from proto.lifecycle.decide_endorsement import invitations_for, live_invitation
from proto.lifecycle.decide_issuer import key_from
from proto.lifecycle.decide_withdrawal import withdrawn_by
from proto.lifecycle.effective import life_of
from proto.lifecycle.statements import Endorsement, Invitation, StandingDecision, Statement
from proto.lifecycle.states import (
    Change,
    Issuer,
    Life,
    LogState,
    Profile,
    Recognition,
    Retirement,
    RulesVersion,
    Stamp,
    Standing,
    shared_place,
)
from proto.lifecycle.voidness import profile
from proto.moment import Moment, from_ms, to_ms

_SECOND_MS = 1000
_KINDS: dict[type[events.Transition], Literal["revoked", "suspended", "reinstated"]] = {
    events.CredentialRevoked: "revoked",
    events.CredentialsRevoked: "revoked",
    events.CredentialSuspended: "suspended",
    events.CredentialReinstated: "reinstated",
}


def evolve(
    book: Book,
    opened: Opened,
    *,
    index: LeafIndex,
    received_at: Moment,
    about: AbstractSet[CredentialId] | None = None,
) -> Stamp:
    """Write what the event at `index` says into the book and return its stamp.

    Of an event with many credentials only what it says of those in `about`, where that is given.
    """
    first_stamp = _first_stamp(book, opened.event)
    stamp = Stamp(
        index=LeafIndex(first_stamp + index), event_id=opened.event_id, key_id=opened.key_id, received_at=received_at
    )
    match opened.event:
        case events.LogOpened() as event:
            _open_log(book, event, opened, stamp)
        case (
            events.CredentialIssued()
            | events.CredentialIssuedV2()
            | events.CredentialsIssued()
            | events.CredentialStacked()
            | events.CredentialStackedV2() as event
        ):
            _issue(book, event, _subjects(opened, about), stamp)
        case (
            events.CredentialRevoked()
            | events.CredentialsRevoked()
            | events.CredentialSuspended()
            | events.CredentialReinstated() as event
        ):
            _change(book, event, _subjects(opened, about), stamp)
        case events.CredentialRecognised() | events.CredentialRecognisedV2() as event:
            book.put_recognition(_recognition(event, stamp))
            if isinstance(event, events.CredentialRecognisedV2) and event.replaces:
                _withdraw_recognition(book, event.replaces, stamp)
        case events.RecognitionWithdrawn() as event:
            _withdraw_recognition(book, event.recognition, stamp)
        case (
            events.AchievementRecognitionWithdrawn()
            | events.EndorserUninvited()
            | events.EndorsementWithdrawn() as event
        ):
            said = book.statement(withdrawn_by(event))
            assert said is not None, "decide checked that the statement is live"
            book.put_statement(replace(said, withdrawals=(*said.withdrawals, stamp)))
        case events.AchievementRecognised() | events.EndorserInvited() | events.CredentialEndorsed() as event:
            book.put_statement(_statement(book, event, stamp))
        case events.RulesActivated() as event:
            log = book.opened_log()
            version = RulesVersion(stamp=stamp, version=event.version, from_index=event.from_index)
            book.put_log(replace(log, rules=(*log.rules, version)))
        case _ as event:
            book.put_issuer(_issuer_after(book, event, opened, stamp))
    book.put_event(opened.event_id, index)
    return stamp


def _first_stamp(book: Book, event: events.Event) -> int:
    """Return the number of entries before this log's first, on the logs that it continues."""
    before = book.log.first_stamp if book.log else 0
    return before + event.predecessor.size if isinstance(event, events.LogOpened) and event.predecessor else before


def _open_log(book: Book, event: events.LogOpened, opened: Opened, stamp: Stamp) -> None:
    """Where the log continues another, its states stay, the registrar's ring among them."""
    book.put_log(
        LogState(
            origin=event.log,
            registrar=event.issuer,
            parameters=event.parameters,
            rules=(RulesVersion(stamp=stamp, version=event.rules_version, from_index=0),),
            predecessor=event.predecessor or None,
            first_stamp=stamp.index,
        )
    )
    if event.predecessor:
        return
    keys = tuple(key_from(r, stamp=stamp, opened=opened, received_at=stamp.received_at) for r in event.keys)
    book.put_issuer(Issuer(did=event.issuer, keys=keys))


def _subjects(opened: Opened, about: AbstractSet[CredentialId] | None) -> Sequence[CredentialId]:
    ids = opened.credential_ids
    return ids if about is None or len(ids) == 1 else [name for name in ids if name in about]


def _issue(book: Book, event: events.Issue, ids: Sequence[CredentialId], stamp: Stamp) -> None:
    """All that came together begin one life; what was void goes on with what was done to it before."""
    components = event.components if isinstance(event, events.CredentialStacked | events.CredentialStackedV2) else ()
    lives = [life for part in components if (life := _part_life(book, part))]
    life = Life(
        stamp=stamp,
        achievement=event.achievement,
        ects_hundredths=event.ects_hundredths,
        eqf_level=event.eqf_level or None,
        valid_from=event.valid_from,
        valid_until=event.valid_until or None,
        components=components,
        parts=flatten(components, lives),
        level=level_of(lives) if lives else 0,
    )
    for number, (before, names) in enumerate(_by_lives(book, ids)):
        begun = replace(life, changes=before[-1].changes) if before else life
        book.put_credentials(names, (*before, begun), shared_place(stamp, number))


def _by_lives(book: Book, ids: Sequence[CredentialId]) -> list[tuple[tuple[Life, ...], list[CredentialId]]]:
    """Return credentials together that have the same lives so far, in the order of the first of each."""
    found: dict[int, tuple[tuple[Life, ...], list[CredentialId]]] = {}
    for credential_id in ids:
        credential = book.credential(credential_id)
        lives = credential.lives if credential else ()
        company = found.get(id(lives))
        if company is None:
            company = found[id(lives)] = (lives, [])
        company[1].append(credential_id)
    return list(found.values())


def _part_life(book: Book, part: CredentialId) -> Life | None:
    credential = book.credential(part)
    return life_of(book, credential) if credential else None


def _change(book: Book, event: events.Transition, ids: Sequence[CredentialId], stamp: Stamp) -> None:
    change = Change(
        stamp=stamp,
        kind=_KINDS[type(event)],
        reason=event.reason,
        effective_at=event.effective_at,
        replaced_by=(event.replaced_by or None) if isinstance(event, events.CredentialRevoked) else None,
    )
    for number, (before, names) in enumerate(_by_lives(book, ids)):
        lives = tuple(replace(life, changes=(*life.changes, change)) for life in before)
        book.put_credentials(names, lives, shared_place(stamp, number))


def _recognition(event: events.AnyRecognition, stamp: Stamp) -> Recognition:
    named = event if isinstance(event, events.CredentialRecognisedV2) else None
    return Recognition(
        stamp=stamp,
        credential_id=event.credential_id,
        decision=event.decision,
        ects_hundredths=event.ects_hundredths,
        eqf_level=event.eqf_level or None,
        programme=event.programme,
        under=(named.under or None) if named else None,
        replaces=(named.replaces or None) if named else None,
    )


def _withdraw_recognition(book: Book, event_id: EventId, stamp: Stamp) -> None:
    known = book.recognition(event_id)
    assert known is not None, "decide checked that the recognition is live"
    book.put_recognition(replace(known, withdrawals=(*known.withdrawals, stamp)))


def _statement(
    book: Book, event: events.AchievementRecognised | events.EndorserInvited | events.CredentialEndorsed, stamp: Stamp
) -> Statement:
    match event:
        case events.AchievementRecognised():
            return StandingDecision(
                stamp=stamp,
                achievement_issuer=event.achievement_issuer,
                achievement=event.achievement,
                decision=event.decision,
                ects_hundredths=event.ects_hundredths,
                eqf_level=event.eqf_level or None,
                programme=event.programme,
                valid_from=event.valid_from,
                valid_until=event.valid_until,
                ects_hundredths_min=None if event.ects_hundredths_min is UNSET else event.ects_hundredths_min,
                eqf_level_min=event.eqf_level_min or None,
                description_digest=event.description_digest or None,
            )
        case events.EndorserInvited():
            return Invitation(stamp=stamp, achievement=event.achievement, endorser=event.endorser, role=event.role)
        case events.CredentialEndorsed():
            credential = book.credential(event.credential_id)
            life = life_of(book, credential) if credential else None
            invitation = live_invitation(book, invitations_for(event, life)) if life else None
            assert invitation is not None, "decide checked that the speaker is invited"
            return Endorsement(stamp=stamp, credential_id=event.credential_id, role=event.role, invitation=invitation)


def _issuer_after(  # noqa: PLR0911 - one return per row of the table
    book: Book,
    event: events.IssuerEvent,
    opened: Opened,
    stamp: Stamp,
) -> Issuer:
    issuer = book.issuer(event.subject) or Issuer(did=event.subject)
    match event:
        case events.IssuerAdmitted() | events.IssuerAdmittedV2():
            keys = tuple(key_from(r, stamp=stamp, opened=opened, received_at=stamp.received_at) for r in event.keys)
            return replace(issuer, profiles=(*issuer.profiles, _admission(event, stamp)), keys=(*issuer.keys, *keys))
        case events.IssuerScopeChanged():
            return replace(issuer, profiles=(*issuer.profiles, _scope_changed(book, issuer, event, stamp)))
        case events.IssuerKeyAdded() | events.IssuerKeyAddedV2():
            usable_from = _usable_from(book, event, stamp)
            key = replace(
                key_from(event.key, stamp=stamp, opened=opened, received_at=stamp.received_at), usable_from=usable_from
            )
            return replace(issuer, keys=(*issuer.keys, key))
        case events.IssuerKeyRetired():
            return _with_retirement(issuer, event, stamp)
        case events.IssuerSuspended():
            return replace(issuer, standings=(*issuer.standings, Standing(stamp=stamp, kind="suspended")))
        case events.IssuerReinstated():
            return replace(issuer, standings=(*issuer.standings, Standing(stamp=stamp, kind="reinstated")))
        case events.IssuerClosed():
            closed = Standing(stamp=stamp, kind="closed", successor=event.successor or None)
            return replace(issuer, standings=(*issuer.standings, closed))


def _admission(event: events.Admission, stamp: Stamp) -> Profile:
    return Profile(
        stamp=stamp,
        is_admission=True,
        legal_name=event.legal_name,
        country=event.country,
        uri_prefixes=event.uri_prefixes,
        scope=event.scope,
        accreditation=event.accreditation,
    )


def _scope_changed(book: Book, issuer: Issuer, event: events.IssuerScopeChanged, stamp: Stamp) -> Profile:
    current = profile(book, issuer)
    assert current is not None, "decide checked that the institution is admitted"
    return replace(
        current,
        stamp=stamp,
        is_admission=False,
        scope=event.scope,
        accreditation=event.accreditation or current.accreditation,
    )


def _usable_from(book: Book, event: events.KeyAddition, stamp: Stamp) -> Moment:
    """At once by the owner's recovery key; after the public delay by the registrar's event key."""
    signer = book.key(stamp.key_id)
    if signer is not None and signer.purpose == "recovery" and event.issuer == event.subject:
        return stamp.received_at
    delay_ms = book.opened_log().parameters.registrar_key_delay_seconds * _SECOND_MS
    return from_ms(to_ms(stamp.received_at) + delay_ms)


def _with_retirement(issuer: Issuer, event: events.IssuerKeyRetired, stamp: Stamp) -> Issuer:
    retirement = Retirement(stamp=stamp, invalid_from=event.invalid_from or None)
    keys = tuple(
        replace(key, retirements=(*key.retirements, retirement)) if key.key_id == event.key_id else key
        for key in issuer.keys
    )
    return replace(issuer, keys=keys)
