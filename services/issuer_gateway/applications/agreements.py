"""Agreements of institutions: proposed, taken in from other gateways, consented to, ended; and how they stand now.

A consent is a signature by a key that the log has. Whatever is stored was checked by the log as it is followed, and
keys that were condemned since are judged anew whenever an agreement is read. If we crash after a commit, what was
signed is there, and the same request again changes nothing.
"""

from datetime import datetime

import msgspec
import uuid_utils

from proto.documents.recognition_agreement import (
    AgreementEnding,
    ConsentEnvelope,
    OpenedConsent,
    RecognitionAgreement,
    digest_of,
    encoded,
    opened,
    signature_by,
    signed_bytes,
)
from proto.ids import AgreementId, Did, KeyId
from proto.lifecycle import Book
from proto.moment import to_datetime
from proto.problem import ConflictProblem, InvalidProblem, NotFoundProblem, UnavailableProblem
from proto.sentence import sentence
from proto.wire.agreements import AgreementAnswer, AgreementRequest
from services.crypto.document_keys import is_signed_by
from services.issuer_gateway.applications.agreement_answers import answers
from services.issuer_gateway.domain import agreements as rules
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.signing_keys import NoKeyProblem, SigningKeys
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.store import agreements as store
from services.issuer_gateway.store import followed_log
from services.issuer_gateway.store.agreements import StoredAgreement, StoredEnding
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection, Pool, transaction

OPEN_MAX = 1_000
"""So many agreements that nobody ended one institution has proposed at most."""


class UnknownAgreementProblem(NotFoundProblem):
    """The institution is party to no agreement of this id, as far as is known here."""

    slug = "unknown-agreement"
    title = "No such agreement"


class AgreementEndedProblem(ConflictProblem):
    """Somebody ended the agreement: nobody consents to it any more."""

    slug = "agreement-ended"
    title = "The agreement was ended"


class TooManyAgreementsProblem(UnavailableProblem):
    """The institution has proposed as many agreements as are kept."""

    slug = "too-many-agreements"
    title = "Too many agreements are open"
    retry_after_seconds = 3_600


