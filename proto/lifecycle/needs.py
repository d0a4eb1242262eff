"""Which states a decision reads and the book does not hold yet. Pure: stores load what is asked for, in three rounds.

Round 1: event id, keys, speaker, named credentials, recognitions. Round 2: parts, and issuers of what was named.
Round 3: issuers of parts and of who changed them. Loading an issuer loads its chain of successors with it, and a
registrar is loaded with the log itself (DESIGN 3.6).
"""

from collections.abc import Iterable, Sequence

import msgspec

from proto import events
from proto.envelope import Opened
from proto.ids import AchievementUri, CredentialId, Did, EventId
from proto.keys import PublicKey
from proto.lifecycle.book import Book, RecognisedPair
from proto.lifecycle.decide_withdrawal import withdrawn_by
from proto.lifecycle.statements import (
    DECISIONS_LIVE_MAX,
    INVITATIONS_LIVE_MAX,
    Endorsement,
    StatementGroup,
    decisions_by,
    decisions_like,
    endorsements_of,
    invitations_by,
    invitations_like,
)
from proto.lifecycle.states import Credential

ROUNDS_MAX = 3


class Needs(msgspec.Struct, kw_only=True):
    """Names of states to load, by kind; `is_empty` when the book holds everything."""

    events: set[EventId] = msgspec.field(default_factory=set)
    issuers: set[Did] = msgspec.field(default_factory=set)
    public_keys: set[PublicKey] = msgspec.field(default_factory=set)
    credentials: set[CredentialId] = msgspec.field(default_factory=set)
    recognitions: set[EventId] = msgspec.field(default_factory=set)
    recognised: set[RecognisedPair] = msgspec.field(default_factory=set)
    prefixes: set[str] = msgspec.field(default_factory=set)
    statements: set[EventId] = msgspec.field(default_factory=set)
    groups: set[StatementGroup] = msgspec.field(default_factory=set)

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing is missing."""
        return not (
            self.events
            or self.issuers
            or self.public_keys
            or self.credentials
            or self.recognitions
            or self.recognised
            or self.prefixes
            or self.statements
            or self.groups
        )


def needs(book: Book, batch: Iterable[Opened]) -> Needs:
    """Return what deciding these events reads and the book lacks; call again after loading, until it is empty."""
    found, together = Needs(), list(batch)
    for opened in together:
        _touch(book, opened, found, len(together))
    _touch_endorsed_together(book, together, found)
    _subtract(found, book)
    return found


def credential_needs(book: Book, credential_ids: Iterable[CredentialId]) -> Needs:
    """Return what reading the effective state of these credentials needs and the book does not hold."""
    found = Needs()
    _touch_registrar(book, found)
    for credential_id in credential_ids:
        _touch_credential(book, credential_id, found, with_parts=True)
    _subtract(found, book)
    return found


def _subtract(found: Needs, book: Book) -> None:
    """Leave what the book lacks. By name, not by `-=`, which would walk through the whole book."""
    found.events = {name for name in found.events if name not in book.events}
    found.issuers = {name for name in found.issuers if name not in book.issuers}
    found.public_keys = {name for name in found.public_keys if name not in book.public_keys}
    found.credentials = {name for name in found.credentials if name not in book.credentials}
    found.recognitions = {name for name in found.recognitions if name not in book.recognitions}
    found.recognised = {name for name in found.recognised if name not in book.recognised}
    found.prefixes = {name for name in found.prefixes if name not in book.overlapping}
    found.statements = {name for name in found.statements if name not in book.statements}
    found.groups = {name for name in found.groups if name not in book.groups}


def _touch_registrar(book: Book, found: Needs) -> None:
    if book.log is not None:
        found.issuers.add(book.log.registrar)


def _touch(book: Book, opened: Opened, found: Needs, batch_size: int) -> None:
    """What one event names, and what that names in turn as far as it is loaded."""
    event = opened.event
    _touch_registrar(book, found)
    found.events.add(opened.event_id)
    found.issuers.add(event.issuer)
    match event:
        case events.LogOpened():
            found.public_keys.update(record.public_key for record in event.keys)
        case (
            events.CredentialIssued()
            | events.CredentialIssuedV2()
            | events.CredentialsIssued()
            | events.CredentialRevoked()
            | events.CredentialsRevoked()
            | events.CredentialReinstated()
        ):
            _touch_credentials(book, opened.credential_ids, found)
        case events.CredentialStacked() | events.CredentialStackedV2():
            for credential_id in (*opened.credential_ids, *event.components):
                _touch_credential(book, credential_id, found, with_parts=True)
        case events.CredentialSuspended():
            _touch_credential(book, event.credential_id, found, with_parts=True)
        case (
            events.CredentialRecognised()
            | events.CredentialRecognisedV2()
            | events.RecognitionWithdrawn()
            | events.AchievementRecognised()
            | events.AchievementRecognitionWithdrawn()
            | events.EndorserInvited()
            | events.EndorserUninvited()
            | events.CredentialEndorsed()
            | events.EndorsementWithdrawn() as statement
        ):
            _touch_statement_event(book, statement, found, batch_size)
        case events.RulesActivated():
            pass
        case _:
            _touch_issuer_event(book, event, found)


def _touch_issuer_event(
    book: Book,
    event: events.IssuerEvent,
    found: Needs,
) -> None:
    found.issuers.add(event.subject)
    if isinstance(event, events.IssuerAdmitted | events.IssuerAdmittedV2):
        found.public_keys.update(record.public_key for record in event.keys)
    if isinstance(event, events.IssuerAdmittedV2):
        found.prefixes.update(event.uri_prefixes)
        for prefix in event.uri_prefixes:
            found.issuers.update(book.overlapping.get(prefix) or ())
    if isinstance(event, events.IssuerKeyAdded | events.IssuerKeyAddedV2):
        found.public_keys.add(event.key.public_key)
    if isinstance(event, events.IssuerClosed) and event.successor:
        found.issuers.add(event.successor)


def _touch_credentials(book: Book, ids: Sequence[CredentialId], found: Needs) -> None:
    """What is done to credentials whatever their parts are; the speakers of lives that several share once."""
    found.credentials |= set(ids).difference(book.credentials)
    shared = {id(known.lives): known for known in map(book.credentials.get, ids) if known is not None}
    for credential in shared.values():
        _touch_speakers(credential, found)


def _touch_credential(book: Book, credential_id: CredentialId, found: Needs, *, with_parts: bool) -> None:
    found.credentials.add(credential_id)
    credential = book.credentials.get(credential_id)
    if credential is None:
        return
    _touch_speakers(credential, found)
    if with_parts:
        for part in {part for life in credential.lives for part in life.parts}:
            _touch_credential(book, part, found, with_parts=False)


def _touch_speakers(credential: Credential, found: Needs) -> None:
    for life in credential.lives:
        found.issuers.add(life.issuer)
        found.issuers.update(change.stamp.speaker for change in life.changes)


def _touch_recognitions(book: Book, pair: RecognisedPair, found: Needs) -> None:
    found.recognised.add(pair)
    for event_id in book.recognised.get(pair) or ():
        _touch_recognition(book, event_id, found)


def _touch_recognition(book: Book, event_id: EventId, found: Needs) -> None:
    found.recognitions.add(event_id)
    recognition = book.recognitions.get(event_id)
    if recognition is not None:
        found.issuers.add(recognition.recogniser)
        found.issuers.update(stamp.speaker for stamp in recognition.withdrawals)


def _touch_what_it_names(book: Book, event: events.CredentialRecognisedV2, found: Needs) -> None:
    if event.under:
        _touch_statement(book, event.under, found)
    if event.replaces:
        _touch_recognition(book, event.replaces, found)


def _touch_statement_event(book: Book, event: events.StatementEvent, found: Needs, batch_size: int) -> None:
    match event:
        case events.CredentialRecognised() | events.CredentialRecognisedV2():
            _touch_credential(book, event.credential_id, found, with_parts=True)
            _touch_recognitions(book, (event.credential_id, event.issuer), found)
            if isinstance(event, events.CredentialRecognisedV2):
                _touch_what_it_names(book, event, found)
        case events.RecognitionWithdrawn():
            _touch_recognition(book, event.recognition, found)
        case events.AchievementRecognised():
            found.issuers.add(event.achievement_issuer)
            like = decisions_like(event.issuer, event.achievement_issuer, event.achievement, event.programme)
            _touch_group(book, like, found)
            _touch_counted(book, decisions_by(event.issuer), found, DECISIONS_LIVE_MAX - batch_size)
        case events.EndorserInvited():
            found.issuers.add(event.endorser)
            like = invitations_like(event.issuer, event.achievement, event.endorser, event.role)
            _touch_group(book, like, found)
            _touch_counted(book, invitations_by(event.issuer), found, INVITATIONS_LIVE_MAX - batch_size)
        case events.CredentialEndorsed():
            _touch_endorsed(book, event, found)
        case _:
            _touch_statement(book, withdrawn_by(event), found)


def _touch_group(book: Book, group: StatementGroup, found: Needs) -> None:
    found.groups.add(group)
    for event_id in book.groups.get(group) or ():
        _touch_statement(book, event_id, found)


def _touch_counted(book: Book, group: StatementGroup, found: Needs, few: int) -> None:
    """A group that is counted only: its statements are read once there are more than a few of them, dead or alive."""
    found.groups.add(group)
    names = book.groups.get(group) or ()
    for event_id in names if len(names) >= few else ():
        _touch_statement(book, event_id, found)


def _touch_statement(book: Book, event_id: EventId, found: Needs) -> None:
    found.statements.add(event_id)
    statement = book.statements.get(event_id)
    if statement is None:
        return
    found.issuers.add(statement.stamp.speaker)
    found.issuers.update(stamp.speaker for stamp in statement.withdrawals)
    if isinstance(statement, Endorsement):
        _touch_statement(book, statement.invitation, found)


def _touch_endorsed_together(book: Book, batch: Sequence[Opened], found: Needs) -> None:
    """The invitations for what is issued and endorsed by one batch: no state says yet whose credential it is."""
    endorsed = [opened.event for opened in batch if isinstance(opened.event, events.CredentialEndorsed)]
    if not endorsed:
        return
    names = {event.credential_id for event in endorsed}
    issued: dict[CredentialId, set[tuple[Did, AchievementUri]]] = {}
    for opened in batch:
        if isinstance(opened.event, events.Issue):
            for name in names.intersection(opened.credential_ids):
                issued.setdefault(name, set()).add((opened.event.issuer, opened.event.achievement))
    for event in endorsed:
        for issuer, achievement in issued.get(event.credential_id, ()):
            _touch_group(book, invitations_like(issuer, achievement, event.issuer, event.role), found)


def _touch_endorsed(book: Book, event: events.CredentialEndorsed, found: Needs) -> None:
    """The credential, all its endorsements, and the invitations that its issuer made to the speaker."""
    _touch_credential(book, event.credential_id, found, with_parts=True)
    _touch_group(book, endorsements_of(event.credential_id), found)
    credential = book.credentials.get(event.credential_id)
    if credential is not None:
        for achievement in {life.achievement for life in credential.lives}:
            like = invitations_like(credential.issuer, achievement, event.issuer, event.role)
            _touch_group(book, like, found)
