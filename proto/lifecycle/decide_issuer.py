"""Rules for what is said of institutions and keys: the first half of the table of DESIGN 3.6. Pure; writes nothing."""

from collections.abc import Sequence

from proto import events
from proto.envelope import Opened
from proto.ids import Did, LeafIndex, owner_of
from proto.keys import decode_public_key
from proto.lifecycle.book import Book
from proto.lifecycle.refusals import (
    AlreadyExistsRefusal,
    ClosedIssuerRefusal,
    EffectiveTimeRefusal,
    FieldRefusal,
    IssuerStateRefusal,
    LimitRefusal,
    NotAllowedRefusal,
    UnknownIssuerRefusal,
    UnknownKeyRefusal,
)
from proto.lifecycle.states import Issuer, Key, Stamp, overlap
from proto.lifecycle.voidness import compromised_from, is_retired, profile, standing
from proto.moment import Moment
from proto.p256 import decode_p256_key, is_p256_key
from proto.problem import InvalidProblem
from proto.sentence import sentence

AnyKeyRecord = events.KeyRecord | events.KeyRecordV2
RETIREMENTS_PER_KEY_MAX = 8
_MAY_BE_P256 = ("assertion", "form")
ACTIVATION_AHEAD_MAX = 100_000
"""Entries after its own at which an activation of rules may take effect at most: within reach, and seen coming."""


def key_from(record: AnyKeyRecord, *, stamp: Stamp | None, opened: Opened, received_at: Moment) -> Key:
    """Return a ring's key from the record in an event; `stamp` None stands for the event being decided."""
    added = stamp or Stamp(index=LeafIndex(0), event_id=opened.event_id, key_id=opened.key_id, received_at=received_at)
    return Key(
        key_id=record.key_id,
        purpose=record.purpose,
        public_key=record.public_key,
        added=added,
        usable_from=received_at,
    )


def check_new_keys(
    book: Book, owner: Did, records: Sequence[AnyKeyRecord], *, limit: int, pointer: str = "/keys"
) -> None:
    """Key ids belong to `owner`; ids and bytes are new to the log and distinct; points are sound; the ring has room."""
    ring = book.issuers.get(owner)
    held = len(ring.keys) if ring else 0
    if held + len(records) > limit:
        raise LimitRefusal(
            f"{owner} would have {held + len(records)} keys; at most {limit} are kept ever", pointer="/keys"
        )
    if len({r.key_id for r in records}) + len({r.public_key for r in records}) != 2 * len(records):
        raise FieldRefusal("Two of the keys are the same", pointer=pointer)
    for record in records:
        _check_new_key(book, owner, ring, record, pointer)


def _check_new_key(book: Book, owner: Did, ring: Issuer | None, record: AnyKeyRecord, pointer: str) -> None:
    if owner_of(record.key_id) != owner:
        raise FieldRefusal(f"{record.key_id} is not a key id of {owner}: it begins with another DID", pointer=pointer)
    if is_p256_key(record.public_key):
        _check_may_be_p256(book, owner, record, pointer)
    try:
        (decode_p256_key if is_p256_key(record.public_key) else decode_public_key)(record.public_key)
    except InvalidProblem as problem:
        raise FieldRefusal(problem.sentence, pointer=pointer) from problem
    if ring is not None and ring.key(record.key_id) is not None:
        raise AlreadyExistsRefusal(f"The key id {record.key_id} is taken", pointer=pointer)
    if book.log is not None and book.key_id_of(record.public_key) is not None:
        raise AlreadyExistsRefusal(
            f"The key {record.public_key} is on the log as {book.key_id_of(record.public_key)}: make another key",
            pointer=pointer,
        )


def _check_may_be_p256(book: Book, owner: Did, record: AnyKeyRecord, pointer: str) -> None:
    """Event and recovery keys, and all of the registrar's, are Ed25519: the rules verify nothing else (DESIGN 9)."""
    if record.purpose not in _MAY_BE_P256 or (book.log is not None and owner == book.log.registrar):
        raise FieldRefusal(
            f"{record.key_id} is for {record.purpose} and has to be an Ed25519 key; a P-256 key of an institution is "
            f"for {' or '.join(_MAY_BE_P256)}",
            pointer=pointer,
        )


def add_key(book: Book, event: events.KeyAddition, key: Key) -> None:
    """By the owner's recovery key at once, or by the registrar after the public delay."""
    log = book.opened_log()
    if event.subject != log.registrar:
        not_closed(book, admitted(book, event.subject), event.subject)
    is_by_recovery = key.purpose == "recovery" and event.issuer == event.subject
    is_by_registrar = key.purpose == "event" and event.issuer == log.registrar
    if not (is_by_recovery or is_by_registrar):
        raise NotAllowedRefusal(
            f"A key of {event.subject} is added by its recovery key or by the registrar, not with {key.key_id}",
            pointer="/issuer",
        )
    check_new_keys(book, event.subject, (event.key,), limit=log.parameters.keys_per_issuer_max, pointer="/key")


