"""An application as its office is answered it: what was written is opened, and stands beside what was found."""

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from proto.moment import from_datetime
from proto.wire.applications import ApplicationAnswer, ItemAnswer, ProgrammeLimits
from services.issuer_gateway.applications.agreement_answers import Grounds
from services.issuer_gateway.applications.apply import applicant_of, decision_answer
from services.issuer_gateway.applications.evidence import opened_item
from services.issuer_gateway.applications.known_evidence import KnownEvidence
from services.issuer_gateway.applications.precedents import own_of, public_of
from services.issuer_gateway.domain.programmes import title_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import DataKey
from services.issuer_gateway.store.applications import StoredApplication


def answer_of_nobody(stored: StoredApplication) -> ApplicationAnswer:
    """Return what an application is, with nothing in it that names anybody."""
    return ApplicationAnswer(
        application_id=stored.application_id,
        state=stored.state,
        programme=stored.programme,
        publish=stored.is_public,
        created_at=from_datetime(stored.created_at),
        due_at=from_datetime(stored.due_at),
        is_overdue=False,
    )


def office_answer(
    tenant: Tenant,
    stored: StoredApplication,
    key: DataKey | None,
    *,
    evidence: Sequence[KnownEvidence],
    limits: ProgrammeLimits | None,
    learner: str | None,
    grounds: Grounds,
) -> ApplicationAnswer:
    """Return an application with its evidence, opened by its applicant's key; without the key nothing of it."""
    return msgspec.structs.replace(
        answer_of_nobody(stored),
        is_overdue=stored.state == "open" and stored.due_at < datetime.now(UTC),
        programme_title=title_of(tenant, stored.programme),
        limits=limits,
        applicant=applicant_of(key, stored) if key else None,
        learner=learner,
        items=tuple(_item(key, tenant, each, grounds) for each in evidence) if key else (),
        is_erased=key is None,
    )


def _item(key: DataKey, tenant: Tenant, evidence: KnownEvidence, grounds: Grounds) -> ItemAnswer:
    item = evidence.item
    opened = opened_item(key, item)
    return ItemAnswer(
        number=item.number,
        title=opened.title,
        dossier=opened.dossier,
        answer=opened.answer,
        stated=opened.stated,
        credential_id=item.credential_id,
        achievement=item.achievement,
        achievement_issuer=item.achievement_issuer,
        decisions=tuple(decision_answer(key, each, grounds, is_office=True) for each in evidence.made),
        appeal=opened.appeal,
        precedents=(
            *own_of(tenant.did, item.application_id, evidence.like, evidence.published),
            *public_of(evidence.public, opened.answer, tenant.did, evidence.published),
        ),
        public_precedents=evidence.public.known,
    )