class Agreements:
    """Proposes, takes in, consents to and ends agreements of institutions of this gateway."""

    def __init__(
        self,
        pool: Pool,
        unit_of_work: UnitOfWork,
        idempotency: Idempotency,
        *,
        signing_keys: SigningKeys,
        log_state: FollowedLogState,
    ) -> None:
        self._pool = pool
        self._unit_of_work = unit_of_work
        self._idempotency = idempotency
        self._signing_keys = signing_keys
        self._log_state = log_state

    async def propose(self, tenant: Tenant, request: AgreementRequest, keyed: KeyedRequest | None) -> AgreementAnswer:
        """Propose an agreement, signed by the institution; the other one is asked by handing it the document.

        Raises `InvalidProblem` with a pointer, `TooManyAgreementsProblem`, `LogNotFollowedProblem`, `NoKeyProblem`.
        """
        self._log_state.check_fresh("Whether institutions may agree")
        agreement = rules.agreement_of(
            request,
            tenant.did,
            log=self._log_state.origin,
            now=self._log_state.now(),
            zone=tenant.zone,
            nonce=str(uuid_utils.uuid7()),
        )
        payload = encoded(agreement)
        consent = await self._signed(tenant, payload)

        async def work(connection: Connection) -> AgreementAnswer:
            rules.check_agreement(await _book(connection, agreement), agreement)
            if await store.count_open(connection, tenant.did) >= OPEN_MAX:
                raise TooManyAgreementsProblem(
                    sentence("End some: {count} that one institution proposed are kept at once", count=OPEN_MAX)
                )
            await store.add(connection, digest_of(payload), payload, agreement.parties)
            await store.consent(connection, digest_of(payload), is_proposer=True, consent=consent)
            return await self._answered(connection, tenant, digest_of(payload))

        return await self._idempotency.run_once(keyed, AgreementAnswer, work)

    async def take_in(self, tenant: Tenant, envelope: ConsentEnvelope) -> AgreementAnswer:
        """Keep what another party signed at its own gateway: an agreement, a consent, an ending; again changes nothing.

        Raises `MalformedProblem`, and `InvalidProblem` for what is not for this log, for this institution, or not
        signed by its party; `UnknownAgreementProblem` for an ending of what was never taken in.
        """
        self._log_state.check_fresh("Whether the signatures hold")
        found = opened(envelope)
        if found.statement.log != self._log_state.origin:
            raise InvalidProblem("It is about institutions of another log", pointer="/payload")

        if isinstance(found.statement, AgreementEnding):
            return await self._take_in_ending(tenant, found, found.statement)
        agreement = found.statement

        async def work(connection: Connection) -> AgreementAnswer:
            return await self._keep(connection, tenant, found, agreement)

        return await self._unit_of_work.in_transaction(work)

    async def _keep(
        self, connection: Connection, tenant: Tenant, found: OpenedConsent, agreement: RecognitionAgreement
    ) -> AgreementAnswer:
        if tenant.did not in agreement.parties:
            raise InvalidProblem("The agreement is one of other institutions", pointer="/payload")
        book = await _book(connection, agreement)
        rules.check_agreement(book, agreement)
        _check_signatures(book, found)
        await store.add(connection, found.digest, found.payload, agreement.parties)
        stored = await self._locked(connection, tenant, found.digest)
        if stored.ending is None:
            for party, consent in found.signatures.items():
                if not rules.are_consents_good(book, stored.consents, [party]):
                    is_proposer = party == agreement.proposer
                    await store.consent(connection, found.digest, is_proposer=is_proposer, consent=consent)
        return await self._answered(connection, tenant, found.digest)

    async def accept(self, tenant: Tenant, agreement_id: AgreementId) -> AgreementAnswer:
        """Consent to what the other institution has proposed; again changes nothing.

        A party whose signing key was condemned since consents anew so. Raises `UnknownAgreementProblem`,
        `AgreementEndedProblem`, `InvalidProblem` where it may not be agreed any more, `NoKeyProblem`.
        """
        self._log_state.check_fresh("Whether institutions may agree")
        known = (await store.by_ids(self._pool, [agreement_id])).get(agreement_id)
        if known is None or tenant.did not in known.agreement.parties:
            raise _unknown(tenant)
        consent = await self._signed(tenant, known.payload)

        async def work(connection: Connection) -> AgreementAnswer:
            stored = await self._locked(connection, tenant, agreement_id)
            if stored.ending is not None:
                raise AgreementEndedProblem("Propose a new one, with the terms that hold from now on")
            book = await _book(connection, stored.agreement)
            rules.check_agreement(book, stored.agreement)
            if not rules.are_consents_good(book, stored.consents, [tenant.did]):
                is_proposer = tenant.did == stored.agreement.proposer
                await store.consent(connection, agreement_id, is_proposer=is_proposer, consent=consent)
            return await self._answered(connection, tenant, agreement_id)

        return await self._unit_of_work.in_transaction(work)

    async def end(self, tenant: Tenant, agreement_id: AgreementId) -> AgreementAnswer:
        """End an agreement, decline it or take it back, from now on; what was decided by it stays.

        A party of another gateway is told by handing it the ending. Raises `UnknownAgreementProblem`, `NoKeyProblem`.
        """
        ending = AgreementEnding(
            log=self._log_state.origin, agreement=agreement_id, party=tenant.did, at=self._log_state.now()
        )
        payload = encoded(ending)
        signatures = {tenant.did: await self._signed(tenant, payload)}

        async def work(connection: Connection) -> AgreementAnswer:
            stored = await self._locked(connection, tenant, agreement_id)
            if stored.ending is None:
                ended = StoredEnding(
                    payload=payload, ending=ending, signatures=signatures, known_at=to_datetime(ending.at)
                )
                await store.end(connection, agreement_id, ended)
            return await self._answered(connection, tenant, agreement_id)

        return await self._unit_of_work.in_transaction(work)

    async def _take_in_ending(self, tenant: Tenant, found: OpenedConsent, ending: AgreementEnding) -> AgreementAnswer:
        """Keep an ending that was signed elsewhere, and sign that this institution has it.

        Of two endings both gateways keep the earlier one, whichever of them came first.
        """
        own = await self._receipt(tenant, found)

        async def work(connection: Connection) -> AgreementAnswer:
            stored = await self._locked(connection, tenant, AgreementId(ending.agreement))
            rules.check_ending(stored.agreement, ending, found.signatures, now=self._log_state.now())
            _check_signatures(await _book(connection, stored.agreement), found)
            known = stored.ending
            if known is None or rules.ends_before(stored.agreement, ending, known.ending):
                ended = StoredEnding(
                    payload=found.payload,
                    ending=ending,
                    signatures=found.signatures | own,
                    known_at=known.known_at if known else to_datetime(self._log_state.now()),
                )
                await store.end(connection, stored.agreement_id, ended)
            elif known.payload == found.payload:
                signatures = found.signatures | own | known.signatures
                await store.end(connection, stored.agreement_id, msgspec.structs.replace(known, signatures=signatures))
            return await self._answered(connection, tenant, stored.agreement_id)

        return await self._unit_of_work.in_transaction(work)

    async def _receipt(self, tenant: Tenant, found: OpenedConsent) -> dict[Did, tuple[KeyId, bytes]]:
        """Return this institution's signature under an ending; none where it has signed, or has no key to sign with."""
        if tenant.did in found.signatures:
            return {}
        try:
            return {tenant.did: await self._signed(tenant, found.payload)}
        except NoKeyProblem:
            return {}

    async def get(self, tenant: Tenant, agreement_id: AgreementId) -> AgreementAnswer:
        """Return an agreement to a party; raises `UnknownAgreementProblem`."""
        found = (await store.by_ids(self._pool, [agreement_id])).get(agreement_id)
        if found is None or tenant.did not in found.agreement.parties:
            raise _unknown(tenant)
        return (await self._answers([found], of=tenant))[0]

    async def listed(
        self, tenant: Tenant, *, after: tuple[datetime, str] | None, limit: int, is_public: bool = False
    ) -> tuple[list[AgreementAnswer], tuple[datetime, str] | None]:
        """Return agreements of an institution, those proposed last first, and behind which to go on.

        Public are those alone that both have signed, ended ones too.
        """
        found = await store.of_party(self._pool, tenant.did, after=after, limit=limit + 1)
        shown = found[:limit]
        more = (shown[-1].proposed_at, shown[-1].agreement_id) if len(found) > limit else None
        told = [each for each in shown if len(each.consents) > 1 or not is_public]
        return await self._answers(told, of=None if is_public else tenant), more

    async def _signed(self, tenant: Tenant, payload: bytes) -> tuple[KeyId, bytes]:
        signer = await self._signing_keys.signer(tenant, "assertion")
        return signature_by(payload, signer.key_id, signer.sign)

    async def _locked(self, connection: Connection, tenant: Tenant, agreement_id: AgreementId) -> StoredAgreement:
        stored = await store.lock(connection, agreement_id)
        if stored is None or tenant.did not in stored.agreement.parties:
            raise _unknown(tenant)
        return stored

    async def _answered(self, connection: Connection, tenant: Tenant, agreement_id: AgreementId) -> AgreementAnswer:
        stored = (await store.by_ids(connection, [agreement_id]))[agreement_id]
        return (await answers(connection, [stored], of=tenant, now=self._log_state.now()))[0]

    async def _answers(self, found: list[StoredAgreement], *, of: Tenant | None) -> list[AgreementAnswer]:
        async with transaction(self._pool) as connection:
            return await answers(connection, found, of=of, now=self._log_state.now())


async def _book(connection: Connection, agreement: RecognitionAgreement) -> Book:
    return await followed_log.book_of_issuers(connection, set(agreement.parties))


def _check_signatures(book: Book, found: OpenedConsent) -> None:
    """Raise `InvalidProblem` unless every signature is one of its party, by a key that may sign documents now."""
    for number, (party, (key_id, signature)) in enumerate(found.signatures.items()):
        issuer = book.issuer(party)
        key = next((each for each in issuer.keys if each.key_id == key_id), None) if issuer else None
        if key is None or not rules.is_good_key(book, party, key_id):
            raise InvalidProblem(
                "The log has no such key of this party that may sign documents: ask the other institution to sign anew",
                pointer=f"/signatures/{number}/keyid",
            )
        if not is_signed_by(key.public_key, signed_bytes(found.payload), signature):
            raise InvalidProblem(
                "The signature is not over this document: ask the other institution for the file as it was saved",
                pointer=f"/signatures/{number}/sig",
            )


def _unknown(tenant: Tenant) -> UnknownAgreementProblem:
    return UnknownAgreementProblem(
        sentence("{institution} is party to no such agreement, as far as is known here", institution=tenant.slug)
    )