def retire_key(book: Book, event: events.IssuerKeyRetired, key: Key, received_at: Moment) -> None:
    """Rotated: the key itself, recovery, registrar. Compromised: recovery, registrar."""
    subject = book.issuer(event.subject)
    retired = subject.key(event.key_id) if subject else None
    if retired is None or owner_of(event.key_id) != event.subject:
        raise UnknownKeyRefusal(f"{event.key_id} is not a key of {event.subject} on this log", pointer="/key_id")
    _check_may_retire(book, event, key, retired)
    if event.issuer != book.opened_log().registrar and len(retired.retirements) >= RETIREMENTS_PER_KEY_MAX:
        raise LimitRefusal(
            f"{event.key_id} was retired as often as is kept; the registrar still may", pointer="/key_id"
        )
    if event.reason == "rotated":
        if event.invalid_from:
            raise FieldRefusal("A rotated key was good until now: leave invalid_from out", pointer="/invalid_from")
        if is_retired(book, retired):
            raise IssuerStateRefusal(f"{event.key_id} is retired already", pointer="/key_id")
        return
    _check_condemnation(book, event, retired, received_at)


def _check_may_retire(book: Book, event: events.IssuerKeyRetired, key: Key, retired: Key) -> None:
    """The registrar's recovery keys are above its event keys: whoever steals an event key must not retire them."""
    registrar = book.opened_log().registrar
    is_above = event.subject == registrar and retired.purpose == "recovery"
    is_registrar = event.issuer == registrar and key.purpose == "event" and not is_above
    is_recovery = event.issuer == event.subject and key.purpose == "recovery"
    is_itself = event.reason == "rotated" and key.key_id == event.key_id
    if not (is_registrar or is_recovery or is_itself):
        raise NotAllowedRefusal(
            f"{event.key_id} is retired ({event.reason}) by the owner's recovery key or the registrar, not with "
            f"{key.key_id}",
            pointer="/issuer",
        )


def _check_condemnation(book: Book, event: events.IssuerKeyRetired, retired: Key, received_at: Moment) -> None:
    invalid_from = event.invalid_from
    if not invalid_from:
        raise FieldRefusal(
            "A compromised key needs invalid_from: since when its acts are void", pointer="/invalid_from"
        )
    if not retired.added.received_at <= invalid_from <= received_at:
        raise EffectiveTimeRefusal(
            f"invalid_from lies between the key's addition ({retired.added.received_at}) and now ({received_at})",
            pointer="/invalid_from",
        )
    known = compromised_from(book, retired.key_id)
    if known is not None and known <= invalid_from:
        raise IssuerStateRefusal(f"{retired.key_id} is condemned since {known} already", pointer="/invalid_from")


def registrar_act(book: Book, event: events.Event, index: LeafIndex) -> None:
    """What only the registrar says of institutions and of the rules."""
    match event:
        case events.IssuerAdmitted() | events.IssuerAdmittedV2():
            _admit(book, event)
        case events.IssuerScopeChanged():
            _check_scope(event.scope)
            not_closed(book, admitted(book, event.subject), event.subject)
        case events.IssuerSuspended() | events.IssuerReinstated():
            _change_standing(book, event)
        case events.IssuerClosed():
            _close(book, event)
        case events.RulesActivated():
            _activate_rules(book, event, index)
        case _:
            raise NotAllowedRefusal(f"The registrar does not say {event.__struct_config__.tag}", pointer="/type")


def _admit(book: Book, event: events.Admission) -> None:
    log = book.opened_log()
    known = book.issuer(event.subject)
    if event.subject == log.registrar or (known is not None and profile(book, known) is not None):
        raise AlreadyExistsRefusal(f"{event.subject} is admitted already; change its scope or keys", pointer="/subject")
    if not any(record.purpose == "recovery" for record in event.keys):
        raise FieldRefusal("An institution needs at least one recovery key", pointer="/keys")
    _check_scope(event.scope)
    check_new_keys(book, event.subject, event.keys, limit=log.parameters.keys_per_issuer_max)
    if isinstance(event, events.IssuerAdmittedV2):
        _check_prefixes(book, event)


