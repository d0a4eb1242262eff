"""The rules of admission, versions 1 and 2: may this event be appended now? (DESIGN 3.6, the table, and 9.) Pure.

`decide` returns nothing where the event is admissible and raises a `Refusal` otherwise. Time in the rules is always the
entry's `received_at`. The signature itself is checked by the caller, with the key that `signing_key` returns.
"""

import functools
from collections.abc import Set as AbstractSet

from proto import events
from proto.envelope import Opened
from proto.ids import CredentialId, LeafIndex, owner_of
from proto.keys import did_key
from proto.lifecycle import decide_credential, decide_endorsement, decide_issuer, decide_recognition
from proto.lifecycle.book import Book
from proto.lifecycle.decide_withdrawal import withdraw
from proto.lifecycle.refusals import (
    AheadOfTimeRefusal,
    AlreadyExistsRefusal,
    AlreadyOnLogRefusal,
    ClosedIssuerRefusal,
    DelayedKeyRefusal,
    FieldRefusal,
    KeyPurposeRefusal,
    NotAllowedRefusal,
    RetiredKeyRefusal,
    SuspendedSpeakerRefusal,
    TooOldRefusal,
    UnknownKeyRefusal,
    UnknownPredecessorProblem,
    WrongLogRefusal,
)
from proto.lifecycle.rules_versions import RULES_VERSIONS_KNOWN, check_type, rules_version
from proto.lifecycle.states import Key, LogState
from proto.lifecycle.voidness import may_sign, standing
from proto.moment import Moment, from_ms, to_ms
from proto.sentence import sentence

SIGNING_PURPOSES = frozenset({"event", "recovery"})
"""Of keys that sign events, some of them at least."""
_SECOND_MS = 1000
_MAY_BE_SUSPENDED = (events.CredentialRevoked, events.CredentialSuspended)
_RECOVERY_MAY = (events.IssuerKeyAdded, events.IssuerKeyAddedV2, events.IssuerKeyRetired)


def decide(
    book: Book,
    opened: Opened,
    *,
    index: LeafIndex,
    received_at: Moment,
    about: AbstractSet[CredentialId] | None = None,
) -> None:
    """Admit the event at `index`, received at `received_at`, or raise the `Refusal` that names the broken rule.

    Of an event with many credentials only those in `about` are judged, where it is given: a bundle knows no others, and
    what the rules ask of these is passed over (DESIGN 9).

    The book must hold what `needs` asks for; for the opening of a log that continues another, the final state of that
    one. Raises nothing else for any input that `open_envelope` let through, but `UnknownRulesProblem` where a version
    of the rules is in force that this software does not have, and `UnknownPredecessorProblem` without that state.
    """
    if isinstance(opened.event, events.LogOpened):
        _decide_opening(book, opened, opened.event, index, received_at)
        return
    log = book.log
    if log is None:
        raise WrongLogRefusal("This log has not been opened: its first entry is log-opened.v1", pointer="/type")
    version = rules_version(log, index)
    if opened.event.log != log.origin:
        raise WrongLogRefusal(f"This log is {log.origin}; the event was signed for {opened.event.log}", pointer="/log")
    if book.index_of(opened.event_id) is not None:
        raise AlreadyOnLogRefusal(f"The event {opened.event_id} is entry {book.index_of(opened.event_id)}")
    check_type(opened.event, version)
    _check_claimed_time(book, opened.event, received_at)
    key = signing_key(book, opened, received_at=received_at)
    _check_purpose(key, opened.event)
    _check_speaker(book, opened.event, key)
    _decide_event(book, opened, key, index=index, received_at=received_at, about=about)


def signing_key(book: Book, opened: Opened, *, received_at: Moment) -> Key:
    """Return the key that the event is said to be signed with, if it may sign now; else raise a `Refusal`.

    It is one of a purpose that signs events, so of a kind whose signatures the rules verify (DESIGN 9).

    Raises `UnknownPredecessorProblem` as `decide` does.
    """
    if isinstance(opened.event, events.LogOpened):
        if not opened.event.predecessor:
            return _opening_key(opened, opened.event, received_at)
        _require_predecessor(book, opened.event)
    key = book.key(opened.key_id)
    if key is None:
        raise UnknownKeyRefusal(
            sentence("{key} is not on this log; admit the institution or add the key first", key=opened.key_id),
            pointer="/signatures/0",
        )
    if not may_sign(book, key):
        raise RetiredKeyRefusal(
            sentence(
                "{key} was retired; sign with another key of {institution}",
                key=key.key_id,
                institution=owner_of(key.key_id),
            )
        )
    if received_at < key.usable_from:
        raise DelayedKeyRefusal(
            sentence(
                "{key} was added by the registrar and may sign from {begin}", key=key.key_id, begin=key.usable_from
            )
        )
    if key.purpose not in SIGNING_PURPOSES:
        raise _purpose_refusal(key, opened.event)
    return key


