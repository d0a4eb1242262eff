"""What the log says of a credential, its institution, its parts and recognitions, as bodies. Pure; judges nothing."""

from collections.abc import Iterable
from typing import Literal

from proto.ids import CredentialId, Did, owner_of
from proto.lifecycle import (
    Book,
    Change,
    Credential,
    Effective,
    Issuer,
    Key,
    Life,
    Profile,
    Recognition,
    Stamp,
    compromised_from,
    counts,
    effective,
    is_known,
    is_live_recognition,
    is_retired,
    is_void,
    life_of,
    living_end,
    profile,
    standing,
)
from proto.moment import Moment
from proto.wire.register import ProfileFacts
from proto.wire.verifier import (
    AccreditationFacts,
    CredentialFacts,
    HistoryItem,
    IssuerFacts,
    KeyFacts,
    RecognitionFacts,
    ScopeFacts,
    StackNode,
    StandingItem,
    Status,
)
from services.verifier.verdict.grounds import NO_TITLES, PartTitles
from services.verifier.verdict.staleness import live_state, shown_state


def credential_facts(
    credential: Credential, life: Life, days: tuple[str | None, str | None] = (None, None)
) -> CredentialFacts:
    """Return what the issue says, and the first and the last day of validity as the document writes them."""
    return CredentialFacts(
        credential_id=credential.credential_id,
        issuer=life.issuer,
        achievement=life.achievement,
        ects_hundredths=life.ects_hundredths,
        eqf_level=life.eqf_level,
        valid_from=life.valid_from,
        valid_until=life.valid_until,
        valid_from_day=days[0],
        valid_until_day=days[1],
        issued_at=life.stamp.received_at,
        index=life.stamp.index,
        event_id=life.stamp.event_id,
        components=life.components,
    )


def status_facts(
    book: Book, credential: Credential, found: Effective, known_at: Moment | None, *, is_certain: bool
) -> Status:
    """Return the effective state with all that was said of the credential up to `known_at`.

    `is_certain` tells whether the records lack nothing that was said before the asked moment.
    """
    return Status(
        state=shown_state(found.state, is_certain=is_certain),
        since=found.since,
        ects_hundredths_remaining=found.credits_remaining,
        reason=found.reason,
        replaced_by=found.replaced_by,
        history=_history(book, credential, known_at),
    )


def _history(book: Book, credential: Credential, known_at: Moment | None) -> tuple[HistoryItem, ...]:
    """Return all that was said, in the order of the log; a transition stands in every life and is told once."""
    items: dict[int, HistoryItem] = {}
    for life in credential.lives:
        issued = HistoryItem(
            kind="issued",
            by=life.issuer,
            received_at=life.stamp.received_at,
            effective_at=life.valid_from,
            index=life.stamp.index,
            is_void=is_void(book, life.stamp, known_at=known_at),
        )
        items[issued.index] = issued
        items.update((change.stamp.index, _told(book, change, known_at)) for change in life.changes)
    found = (items[index] for index in sorted(items))
    return tuple(item for item in found if known_at is None or item.received_at <= known_at)


def _told(book: Book, change: Change, known_at: Moment | None) -> HistoryItem:
    return HistoryItem(
        kind=change.kind,
        by=change.stamp.speaker,
        received_at=change.stamp.received_at,
        effective_at=change.effective_at,
        index=change.stamp.index,
        reason=change.reason,
        replaced_by=change.replaced_by,
        is_void=is_void(book, change.stamp, known_at=known_at),
    )


def issuer_facts(
    book: Book, did: Did, *, life: Life | None = None, known_at: Moment | None = None, is_certain: bool = True
) -> IssuerFacts:
    """Return what the register says of an institution, by `known_at`; `life` is the issue that is asked about.

    `is_certain` tells whether the records lack nothing; where they may, none is said to be active.
    """
    issuer = book.issuer(did)
    known = profile(book, issuer, known_at=known_at) if issuer else None
    if issuer is None or known is None:
        return IssuerFacts(did=did, state="not_admitted")
    last = standing(book, issuer, known_at=known_at)
    in_force: Literal["active", "unknown"] = "active" if is_certain else "unknown"
    state = in_force if last is None or last.kind == "reinstated" else last.kind
    admissions = [entry for entry in issuer.profiles if entry.is_admission and counts(book, entry.stamp, known_at)]
    return IssuerFacts(
        did=did,
        state=state,
        legal_name=known.legal_name,
        country=known.country,
        admitted_at=admissions[-1].stamp.received_at if admissions else None,
        scope=_scope(known),
        accreditation=_accreditation(known),
        history=tuple(
            StandingItem(kind=item.kind, received_at=item.stamp.received_at, successor=item.successor)
            for item in issuer.standings
            if counts(book, item.stamp, known_at)
        ),
        answers_now=living_end(book, did),
        is_signing_key_from_registrar=life is not None and is_key_from_registrar(book, life.stamp),
    )


def _scope(known: Profile) -> ScopeFacts:
    scope = known.scope
    return ScopeFacts(
        eqf_min=scope.eqf_min,
        eqf_max=scope.eqf_max,
        ects_hundredths_max=scope.ects_hundredths_max,
        may_issue=scope.may_issue,
        may_stack=scope.may_stack,
        may_recognise=scope.may_recognise,
    )


