"""Rows of many institutions in one gateway's database, written as issuing and deciding would have left them.

They are copied in, for issuing a million credentials takes a quarter of an hour: learners with keys of their own,
credentials with their events and states, applications with decisions on achievements that all institutions decide on,
entries of audit trails. Documents are short. Everything that the gateway is asked about can be opened by it.
"""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from proto.audit_trail import AuditRecord, record_bytes
from proto.ids import ApiKeyId, ApplicationId, CredentialId, InstitutionId, LearnerId
from proto.lifecycle import Credential
from proto.moment import from_datetime
from proto.wire.applications import Applicant, Dossier, EvidenceSent
from services.issuer_gateway.applications.evidence import CheckedEvidence, sealed_item
from services.issuer_gateway.credentials.prepared_award import Sealed
from services.issuer_gateway.keys.keystore import DataKey, Keystore
from services.issuer_gateway.keys.vault import Vault
from services.issuer_gateway.store import applications
from services.persistence.postgres import Connection

PER_LEARNER, PER_APPLICATION, PER_AUDIT_ENTRY = 4, 100, 10
"""So many credentials to a learner, to an application for recognition, and to an entry of the audit trail."""
SHARED_ACHIEVEMENTS = 20
_CHUNK = 10_000
_ENCODE = msgspec.json.Encoder().encode
_PACK = msgspec.msgpack.Encoder().encode


class OneCredential(msgspec.Struct, frozen=True, kw_only=True):
    """What a tenant's bulk is like: a credential that was really issued, and what the followed log says of it."""

    institution_id: InstitutionId
    achievement_id: str
    revision: int
    programme: str
    state: Credential


async def one_of(connection: Connection, slug: str, programme: str) -> OneCredential:
    """Return the credential that a tenant has issued, as it lies there."""
    row = await connection.fetchrow(
        """SELECT institution_id::text, achievement_id, revision, credential_state.state
           FROM credential JOIN institution USING (institution_id) JOIN credential_state USING (credential_id)
           WHERE slug = $1 AND credential_state.state IS NOT NULL LIMIT 1""",
        slug,
    )
    assert row is not None, f"{slug} has issued one"
    state = msgspec.msgpack.decode(row["state"], type=Credential)
    return OneCredential(**(dict(row) | {"state": state, "programme": programme}))


def credential_id(slug: str, number: int) -> CredentialId:
    """Return the id of a credential of a tenant's bulk."""
    return CredentialId(hashlib.sha256(f"{slug}/{number}".encode()).hexdigest())


def learner_ref(slug: str, number: int) -> str:
    """Return the institution's name for a learner of its bulk."""
    return f"{slug}-learner-{number}"