def _opening_key(opened: Opened, event: events.LogOpened, received_at: Moment) -> Key:
    record = next((record for record in event.keys if record.key_id == opened.key_id), None)
    if record is None:
        raise UnknownKeyRefusal("The opening of a log is signed with one of the keys that it names")
    return decide_issuer.key_from(record, stamp=None, opened=opened, received_at=received_at)


def _decide_opening(book: Book, opened: Opened, event: events.LogOpened, index: LeafIndex, received_at: Moment) -> None:
    if index != 0 or (book.log is not None and not event.predecessor):
        raise AlreadyExistsRefusal(f"The log {event.log} is open already; a log has one opening, entry 0")
    purposes = [record.purpose for record in event.keys]
    if purposes.count("recovery") != 1 or not 1 <= purposes.count("event") == len(purposes) - 1:
        raise FieldRefusal("A log is opened with one to three event keys and one recovery key", pointer="/keys")
    if event.rules_version not in RULES_VERSIONS_KNOWN:
        raise FieldRefusal(f"Rules version {event.rules_version} is not known here", pointer="/rules_version")
    if event.predecessor:
        _decide_succession(book, opened, event, event.predecessor, received_at)
        return
    decide_issuer.check_new_keys(book, event.issuer, event.keys, limit=len(event.keys))
    signer = next((record for record in event.keys if record.key_id == opened.key_id), None)
    if signer is None or signer.purpose != "event" or did_key(signer.public_key) != event.issuer:
        raise NotAllowedRefusal(
            "The registrar is the did:key of the event key that signs the opening", pointer="/issuer"
        )


def _decide_succession(
    book: Book, opened: Opened, event: events.LogOpened, predecessor: events.Predecessor, received_at: Moment
) -> None:
    """A log is continued by its own registrar, with keys that live on it: whoever else names it inherits nothing.

    The book holds the predecessor's final state; that it is the state at the named size and root is for whoever loaded
    it to prove.
    """
    before = _require_predecessor(book, event)
    if before.origin != predecessor.origin or event.log == before.origin:
        raise WrongLogRefusal(
            f"The final state at hand is that of {before.origin}; {event.log} continues {predecessor.origin}",
            pointer="/predecessor/origin",
        )
    latest = max(rule.version for rule in before.rules)
    if event.rules_version < latest:
        raise FieldRefusal(
            f"{before.origin} has rules version {latest}: the log that continues it opens with at least that one",
            pointer="/rules_version",
        )
    if event.issuer != before.registrar:
        raise NotAllowedRefusal(f"{before.origin} is continued by its registrar, {before.registrar}", pointer="/issuer")
    for record in event.keys:
        key = book.key(record.key_id)
        is_same = key is not None and (key.purpose, key.public_key) == (record.purpose, record.public_key)
        if key is None or not is_same or not may_sign(book, key) or received_at < key.usable_from:
            raise UnknownKeyRefusal(f"{record.key_id} is no living key of {before.origin}'s registrar", pointer="/keys")
    if not any(record.key_id == opened.key_id and record.purpose == "event" for record in event.keys):
        raise NotAllowedRefusal("The opening is signed with one of the event keys that it names", pointer="/keys")


def _require_predecessor(book: Book, event: events.LogOpened) -> LogState:
    if book.log is None:
        raise UnknownPredecessorProblem(f"{event.log} continues another log, whose final state is not known here")
    return book.log


def _check_claimed_time(book: Book, event: events.Event, received_at: Moment) -> None:
    earliest, latest = _window(received_at, book.opened_log().parameters)
    if event.at > latest:
        raise AheadOfTimeRefusal(
            f"The event says {event.at}, the log's clock {received_at}: set the clock", pointer="/at"
        )
    if event.at < earliest:
        raise TooOldRefusal(f"The event says {event.at}, the log's clock {received_at}: sign it anew", pointer="/at")


@functools.lru_cache(maxsize=64)
def _window(received_at: Moment, parameters: events.Parameters) -> tuple[Moment, Moment]:
    """Return the first and the last moment that an event may claim; the same for all events of a batch."""
    now_ms = to_ms(received_at)
    return (
        from_ms(now_ms - parameters.at_behind_seconds_max * _SECOND_MS),
        from_ms(now_ms + parameters.at_ahead_seconds_max * _SECOND_MS),
    )


