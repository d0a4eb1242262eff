"""States of the office's pages that another gateway, a stolen key or months bring about, as a gateway renders them."""

from collections.abc import Mapping
from typing import Any

from proto.documents.recognition_agreement import AgreementTerm, ConsentEnvelope, ConsentSignature
from proto.ids import (
    AchievementUri,
    AgreementId,
    ApplicationId,
    Did,
    EventId,
    InstitutionId,
    KeyId,
    Origin,
    TreeSize,
)
from proto.moment import Moment
from proto.problem import ConflictProblem
from proto.sentence import sentence
from proto.wire.agreements import AgreementAnswer, AgreementPage
from proto.wire.applications import (
    Applicant,
    ApplicationAnswer,
    CountedPlace,
    DecisionAnswer,
    Dossier,
    ItemAnswer,
)
from proto.wire.content import Content, HolderContent
from proto.wire.verifier import Answer, AsOf, Check, CheckName, IssuerFacts, Question, Result, Verdict
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.languages import LANGUAGES
from services.issuer_gateway.pages.in_languages import PageReader
from services.issuer_gateway.pages.office_pages import OfficePages, PageOfOffice, TypedDecision
from tests.support.statements import ACCREDITATION, SCOPE

_OURS, _THEIRS = Did("did:web:waterland.example"), Did("did:web:nadmorska.example")
_NAME = "Politechnika Nadmorska im. Eugeniusza Kwiatkowskiego w Świnoujściu"
_TENANT = Tenant(
    institution_id=InstitutionId("waterland"),
    slug="waterland",
    did=_OURS,
    legal_name="Hogeschool Waterland",
    country="NL",
    uri_prefixes=("https://waterland.example/",),
    scope=SCOPE,
    accreditation=ACCREDITATION,
)
_TERMS = (
    AgreementTerm(
        awarded_by=_THEIRS,
        recogniser=_OURS,
        programme="https://waterland.example/programmes/rivers",
        isced_f="0532",
        decision="full",
        ects_hundredths_total_max=1200,
    ),
    AgreementTerm(
        awarded_by=_OURS,
        recogniser=_THEIRS,
        programme="https://nadmorska.example/programmes/gospodarka-wodna-i-ochrona-przeciwpowodziowa",
        achievements=(AchievementUri(f"https://waterland.example/achievements/{'hydrodynamische-' * 6}berekening"),),
        decision="partial",
        ects_hundredths=250,
        eqf_level_min=6,
    ),
)
_SIGNED = ConsentEnvelope(
    payload="e30=" * 8,
    payload_type="application/vnd.credentify.agreement+json",
    signatures=(ConsentSignature(keyid=KeyId(f"{_OURS}#k1"), sig="A" * 88),),
)
_CONTENT = Content(
    language="pl",
    title={"pl": "Zarządzanie ryzykiem powodziowym"},
    holder=HolderContent(name="Zoë van den Broecke-Wiśniewska"),
)
_BEFORE, _SINCE = Moment("2026-01-15T10:00:00.000Z"), Moment("2026-11-02T09:30:00.000Z")
_COUNTED = (
    CountedPlace(application_id=ApplicationId("00000000-0000-4000-8000-000000000002"), number=3),
    CountedPlace(recognition=EventId("4f" * 32)),
)
_AGREEMENTS: Mapping[str, Mapping[str, Any]] = {
    "proposed by them": {"state": "proposed", "proposer": _THEIRS, "accepter": _OURS},
    "in force": {"is_in_force": True, "elsewhere": (_THEIRS,)},
    "resting": {},
    "void": {"state": "void"},
    "ended, and they were not told": {"ended_by": _OURS, "ending_known_to": (_OURS,), "elsewhere": (_THEIRS,)},
    "ended, and they have signed so": {
        "ended_by": _OURS,
        "ending_known_to": (_OURS, _THEIRS),
        "elsewhere": (_THEIRS,),
    },
    "ended elsewhere": {
        "ended_by": _THEIRS,
        "ending_known_at": Moment("2026-11-20T15:00:00.000Z"),
        "ending_known_to": (_OURS, _THEIRS),
        "elsewhere": (_THEIRS,),
        "decided_after_ending": 3,
    },
}


def _agreement(number: int, said: Mapping[str, Any]) -> AgreementAnswer:
    values: dict[str, Any] = {
        "agreement_id": AgreementId(f"{number:064x}"),
        "state": "ended" if "ended_by" in said else "concluded",
        "is_in_force": False,
        "proposer": _OURS,
        "accepter": _THEIRS,
        "valid_from": _BEFORE,
        "valid_until": Moment("2029-06-30T22:00:00.000Z"),
        "terms": _TERMS,
        "proposed_at": _BEFORE,
        "accepted_at": None if said.get("state") == "proposed" else _BEFORE,
        "ended_at": _SINCE if "ended_by" in said else None,
        "ending_known_at": _SINCE if "ended_by" in said else None,
        "document": _SIGNED,
        **said,
    }
    names = {_OURS: _TENANT.legal_name, _THEIRS: _NAME}
    return AgreementAnswer(proposer_name=names[values["proposer"]], accepter_name=names[values["accepter"]], **values)


