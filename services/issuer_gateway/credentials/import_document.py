"""Imports: a document of another system becomes a credential of ours, once, however often it is sent."""

from typing import Any, Protocol

import asyncpg
import msgspec

from proto.canonical import canonical_json
from proto.documents.document import without_proof
from proto.ids import CredentialId
from proto.imports.imported import Imported
from proto.imports.open_badge import import_open_badge
from proto.wire.gateway import EventAnswer
from services.issuer_gateway.achievements import achievement_commands
from services.issuer_gateway.credentials.issuance import issue_now, prepared
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.service import Gateway
from services.issuer_gateway.store import credentials
from services.issuer_gateway.unit_of_work.append_event import Said, check_followed, stands
from services.issuer_gateway.unit_of_work.idempotency import Once, check_unused, said_once
from services.persistence.postgres import Connection

_NOTES_MAX = 64


class Read(Protocol):
    """Reads a document of one kind; raises an `InvalidProblem` with the pointer to its fault."""

    def __call__(self, document: Any, *, learner_ref: str | None = None) -> Imported:
        """Return what the document says."""


async def import_document(
    gateway: Gateway,
    tenant: Tenant,
    document: Any,
    *,
    learner_ref: str | None,
    once: Once | None,
    read: Read = import_open_badge,
    api_key_id: str | None = None,
) -> tuple[CredentialId, EventAnswer]:
    """Issue what a document of another system says, and return the credential and where its event stands.

    The same content (without its proof) for the same learner gives the same credential. Raises what `read`
    and issuing raise.
    """
    check_followed(gateway)
    imported = read(document, learner_ref=learner_ref)
    content = canonical_json(without_proof(document))
    fingerprint = gateway.keystore.fingerprint(b"import", tenant.institution_id.encode(), content)
    await check_unused(gateway, once)
    known = await _known(gateway, tenant, fingerprint)
    if known is not None:
        return known

    async def work(connection: Connection) -> Said:
        item = await _issue_now(gateway, connection, tenant, imported, api_key_id)
        await credentials.add_imported(connection, tenant.institution_id, fingerprint, item.stream)
        return item

    try:
        answer = await said_once(gateway, once, work)
    except asyncpg.UniqueViolationError:
        known = await _known(gateway, tenant, fingerprint)  # a parallel import of the same document was first
        if known is None:
            raise
        return known
    assert answer.credential_id is not None, "an issue is about a credential"
    return answer.credential_id, answer


async def _known(gateway: Gateway, tenant: Tenant, fingerprint: bytes) -> tuple[CredentialId, EventAnswer] | None:
    credential_id = await credentials.imported(gateway.pool, tenant.institution_id, fingerprint)
    stored = await credentials.get(gateway.pool, tenant.institution_id, credential_id) if credential_id else None
    if stored is None:
        return None
    return stored.credential_id, await stands(gateway, stored.event_id)


async def _issue_now(
    gateway: Gateway, connection: Connection, tenant: Tenant, imported: Imported, api_key_id: str | None
) -> Said:
    stored, notes = await achievement_commands.described(connection, tenant, imported.achievement)
    award = imported.award
    if award.ects_hundredths is None and imported.achievement.ects_hundredths != stored.achievement.ects_hundredths:
        award = msgspec.structs.replace(award, ects_hundredths=imported.achievement.ects_hundredths)
    doubts = (f"{doubt.pointer}: {doubt.detail}" for doubt in imported.doubtful)
    item = await prepared(
        gateway,
        tenant,
        award,
        stored,
        now=gateway.now(),
        notes=_bounded([_first_issued_by(imported), *notes, *doubts]),
        unmapped=imported.unmapped,
        api_key_id=api_key_id,
    )
    return await issue_now(gateway, connection, tenant, item)


def _first_issued_by(imported: Imported) -> str:
    """Return who issued the document, which the credential does not say: it is the institution's own."""
    issuer = imported.issuer
    named = ", ".join(filter(None, (issuer.name, issuer.country)))
    return f"The document was issued by {issuer.id}{f' ({named})' if named else ''}; this credential is your own"


def _bounded(notes: list[str]) -> tuple[str, ...]:
    """Return as many notes as are kept, the last of which says how many there were besides."""
    if len(notes) <= _NOTES_MAX:
        return tuple(notes)
    kept = notes[: _NOTES_MAX - 1]
    return (*kept, f"There are {len(notes) - len(kept)} more notes than can be kept")
