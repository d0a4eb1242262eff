"""What the statistics count, entry by entry: acts on the log, by who, EQF level and month. Pure; knows no table.

An act is counted in the month in which the log received it, once: a credential whose void issue was said again is one
credential, a recognition that was withdrawn twice is one withdrawal, and one that was replaced is withdrawn.
Credentials, stacks and what became of them count for the institution that issued, recognitions for the one that
recognised, under the level that the decision states. What states no EQF level counts under 0. An event about many
credentials is as many acts.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from proto import events
from proto.ids import Did, EventId
from proto.lifecycle import Book, Life
from services.follow import Applied

Kind = Literal["credential", "stack", "revocation", "suspension", "reinstatement", "recognition", "withdrawal"]
NOT_STATED = 0
_MONTH_CHARACTERS = 7
_ISSUES: dict[type[events.Event], Kind] = {
    events.CredentialIssued: "credential",
    events.CredentialIssuedV2: "credential",
    events.CredentialsIssued: "credential",
    events.CredentialStacked: "stack",
    events.CredentialStackedV2: "stack",
}
_TRANSITIONS: dict[type[events.Event], Kind] = {
    events.CredentialRevoked: "revocation",
    events.CredentialsRevoked: "revocation",
    events.CredentialSuspended: "suspension",
    events.CredentialReinstated: "reinstatement",
}


class StatisticKey(NamedTuple):
    """Where an act is counted; `month` as `2026-11`."""

    kind: Kind
    issuer: Did
    eqf_level: int
    month: str


class StatisticSum(NamedTuple):
    """How many acts, and the credits (in hundredths) that they were about."""

    acts: int
    ects_hundredths: int


def count_acts(book: Book, applied: Iterable[Applied]) -> dict[StatisticKey, StatisticSum]:
    """Return what these entries add, in the order of their keys; the book holds what they evolved."""
    found: dict[StatisticKey, StatisticSum] = {}
    for item in applied:
        for key, ects_hundredths in _acts(book, item):
            before = found.get(key, StatisticSum(0, 0))
            found[key] = StatisticSum(before.acts + 1, before.ects_hundredths + ects_hundredths)
    return dict(sorted(found.items()))


def _acts(book: Book, item: Applied) -> Iterator[tuple[StatisticKey, int]]:
    event, month = item.opened.event, item.stamp.received_at[:_MONTH_CHARACTERS]
    if kind := _ISSUES.get(type(event)):
        for first in _lives(book, item):
            if first.stamp.event_id == item.stamp.event_id:
                yield _key(kind, first, month), first.ects_hundredths
    elif kind := _TRANSITIONS.get(type(event)):
        for life in _lives(book, item):
            yield _key(kind, life, month), life.ects_hundredths
    elif isinstance(event, events.CredentialRecognised | events.CredentialRecognisedV2):
        yield StatisticKey("recognition", event.issuer, event.eqf_level or NOT_STATED, month), event.ects_hundredths
        if isinstance(event, events.CredentialRecognisedV2) and event.replaces:
            yield from _withdrawal(book, event.replaces, item, month)
    elif isinstance(event, events.RecognitionWithdrawn):
        yield from _withdrawal(book, event.recognition, item, month)


def _withdrawal(book: Book, name: EventId, item: Applied, month: str) -> Iterator[tuple[StatisticKey, int]]:
    recognition = book.recognition(name)
    assert recognition is not None, "the rules admit no withdrawal of what is not there"
    if recognition.withdrawals[0].event_id == item.stamp.event_id:
        level = recognition.eqf_level or NOT_STATED
        yield StatisticKey("withdrawal", recognition.recogniser, level, month), recognition.ects_hundredths


def _lives(book: Book, item: Applied) -> Iterator[Life]:
    """Yield the first issue of each credential that an event is about.

    What an act is counted under does not change by what is said later.
    """
    for credential_id in item.opened.credential_ids:
        credential = book.credential(credential_id)
        assert credential is not None, "the rules admit nothing about a credential that is not there"
        yield credential.lives[0]


def _key(kind: Kind, life: Life, month: str) -> StatisticKey:
    return StatisticKey(kind, life.issuer, life.eqf_level or NOT_STATED, month)
