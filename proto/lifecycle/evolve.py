"""What an admitted event changes in the book. Total: called only with what `decide` let through."""

from msgspec.structs import replace

from proto import events
from proto.envelope import Opened
from proto.ids import CredentialId, LeafIndex
from proto.lifecycle.decide_credential import flatten, level_of
from proto.lifecycle.decide_issuer import key_from
from proto.lifecycle.effective import life_of
from proto.lifecycle.states import (
    Book,
    Change,
    Credential,
    Issuer,
    Life,
    LogState,
    Profile,
    Recognition,
    Retirement,
    RulesVersion,
    Stamp,
    Standing,
)
from proto.lifecycle.voidness import profile
from proto.moment import Moment, from_ms, to_ms

_SECOND_MS = 1000


def evolve(book: Book, opened: Opened, *, index: LeafIndex, received_at: Moment) -> Stamp:
    """Write what the event at `index` says into the book and return its stamp."""
    first_stamp = _first_stamp(book, opened.event)
    stamp = Stamp(
        index=LeafIndex(first_stamp + index), event_id=opened.event_id, key_id=opened.key_id, received_at=received_at
    )
    match opened.event:
        case events.LogOpened() as event:
            _open_log(book, event, opened, stamp)
        case events.CredentialIssued() | events.CredentialStacked() as event:
            _issue(book, event, stamp)
        case events.CredentialRevoked() | events.CredentialSuspended() | events.CredentialReinstated() as event:
            _change(book, event, stamp)
        case events.CredentialRecognised() as event:
            book.put_recognition(_recognition(event, stamp))
        case events.RecognitionWithdrawn() as event:
            known = book.recognition(event.recognition)
            assert known is not None, "decide checked that the recognition is live"
            book.put_recognition(replace(known, withdrawals=(*known.withdrawals, stamp)))
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


def _issue(book: Book, event: events.Issue, stamp: Stamp) -> None:
    components = event.components if isinstance(event, events.CredentialStacked) else ()
    lives = [life for part in components if (life := _part_life(book, part))]
    known = book.credential(event.credential_id)
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
        changes=known.lives[-1].changes if known else (),
    )
    book.put_credential(Credential(credential_id=event.credential_id, lives=(*(known.lives if known else ()), life)))


def _part_life(book: Book, part: CredentialId) -> Life | None:
    credential = book.credential(part)
    return life_of(book, credential) if credential else None


def _change(book: Book, event: events.Transition, stamp: Stamp) -> None:
    credential = book.credential(event.credential_id)
    assert credential is not None, "decide checked that the credential is known"
    kinds = {events.CredentialRevoked: "revoked", events.CredentialSuspended: "suspended"}
    change = Change(
        stamp=stamp,
        kind=kinds.get(type(event), "reinstated"),  # type: ignore[arg-type] # the values are of Change.kind
        reason=event.reason,
        effective_at=event.effective_at,
        replaced_by=(event.replaced_by or None) if isinstance(event, events.CredentialRevoked) else None,
    )
    lives = tuple(replace(life, changes=(*life.changes, change)) for life in credential.lives)
    book.put_credential(replace(credential, lives=lives))


def _recognition(event: events.CredentialRecognised, stamp: Stamp) -> Recognition:
    return Recognition(
        stamp=stamp,
        credential_id=event.credential_id,
        decision=event.decision,
        ects_hundredths=event.ects_hundredths,
        eqf_level=event.eqf_level or None,
        programme=event.programme,
    )


def _issuer_after(  # noqa: PLR0911 - one return per row of the table
    book: Book,
    event: events.IssuerAdmitted
    | events.IssuerScopeChanged
    | events.IssuerKeyAdded
    | events.IssuerKeyRetired
    | events.IssuerSuspended
    | events.IssuerReinstated
    | events.IssuerClosed,
    opened: Opened,
    stamp: Stamp,
) -> Issuer:
    issuer = book.issuer(event.subject) or Issuer(did=event.subject)
    match event:
        case events.IssuerAdmitted():
            keys = tuple(key_from(r, stamp=stamp, opened=opened, received_at=stamp.received_at) for r in event.keys)
            return replace(issuer, profiles=(*issuer.profiles, _admission(event, stamp)), keys=(*issuer.keys, *keys))
        case events.IssuerScopeChanged():
            return replace(issuer, profiles=(*issuer.profiles, _scope_changed(book, issuer, event, stamp)))
        case events.IssuerKeyAdded():
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


def _admission(event: events.IssuerAdmitted, stamp: Stamp) -> Profile:
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


def _usable_from(book: Book, event: events.IssuerKeyAdded, stamp: Stamp) -> Moment:
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