class ManyTenants:
    """Fills a gateway's database, whose service does not run meanwhile; `connection` is its owner's."""

    def __init__(self, connection: Connection, master_key_file: Path, key_folder: Path) -> None:
        self._connection = connection
        self._keystore = Keystore.from_file(master_key_file)
        self._vault = Vault(key_folder)

    def close(self) -> None:
        """Close the key folder."""
        self._vault.close()

    async def fill(self, slug: str, like: OneCredential, count: int) -> None:
        """Give a tenant so many credentials, and what belongs to them."""
        for first in range(0, count, _CHUNK):
            await self._credentials(slug, like, range(first, min(first + _CHUNK, count)))
        await self._applications(slug, like, count // PER_APPLICATION)
        await self._audit(like.institution_id, count // PER_AUDIT_ENTRY)

    async def settle(self) -> None:
        """Have done what would be done meanwhile: statistics, and which rows are seen by all."""
        for table in ("learner", "credential", "outbox", "credential_state", "application", "application_item"):
            await self._connection.execute(f"VACUUM (ANALYZE) {table}")
        await self._connection.execute("VACUUM (ANALYZE) audit_entry")

    async def _learners(self, refs: list[str], of: InstitutionId) -> list[tuple[LearnerId, DataKey]]:
        ids = [LearnerId(str(uuid.uuid4())) for _ in refs]
        made = {each: self._keystore.new_learner_key(each) for each in ids}
        await self._vault.keep({each: sealed for each, (_, sealed) in made.items()})
        rows = [(each, of, ref) for each, ref in zip(ids, refs, strict=True)]
        await self._copy("learner", ("learner_id", "institution_id", "ref"), rows)
        return [(each, made[each][0]) for each in ids]

    async def _credentials(self, slug: str, like: OneCredential, numbers: range) -> None:
        first = numbers.start // PER_LEARNER
        refs = [learner_ref(slug, number) for number in range(first, -(-numbers.stop // PER_LEARNER))]
        learners = await self._learners(refs, like.institution_id)
        names = [credential_id(slug, number) for number in numbers]
        ids = [bytes.fromhex(name) for name in names]
        events = [hashlib.sha256(b"event" + each).digest() for each in ids]
        owners = [learners[number // PER_LEARNER - first] for number in numbers]
        plain = _ENCODE(Sealed(document={"validFrom": "2026-01-01T00:00:00Z", "name": f"{slug}-document"}))
        await self._copy(
            "outbox",
            ("event_id", "institution_id", "stream", "event_type", "envelope", "state", "leaf_index"),
            [
                (event, like.institution_id, each, "credential-issued.v2", b"\x00", "published", number)
                for event, each, number in zip(events, ids, numbers, strict=True)
            ],
        )
        await self._copy(
            "credential",
            (
                *("credential_id", "institution_id", "learner_id", "achievement_id", "revision", "event_id"),
                *("ects_hundredths", "components", "sealed_document"),
            ),
            [
                (
                    *(each, like.institution_id, learner, like.achievement_id, like.revision, event),
                    *(200, [], key.seal(plain, "document", name)),
                )
                for each, name, event, (learner, key) in zip(ids, names, events, owners, strict=True)
            ],
        )
        states = [
            (each, _PACK(msgspec.structs.replace(like.state, credential_id=name)))
            for each, name in zip(ids, names, strict=True)
        ]
        await self._copy("credential_state", ("credential_id", "state"), states)

    async def _applications(self, slug: str, like: OneCredential, count: int) -> None:
        """Add applications, half of them decided, on achievements that all tenants decide on."""
        applicant = Applicant(given_name=f"{slug}-given", family_name=f"{slug}-family")
        ids = [ApplicationId(str(uuid.uuid4())) for _ in range(count)]
        learners = await self._learners([f"application-{each}" for each in ids], like.institution_id)
        for number, (application_id, (learner, key)) in enumerate(zip(ids, learners, strict=True)):
            new = applications.NewApplication(
                application_id=application_id,
                institution_id=like.institution_id,
                learner_id=learner,
                token_hash=hashlib.sha256(application_id.encode()).digest(),
                programme=like.programme,
                is_public=False,
                sealed_applicant=key.seal(_ENCODE(applicant), "application", application_id),
                due_at=datetime.now(UTC) + timedelta(minutes=number),
            )
            sent = EvidenceSent(dossier=Dossier(title=f"{slug}-title", description="At sea."))
            item = sealed_item(
                key, application_id, 1, CheckedEvidence(sent=sent, answer=None, stated=None, issuer=None)
            )
            shared = f"https://elsewhere.example/achievements/{number % SHARED_ACHIEVEMENTS}"
            on_shared = msgspec.structs.replace(
                item, achievement=shared, achievement_issuer="did:web:elsewhere.example"
            )
            await applications.add(self._connection, new, [on_shared])
            if number % 2:
                await applications.decide(self._connection, _decided(application_id, number))
                await applications.set_state(self._connection, application_id, "decided")

    async def _audit(self, institution_id: InstitutionId, count: int) -> None:
        record = record_bytes(
            AuditRecord(
                institution=institution_id, at=from_datetime(datetime.now(UTC)), actor="api-key", operation="bench"
            )
        )
        end = await self._connection.fetchval(
            "SELECT coalesce(max(number), 0) FROM audit_entry WHERE institution_id = $1", institution_id
        )
        least = await self._connection.fetchval("SELECT coalesce(min(record_id), 0) FROM audit_entry")
        await self._copy(
            "audit_entry",
            ("institution_id", "number", "record_id", "recorded_at", "previous", "hash", "record"),
            [
                (
                    institution_id,
                    end + number,
                    min(least, 0) - number,
                    datetime.now(UTC),
                    b"\0" * 32,
                    b"\0" * 32,
                    record,
                )
                for number in range(1, count + 1)
            ],
        )
        await self._connection.execute(
            "UPDATE audit_chain SET number = number + $2 WHERE institution_id = $1", institution_id, count
        )

    async def _copy(self, table: str, columns: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> None:
        await self._connection.copy_records_to_table(table, records=rows, columns=columns)


def _decided(application_id: ApplicationId, number: int) -> applications.EvidenceDecision:
    return applications.EvidenceDecision(
        application_id=application_id,
        number=1,
        round=1,
        decision="full" if number % 3 else "refused",
        ects_hundredths=200 if number % 3 else None,
        eqf_level=None,
        reasons=() if number % 3 else ("other",),
        sealed_text=None,
        api_key_id=ApiKeyId("bench"),
        under_event=None,
        decided_at=datetime.now(UTC),
    )


def slugs(count: int) -> Iterator[str]:
    """Yield the short names of so many tenants, all of one length, so that none is a part of another."""
    return (f"t{number:02d}" for number in range(count))