def _check_prefixes(book: Book, event: events.IssuerAdmittedV2) -> None:
    """No prefix begins with, or is the beginning of, one of another institution: a URI says whose it is (DESIGN 9)."""
    for prefix in event.uri_prefixes:
        for did in book.overlapping_with(prefix):
            issuer = book.issuer(did) if did != event.subject else None
            known = profile(book, issuer) if issuer is not None else None
            if known is not None and any(overlap(prefix, other) for other in known.uri_prefixes):
                raise AlreadyExistsRefusal(
                    f"{prefix} overlaps with a URI prefix of {did}: register one that neither begins with it nor is "
                    "its beginning",
                    pointer="/uri_prefixes",
                    members={"held_by": did},
                )


def _check_scope(scope: events.Scope) -> None:
    if scope.eqf_min > scope.eqf_max:
        raise FieldRefusal("The scope's eqf_min is above its eqf_max", pointer="/scope/eqf_min")


def _change_standing(book: Book, event: events.IssuerSuspended | events.IssuerReinstated) -> None:
    issuer = admitted(book, event.subject)
    not_closed(book, issuer, event.subject)
    last = standing(book, issuer)
    is_suspended = last is not None and last.kind == "suspended"
    if is_suspended is isinstance(event, events.IssuerSuspended):
        state = "suspended" if is_suspended else "not suspended"
        raise IssuerStateRefusal(f"{event.subject} is {state} already", pointer="/subject")


def _close(book: Book, event: events.IssuerClosed) -> None:
    not_closed(book, admitted(book, event.subject), event.subject)
    if not event.successor:
        return
    if event.successor == event.subject:
        raise FieldRefusal("An institution does not succeed itself", pointer="/successor")
    not_closed(book, admitted(book, event.successor, pointer="/successor"), event.successor, pointer="/successor")


def _activate_rules(book: Book, event: events.RulesActivated, index: LeafIndex) -> None:
    current = max(rule.version for rule in book.opened_log().rules)
    if event.version != current + 1:
        raise FieldRefusal(f"The next rules version is {current + 1}", pointer="/version")
    if event.from_index <= index:
        raise EffectiveTimeRefusal(f"from_index lies after this entry's own index, {index}", pointer="/from_index")
    if book.opened_log().rules_version_at(index) > 1:
        check_activation(book, event, index)


def check_activation(book: Book, event: events.RulesActivated, index: LeafIndex) -> None:
    """Near, and after every earlier activation: a rule from version 2 on, and a ledger's caution before (DESIGN 9)."""
    latest = index + ACTIVATION_AHEAD_MAX
    if event.from_index > latest:
        raise EffectiveTimeRefusal(
            f"from_index lies at most {ACTIVATION_AHEAD_MAX} after this entry's own index: {latest} at the latest",
            pointer="/from_index",
        )
    earlier = max(rule.from_index for rule in book.opened_log().rules)
    if event.from_index <= earlier:
        raise EffectiveTimeRefusal(
            f"from_index lies after that of every earlier activation, the last of which is {earlier}",
            pointer="/from_index",
        )


def admitted(book: Book, did: Did, *, pointer: str = "/subject") -> Issuer:
    """Return the admitted institution of that DID, or raise `UnknownIssuerRefusal`."""
    issuer = book.issuer(did)
    if issuer is None or profile(book, issuer) is None:
        raise UnknownIssuerRefusal(
            sentence("{institution} is not admitted to this log; the registrar admits it", institution=did),
            pointer=pointer,
        )
    return issuer


def not_closed(book: Book, issuer: Issuer, did: Did, *, pointer: str = "/subject") -> None:
    """Refuse an institution that is closed."""
    last = standing(book, issuer)
    if last is not None and last.kind == "closed":
        raise ClosedIssuerRefusal(
            sentence("{institution} was closed at {at}", institution=did, at=last.stamp.received_at), pointer=pointer
        )


def living_end(book: Book, did: Did) -> Did:
    """Return who answers for an institution now: itself, or the end of the chain of successors (DESIGN 3.6)."""
    seen = {did}
    while True:
        issuer = book.issuer(did)
        last = standing(book, issuer) if issuer else None
        if last is None or last.kind != "closed" or last.successor is None or last.successor in seen:
            return did
        did = last.successor
        seen.add(did)


def is_of_one_line(book: Book, one: Did, other: Did) -> bool:
    """Tell whether two institutions are the same, or one came after the other by closings that count."""
    return one in _line(book, other) or other in _line(book, one)


def _line(book: Book, did: Did) -> set[Did]:
    """Return an institution and all that answer for it, one after the other."""
    seen: set[Did] = set()
    following: Did | None = did
    while following is not None and following not in seen:
        seen.add(following)
        issuer = book.issuer(following)
        last = standing(book, issuer) if issuer else None
        following = last.successor if last is not None and last.kind == "closed" else None
    return seen
