"""What is counted, entry by entry: acts on the log, by who, EQF level and month. Pure; knows no table.

An act is counted in the month in which the log received it, once: a credential whose void issue was said again is one
credential, a recognition that was withdrawn twice is one withdrawal, and one that was replaced is withdrawn.
Credentials, stacks and what became of them count for the institution that issued, recognitions for the one that
recognised, under the level that the decision states. What states no EQF level counts under 0. An event about many
credentials is as many acts.
"""

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from proto import events
from proto.ids import CredentialId, Did, EventId
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


class Act(NamedTuple):
    """What was done to credentials that share their lives: where it is counted, the credits (in hundredths) of each.

    `credential_id` is one of them, `credential_count` how many they are.
    """

    key: StatisticKey
    ects_hundredths: int
    credential_id: CredentialId
    credential_count: int = 1


def count_acts(acts: Iterable[Act]) -> dict[StatisticKey, StatisticSum]:
    """Return what these acts add, in the order of their keys."""
    found: dict[StatisticKey, StatisticSum] = {}
    for act in acts:
        before = found.get(act.key, StatisticSum(0, 0))
        credits_of_all = act.credential_count * act.ects_hundredths
        found[act.key] = StatisticSum(before.acts + act.credential_count, before.ects_hundredths + credits_of_all)
    return dict(sorted(found.items()))


def acts_of(book: Book, applied: Iterable[Applied]) -> Iterator[Act]:
    """Yield what these entries did, in their order; the book holds what they evolved."""
    for item in applied:
        yield from _acts(book, item)


def _acts(book: Book, item: Applied) -> Iterator[Act]:
    event, month = item.opened.event, item.stamp.received_at[:_MONTH_CHARACTERS]
    if kind := _ISSUES.get(type(event)):
        for credential_id, first, count in _lives(book, item):
            if first.stamp.event_id == item.stamp.event_id:
                yield Act(_key(kind, first, month), first.ects_hundredths, credential_id, count)
    elif kind := _TRANSITIONS.get(type(event)):
        for credential_id, life, count in _lives(book, item):
            yield Act(_key(kind, life, month), life.ects_hundredths, credential_id, count)
    elif isinstance(event, events.CredentialRecognised | events.CredentialRecognisedV2):
        key = StatisticKey("recognition", event.issuer, event.eqf_level or NOT_STATED, month)
        yield Act(key, event.ects_hundredths, event.credential_id)
        if isinstance(event, events.CredentialRecognisedV2) and event.replaces:
            yield from _withdrawal(book, event.replaces, item, month)
    elif isinstance(event, events.RecognitionWithdrawn):
        yield from _withdrawal(book, event.recognition, item, month)


def _withdrawal(book: Book, name: EventId, item: Applied, month: str) -> Iterator[Act]:
    recognition = book.recognition(name)
    assert recognition is not None, "the rules admit no withdrawal of what is not there"
    if recognition.withdrawals[0].event_id == item.stamp.event_id:
        level = recognition.eqf_level or NOT_STATED
        key = StatisticKey("withdrawal", recognition.recogniser, level, month)
        yield Act(key, recognition.ects_hundredths, recognition.credential_id)


def _lives(book: Book, item: Applied) -> Iterator[tuple[CredentialId, Life, int]]:
    """Yield the first issue of the credentials that an event is about, one of them, and how many share it.

    What an act is counted under does not change by what is said later. Which share their lives is known by the object:
    those that an event brought together go on together, and of 256 of them next to nothing is done for each.
    """
    found: dict[int, list[CredentialId]] = {}
    for credential_id in item.opened.credential_ids:
        credential = book.credentials[credential_id]
        assert credential is not None, "the rules admit nothing about a credential that is not there"
        found.setdefault(id(credential.lives), []).append(credential_id)
    for names in found.values():
        first = book.credentials[names[0]]
        assert first is not None, "looked up above"
        yield names[0], first.lives[0], len(names)


def _key(kind: Kind, life: Life, month: str) -> StatisticKey:
    return StatisticKey(kind, life.issuer, life.eqf_level or NOT_STATED, month)