def _accreditation(known: Profile) -> AccreditationFacts:
    given = known.accreditation
    return AccreditationFacts(body=given.body, url=given.url, until=given.until or None)


def profile_facts(book: Book, issuer: Issuer) -> tuple[ProfileFacts, ...]:
    """Return all that the registrar ever said of an institution and its scope, in the order of the log."""
    return tuple(
        ProfileFacts(
            kind="admitted" if entry.is_admission else "scope_changed",
            received_at=entry.stamp.received_at,
            legal_name=entry.legal_name,
            country=entry.country,
            uri_prefixes=entry.uri_prefixes,
            scope=_scope(entry),
            accreditation=_accreditation(entry),
            is_void=not counts(book, entry.stamp),
        )
        for entry in issuer.profiles
    )


def is_key_from_registrar(book: Book, stamp: Stamp) -> bool:
    """Tell whether the registrar added the key of this stamp for the institution, other than by admitting it."""
    issuer, key = book.issuer(stamp.speaker), book.key(stamp.key_id)
    if issuer is None or key is None or not issuer.profiles:
        return False
    is_from_admission = any(entry.is_admission and entry.stamp.index == key.added.index for entry in issuer.profiles)
    return not is_from_admission and key.added.speaker != issuer.did


def key_facts(book: Book, issuer: Issuer, *, now: Moment, is_certain: bool) -> tuple[KeyFacts, ...]:
    """Return the institution's keys in the order in which they were added; `is_certain` as for an institution."""
    return tuple(
        KeyFacts(
            key_id=key.key_id,
            purpose=key.purpose,
            public_key=key.public_key,
            added_at=key.added.received_at,
            added_by=owner_of(key.added.key_id),
            usable_from=key.usable_from,
            state=_key_state(book, key, now, is_certain=is_certain),
            invalid_from=compromised_from(book, key.key_id),
        )
        for key in issuer.keys
    )


def _key_state(
    book: Book, key: Key, now: Moment, *, is_certain: bool
) -> Literal["usable", "delayed", "retired", "compromised", "void", "unknown"]:
    if is_void(book, key.added):
        return "void"
    if compromised_from(book, key.key_id) is not None:
        return "compromised"
    if is_retired(book, key):
        return "retired"
    if now < key.usable_from:
        return "delayed"
    return "usable" if is_certain else "unknown"


def recognition_facts(
    book: Book, recognitions: Iterable[Recognition], known_at: Moment | None, *, is_certain: bool
) -> tuple[RecognitionFacts, ...]:
    """Return the recognitions that were known by `known_at`, and whether each is live; `is_certain` as for a status."""
    return tuple(
        RecognitionFacts(
            event_id=item.stamp.event_id,
            recogniser=item.recogniser,
            recogniser_name=name_of(book, item.recogniser, known_at),
            decision=item.decision,
            ects_hundredths=item.ects_hundredths,
            eqf_level=item.eqf_level,
            programme=item.programme,
            received_at=item.stamp.received_at,
            state=_recognition_state(book, item, known_at, is_certain=is_certain),
            under=item.under,
            replaces=item.replaces,
        )
        for item in recognitions
        if is_known(item.stamp, known_at)
    )


def _recognition_state(
    book: Book, recognition: Recognition, known_at: Moment | None, *, is_certain: bool
) -> Literal["live", "withdrawn", "void", "unknown"]:
    if is_live_recognition(book, recognition.stamp.event_id, known_at=known_at):
        return live_state(is_certain=is_certain)
    return "withdrawn" if counts(book, recognition.stamp, known_at) else "void"


def name_of(book: Book, did: Did, known_at: Moment | None = None) -> str:
    """Return the institution's legal name, or its DID where the log does not tell."""
    issuer = book.issuer(did)
    known = profile(book, issuer, known_at=known_at) if issuer else None
    return known.legal_name if known else did


def stack_tree(
    book: Book,
    credential_id: CredentialId,
    *,
    at: Moment,
    known_at: Moment | None,
    is_certain: bool,
    titles: PartTitles = NO_TITLES,
) -> StackNode | None:
    """Return the credential with its parts at all levels and what of each still counts; `is_certain` as for a status.

    None where it is not in the book or was not known yet. At most 256 parts and three levels, by the rules. `titles`
    are what catalogues call achievements, by who awards them and by address.
    """
    credential = book.credential(credential_id)
    found = effective(book, credential, at=at, known_at=known_at) if credential else None
    life = life_of(book, credential, known_at=known_at) if credential else None
    if found is None or life is None:
        return None
    parts = (
        stack_tree(book, part, at=at, known_at=known_at, is_certain=is_certain, titles=titles)
        for part in life.components
    )
    return StackNode(
        credential_id=credential_id,
        issuer=life.issuer,
        issuer_name=name_of(book, life.issuer, known_at),
        achievement=life.achievement,
        ects_hundredths=life.ects_hundredths,
        ects_hundredths_remaining=found.credits_remaining,
        eqf_level=life.eqf_level,
        title=dict(titles.get((life.issuer, life.achievement), {})),
        state=shown_state(found.state, is_certain=is_certain),
        since=found.since,
        parts=tuple(part for part in parts if part),
    )
