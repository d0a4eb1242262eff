"""All that is kept of applications, for whoever applied (GDPR Art. 15 and 20): evidence as it came, and a record.

In it is what the applicant wrote, showed and was answered, and when the office was reminded; not who decided or
assessed, for those are other persons.
"""

import io
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from proto.ids import ApplicationId, LearnerId
from proto.moment import from_datetime
from proto.wire.applications import DecisionAnswer
from services.issuer_gateway.applications.agreement_answers import grounds_of
from services.issuer_gateway.applications.apply import (
    RecognitionApplications,
    UnknownApplicationProblem,
    applicant_of,
    decision_answer,
)
from services.issuer_gateway.applications.evidence import ending_of, file_in, opened_item
from services.issuer_gateway.applications.rules import ApplicationClosedProblem
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import DataKey
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.store import applications, learner_applications, reminders, tenants
from services.issuer_gateway.store.applications import SealedEvidence, StoredApplication
from services.persistence.postgres import Pool

APPLICATIONS_MAX = 100
_DIGITS = 12
_README = """What {institution} keeps of your application for recognition, as of {day}.

application-…/   what you sent as evidence, as it came.
record.json      what you wrote, what was found out about each document, what was decided and why, and your appeals.
"""


class ExportApplications:
    """Packs what is kept of applications."""

    def __init__(self, pool: Pool, learner_keys: LearnerKeys, made: RecognitionApplications) -> None:
        self._pool = pool
        self._learner_keys = learner_keys
        self._made = made

    async def by_secret(self, secret: str, *, now: str) -> Mapping[str, bytes]:
        """Return the files of the application that a secret link leads to.

        Raises `UnknownApplicationProblem`, and `ApplicationClosedProblem` where nothing is left of it.
        """
        stored = await self._made.by_secret(secret)
        return await self._packed(await tenants.by_id(self._pool, stored.institution_id), stored, now=now)

    async def by_id(self, tenant: Tenant, application_id: ApplicationId, *, now: str) -> Mapping[str, bytes]:
        """Return the files of an application to the institution; raises as `by_secret`."""
        stored = await applications.get(self._pool, tenant.institution_id, application_id)
        if stored is None:
            raise UnknownApplicationProblem(f"Nobody applied to {tenant.slug} under the id {application_id}")
        return await self._packed(tenant, stored, now=now)

    async def _packed(self, tenant: Tenant, stored: StoredApplication, *, now: str) -> Mapping[str, bytes]:
        files, record = await self._opened(tenant, stored)
        if record is None:
            raise ApplicationClosedProblem("It was withdrawn, or erased with its applicant: nothing is left of it")
        said = _README.format(institution=tenant.legal_name, day=now[:10])
        return {"README.txt": said.encode(), "record.json": encoded({"as_of": now} | record)} | files

    async def of_learner(self, tenant: Tenant, learner_id: LearnerId) -> tuple[dict[str, bytes], list[dict[str, Any]]]:
        """Return the files and the records of applications that the office says are a learner's, the oldest first."""
        files: dict[str, bytes] = {}
        records = []
        for name in await learner_applications.of_learner(self._pool, learner_id, limit=APPLICATIONS_MAX):
            stored = await applications.get(self._pool, tenant.institution_id, name)
            found, record = await self._opened(tenant, stored) if stored else ({}, None)
            if record is not None:
                files |= found
                records.append(record)
        return files, records

    async def _opened(
        self, tenant: Tenant, stored: StoredApplication
    ) -> tuple[dict[str, bytes], dict[str, Any] | None]:
        """Return the evidence as files, and the record; None where it was erased."""
        key = None if stored.is_erased else (await self._learner_keys.known([stored.learner_id]))[stored.learner_id]
        if key is None:
            return {}, None
        items = await applications.items(self._pool, [stored.application_id])
        made = await applications.decisions(self._pool, [stored.application_id])
        files: dict[str, bytes] = {}
        grounds = await grounds_of(self._pool, tenant.did, (each.agreement for each in made))
        answers = {each: decision_answer(key, each, grounds) for each in made}
        told = [
            _item(key, item, [answers[each] for each in made if each.number == item.number], files) for item in items
        ]
        reminded = await reminders.of_applications(self._pool, [stored.application_id])
        return files, {
            "application_id": stored.application_id,
            "institution": tenant.legal_name,
            "programme": stored.programme,
            "state": stored.state,
            "publish": stored.is_public,
            "created_at": from_datetime(stored.created_at),
            "due_at": from_datetime(stored.due_at),
            "applicant": applicant_of(key, stored),
            "items": told,
            "reminders": [{"kind": each.kind, "created_at": each.created_at} for each in reminded],
        }


def _item(
    key: DataKey, item: SealedEvidence, made: Sequence[DecisionAnswer], files: dict[str, bytes]
) -> dict[str, Any]:
    """Return the record of a piece of evidence; its file is put to the others."""
    opened = opened_item(key, item)
    content, name = file_in(opened.sent), None
    if content is not None:
        name = f"application-{item.application_id[:_DIGITS]}/evidence-{item.number}.{ending_of(content)}"
        files[name] = content
    return {
        "number": item.number,
        "title": opened.title,
        "file": name,
        "dossier": opened.dossier,
        "credential_id": item.credential_id,
        "achievement": item.achievement,
        "achievement_issuer": item.achievement_issuer,
        "found_out": opened.answer,
        "decisions": made,
        "appeal": opened.appeal,
    }


def encoded(record: Mapping[str, Any]) -> bytes:
    """Return a record as JSON that a person can read."""
    return msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=2)


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return files as a ZIP, what explains the rest first."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in _in_order(files):
            archive.writestr(name, files[name])
    return stream.getvalue()


def _in_order(files: Mapping[str, bytes]) -> Sequence[str]:
    """Return the names, what explains the rest first."""
    return sorted(files, key=lambda name: (name != "README.txt", name))
