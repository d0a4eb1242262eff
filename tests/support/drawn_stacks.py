"""Stacks for pages that draw them."""

from proto.ids import CredentialId, Did, EventId, LeafIndex, Origin, TreeSize
from proto.moment import Moment
from proto.wire.content import Content
from proto.wire.verifier import AsOf, CredentialFacts, IssuerFacts, Question, ShownState, StackNode, Status
from services.verifier.languages import LANGUAGES
from services.verifier.pages import PageLanguage, Pages, Shown
from services.verifier.pages.words import RECORD_HEADING
from services.verifier.verdict.findings import Judgement


def node(ects: int, remaining: int, state: ShownState = "active", parts: tuple[StackNode, ...] = ()) -> StackNode:
    return StackNode(
        credential_id=CredentialId("0" * 64),
        issuer=Did("did:web:school.example"),
        achievement="https://school.example/achievements/soil",
        ects_hundredths=ects,
        ects_hundredths_remaining=remaining,
        state=state,
        since=Moment("2026-01-01T00:00:00.000Z"),
        parts=parts,
    )


def page_of_stack(parts: tuple[StackNode, ...], content: Content | None = None) -> str:
    """Return the page of the record, or of the document, of a stack of these parts."""
    now, remaining = Moment("2026-03-01T00:00:00.000Z"), sum(part.ects_hundredths_remaining for part in parts)
    whole = node(sum(part.ects_hundredths for part in parts), remaining, "impaired", parts)
    judged = Judgement(
        verdict="invalid",
        checks=(),
        question=Question(at=now),
        as_of=AsOf(
            origin=Origin("log.example"), size=TreeSize(3), root_hash="", time=now, time_source="log", age_seconds=1.0
        ),
        issuer=IssuerFacts(did=whole.issuer, state="active", legal_name="Hogeschool Waterland", country="NL"),
        credential=CredentialFacts(
            credential_id=whole.credential_id,
            issuer=whole.issuer,
            achievement=whole.achievement,
            ects_hundredths=whole.ects_hundredths,
            valid_from=now,
            issued_at=now,
            index=LeafIndex(2),
            event_id=EventId("0" * 64),
        ),
        status=Status(state="impaired", since=now, ects_hundredths_remaining=remaining),
        stack=whole,
        content=content,
    )
    shown = Shown(heading=RECORD_HEADING, address="https://verifier.example")
    return Pages().answer(judged, PageLanguage(language=LANGUAGES["en"]), shown).text or ""