def _check_purpose(key: Key, event: events.Event) -> None:
    if key.purpose == "event" or (key.purpose == "recovery" and isinstance(event, _RECOVERY_MAY)):
        return
    raise _purpose_refusal(key, event)


def _purpose_refusal(key: Key, event: events.Event) -> KeyPurposeRefusal:
    return KeyPurposeRefusal(f"{key.key_id} is for {key.purpose}; sign {event.__struct_config__.tag} with an event key")


def _check_speaker(book: Book, event: events.Event, key: Key) -> None:
    """Speaker admitted, not closed, not suspended; with the two exceptions of DESIGN 3.6."""
    if event.issuer == book.opened_log().registrar:
        return
    speaker = decide_issuer.admitted(book, event.issuer, pointer="/issuer")
    if key.purpose == "recovery" and isinstance(event, events.IssuerKeyRetired):
        return
    last = standing(book, speaker)
    if last is None or last.kind == "reinstated":
        return
    if last.kind == "closed":
        raise ClosedIssuerRefusal(
            sentence("{institution} was closed at {at}", institution=event.issuer, at=last.stamp.received_at)
        )
    if isinstance(event, events.CredentialsRevoked):
        return  # judged credential by credential: each that is not its own is named
    if not (isinstance(event, _MAY_BE_SUSPENDED) and _is_own(book, event)):
        raise SuspendedSpeakerRefusal(
            sentence(
                "{institution} is suspended since {at}; ask the registrar",
                institution=event.issuer,
                at=last.stamp.received_at,
            )
        )


def _is_own(book: Book, event: events.CredentialRevoked | events.CredentialSuspended) -> bool:
    credential = book.credential(event.credential_id)
    return credential is not None and credential.issuer == event.issuer


def _decide_event(
    book: Book,
    opened: Opened,
    key: Key,
    *,
    index: LeafIndex,
    received_at: Moment,
    about: AbstractSet[CredentialId] | None,
) -> None:
    match opened.event:
        case events.CredentialsIssued() as event:
            decide_credential.issue_many(book, event, _judged(opened, about))
        case events.CredentialsRevoked() as event:
            decide_credential.revoke_many(book, event, _judged(opened, about), received_at)
        case (
            events.CredentialIssued()
            | events.CredentialIssuedV2()
            | events.CredentialStacked()
            | events.CredentialStackedV2() as event
        ):
            decide_credential.issue(book, event, opened.credential_ids[0], received_at)
        case events.CredentialRevoked() | events.CredentialSuspended() | events.CredentialReinstated() as event:
            decide_credential.change(book, event, received_at)
        case (
            events.CredentialRecognised()
            | events.CredentialRecognisedV2()
            | events.AchievementRecognised()
            | events.EndorserInvited()
            | events.CredentialEndorsed()
            | events.RecognitionWithdrawn()
            | events.AchievementRecognitionWithdrawn()
            | events.EndorserUninvited()
            | events.EndorsementWithdrawn() as event
        ):
            _decide_statement(book, event, received_at, version=book.opened_log().rules_version_at(index))
        case events.IssuerKeyAdded() | events.IssuerKeyAddedV2() as event:
            decide_issuer.add_key(book, event, key)
        case events.IssuerKeyRetired() as event:
            decide_issuer.retire_key(book, event, key, received_at)
        case _ as event:
            if event.issuer != book.opened_log().registrar:
                raise NotAllowedRefusal(f"Only the registrar says {event.__struct_config__.tag}", pointer="/issuer")
            decide_issuer.registrar_act(book, event, index)


def _decide_statement(book: Book, event: events.StatementEvent, received_at: Moment, *, version: int) -> None:
    """What stands until it is withdrawn, and its withdrawals."""
    match event:
        case events.CredentialRecognised():
            decide_recognition.recognise(book, event, received_at)
        case events.CredentialRecognisedV2():
            decide_recognition.recognise_for_programme(book, event, received_at)
        case events.AchievementRecognised():
            decide_recognition.decide_standing(book, event, received_at)
        case events.EndorserInvited():
            decide_endorsement.invite(book, event)
        case events.CredentialEndorsed():
            decide_endorsement.endorse(book, event, received_at)
        case _:
            withdraw(book, event, version=version)


def _judged(opened: Opened, about: AbstractSet[CredentialId] | None) -> tuple[CredentialId, ...]:
    ids = opened.credential_ids
    return ids if about is None else tuple(name for name in ids if name in about)