def _answer(verdict: Verdict, results: Mapping[CheckName, Result]) -> Answer:
    """Return what was found when evidence came: its content where it is proven."""
    details: Mapping[Result, str] = {
        "valid": "The document is exactly the one that the institution put on record.",
        "invalid": "The credential was revoked, effective 2026-02-01: it was issued in error.",
        "unknown": "These records are incomplete, so the status could not be found out.",
        "not_applicable": "The credential is not made of others.",
    }
    return Answer(
        verdict=verdict,
        checks=tuple(
            Check(check=name, result=result, code=name, detail=details[result]) for name, result in results.items()
        ),
        question=Question(at=_BEFORE),
        as_of=AsOf(
            origin=Origin("log.example/1"),
            size=TreeSize(12),
            root_hash="x",
            time=_BEFORE,
            time_source="log",
            age_seconds=1.0,
        ),
        issuer=IssuerFacts(did=_THEIRS, state="active", legal_name=_NAME),
        content=_CONTENT if verdict == "valid" else None,
    )


def _application() -> ApplicationAnswer:
    proven: dict[CheckName, Result] = {"document": "valid", "signature": "valid", "components": "not_applicable"}
    refused = DecisionAnswer(
        round=1,
        decision="refused",
        reasons=("not-authentic", "level-too-low"),
        text="Its level is below ours.\nAsk again with a transcript.",
        decided_at=_SINCE,
    )
    held = _answer("valid", proven | {"status": "valid"})
    items = (
        ItemAnswer(
            number=1,
            title="Zarządzanie ryzykiem powodziowym",
            answer=held,
            holds_now="does-not-hold",
            counted_in=_COUNTED,
        ),
        ItemAnswer(number=2, title="إدارة مخاطر الفيضانات", answer=held, holds_now="unknown"),
        ItemAnswer(
            number=3,
            title="Flood risk",
            answer=_answer("invalid", {"document": "valid", "status": "invalid"}),
            decisions=(refused,),
            appeal="It was revoked by mistake, and they say so.",
        ),
        ItemAnswer(number=4, title="A file", answer=_answer("indeterminate", {"status": "unknown"})),
        ItemAnswer(
            number=5,
            title="Ten years at the water board",
            dossier=Dossier(title="Ten years at the water board", description="I built models."),
        ),
    )
    return ApplicationAnswer(
        application_id=ApplicationId("00000000-0000-4000-8000-000000000001"),
        state="open",
        programme=_TERMS[0].programme,
        publish=True,
        created_at=_BEFORE,
        due_at=_SINCE,
        is_overdue=True,
        applicant=Applicant(given_name="Zoë", family_name="van den Broecke-Wiśniewska"),
        items=items,
    )


def _page(code: str) -> PageOfOffice:
    return PageOfOffice(tenant=_TENANT, reader=PageReader(language=LANGUAGES[code]), token="t", root="")


def agreements(code: str) -> str:
    """Return the page of agreements in a language: each state that one may be in, from where this office stands."""
    stand = tuple(_agreement(number, said) for number, said in enumerate(_AGREEMENTS.values()))
    typed = dict.fromkeys(("partner", "direction", "achievements", "isced_f", "programme", "decision", "ects"), "")
    typed |= dict.fromkeys(("eqf_level", "ects_min", "eqf_level_min", "total_max", "valid_until"), "")
    fault = sentence("An agreement ends after it begins, and {years} years on at most", years=5)
    found = OfficePages().agreements(
        _page(code), AgreementPage(agreements=stand), typed=typed, fault=fault, field="valid_until"
    )
    return found.text or ""


def evidence(code: str) -> str:
    """Return an application in a language, with evidence that held and holds no more, or of which that is not known."""
    since = "2026-11-01T00:00:00.000Z"
    refusal = sentence("{institution} is suspended since {at}; ask the registrar", institution=_TENANT.did, at=since)
    problem = ConflictProblem(sentence("The log refused this: {refusal}", refusal=refusal))
    texts = {"decision": "full", "ects": "3"} | dict.fromkeys(("eqf_level", "text", "assessor", "despite"), "")
    texts |= {"despite_status": "", "despite_counted": ""}
    typed = TypedDecision(number=1, texts=texts, reasons=(), fault=problem.sentence)
    return OfficePages().application(_page(code), _application(), typed=typed).text or ""
