"""Entries of the log in words: what was said, by whom, about whom. Pure; decides nothing, and asks nobody."""

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET

from proto import events
from proto.envelope import Opened, open_envelope
from proto.log import entry as entries
from proto.stacking import ects_text
from proto.wire.register import EntryFacts
from services.verifier.answers.register import Register
from services.verifier.languages import Language
from services.verifier.languages.english import REASONS
from services.verifier.languages.log_words import OTHER, SAID

IDS_SHOWN = 3
"""So many of the credentials that an entry is about are named; their count says how many there are."""


def described(data: bytes, register: Register, language: Language) -> EntryFacts:
    """Return an entry as it stands on the log, in words; the names are those of the register now."""
    entry = entries.decode(data)
    opened = open_envelope(entry.envelope)
    event = opened.event
    subject = getattr(event, "subject", None)
    achievement = getattr(event, "achievement", None)
    credits_ = getattr(event, "ects_hundredths", None)
    return EntryFacts(
        index=entry.index,
        event_id=opened.event_id,
        kind=str(event.__struct_config__.tag),
        received_at=entry.received_at,
        text=_sentence(opened, register, language),
        speaker=event.issuer,
        speaker_name=register.name_of(event.issuer),
        subject=subject,
        subject_name=register.name_of(subject) if subject else None,
        achievement=achievement,
        achievement_title=register.title(achievement) if achievement else None,
        ects_hundredths=credits_,
        credential_count=len(opened.credential_ids),
        credential_ids=opened.credential_ids[:IDS_SHOWN],
    )


def _sentence(opened: Opened, register: Register, language: Language) -> str:
    """Return one sentence of the language's file, with all of its values; kinds without one say their name."""
    event = opened.event
    tag = str(event.__struct_config__.tag)
    values = _values(opened, register, language)
    said = SAID.get(_case(event, tag))
    return language.word(OTHER, kind=tag, **values) if said is None else language.word(said, **values)


def _case(event: events.Event, tag: str) -> str:
    """Return under which name the sentence stands: the type without its version, and what changes the sentence."""
    kind = tag.rpartition(".")[0]
    match event:
        case events.IssuerKeyRetired():
            return f"{kind}/{event.reason}"
        case events.IssuerClosed() if event.successor is not UNSET:
            return f"{kind}/succeeded"
        case events.CredentialRecognised() | events.CredentialRecognisedV2() | events.AchievementRecognised():
            return f"{kind}/{event.decision}"
        case events.CredentialIssued() | events.CredentialIssuedV2() | events.CredentialsIssued() if (
            not event.ects_hundredths
        ):
            return f"{kind}/no-credits"
        case events.EndorserInvited() | events.CredentialEndorsed():
            return f"{kind}/{event.role}"
        case _:
            return kind


def _values(opened: Opened, register: Register, language: Language) -> Mapping[str, Any]:
    event = opened.event
    subject, successor = getattr(event, "subject", event.issuer), getattr(event, "successor", UNSET)
    reason = getattr(event, "reason", "")
    other = getattr(event, "achievement_issuer", getattr(event, "endorser", event.issuer))
    return {
        "speaker": register.name_of(event.issuer),
        "subject": register.name_of(subject),
        "other": register.name_of(other),
        "successor": "" if successor is UNSET else register.name_of(successor),
        "country": getattr(event, "country", ""),
        "count": len(getattr(event, "components", ())) or len(opened.credential_ids),
        "ects": ects_text(getattr(event, "ects_hundredths", 0)),
        "reason": language.word(REASONS.get(reason, reason)),
        "version": getattr(event, "version", ""),
        "index": getattr(event, "from_index", ""),
    }
