"""Agreements of institutions: proposed, taken in from other gateways, consented to, ended; and how they stand now.

A consent is a signature by a key that the log has. Whatever is stored was checked by the log as it is followed, and
keys that were condemned since are judged anew whenever an agreement is read. If we crash after a commit, what was
signed is there, and the same request again changes nothing.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

import uuid_utils

from proto.documents.recognition_agreement import (
    AgreementEnding,
    ConsentEnvelope,
    OpenedConsent,
    RecognitionAgreement,
    digest_of,
    encoded,
    envelope_of,
    opened,
    signature_by,
    signed_bytes,
)
from proto.ids import AgreementId, Did, KeyId
from proto.lifecycle import Book, profile
from proto.moment import Moment, from_datetime
from proto.problem import ConflictProblem, InvalidProblem, NotFoundProblem, UnavailableProblem
from proto.wire.agreements import AgreementAnswer, AgreementGrounds, AgreementRequest, AgreementState
from services.crypto.document_keys import is_signed_by
from services.issuer_gateway.domain import agreements as rules
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.signing_keys import SigningKeys
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.store import agreements as store
from services.issuer_gateway.store import followed_log
from services.issuer_gateway.store.agreements import StoredAgreement
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection, Pool, transaction

Grounds = Mapping[AgreementId, AgreementGrounds]
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
                raise TooManyAgreementsProblem(f"End some: {OPEN_MAX} that one institution proposed are kept at once")
            await store.add(connection, digest_of(payload), payload, agreement.parties)
            await store.consent(connection, digest_of(payload), is_proposer=True, consent=consent)
            return await self._answered(connection, digest_of(payload))

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

        async def work(connection: Connection) -> AgreementAnswer:
            if isinstance(found.statement, AgreementEnding):
                return await self._end_by(connection, tenant, found, found.statement)
            return await self._keep(connection, tenant, found, found.statement)

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
        if stored.ended_at is None:
            for party, consent in found.signatures.items():
                if not rules.are_consents_good(book, stored.consents, [party]):
                    is_proposer = party == agreement.proposer
                    await store.consent(connection, found.digest, is_proposer=is_proposer, consent=consent)
        return await self._answered(connection, found.digest)

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
            if stored.ended_at is not None:
                raise AgreementEndedProblem("Propose a new one, with the terms that hold from now on")
            book = await _book(connection, stored.agreement)
            rules.check_agreement(book, stored.agreement)
            if not rules.are_consents_good(book, stored.consents, [tenant.did]):
                is_proposer = tenant.did == stored.agreement.proposer
                await store.consent(connection, agreement_id, is_proposer=is_proposer, consent=consent)
            return await self._answered(connection, agreement_id)

        return await self._unit_of_work.in_transaction(work)

    async def end(self, tenant: Tenant, agreement_id: AgreementId) -> AgreementAnswer:
        """End an agreement, decline it or take it back, from now on; what was decided by it stays.

        Raises `UnknownAgreementProblem`, `NoKeyProblem`.
        """
        ending = AgreementEnding(
            log=self._log_state.origin, agreement=agreement_id, party=tenant.did, at=self._log_state.now()
        )
        payload = encoded(ending)
        consent = await self._signed(tenant, payload)

        async def work(connection: Connection) -> AgreementAnswer:
            await self._locked(connection, tenant, agreement_id)
            await store.end(connection, agreement_id, tenant.did, payload, consent)
            return await self._answered(connection, agreement_id)

        return await self._unit_of_work.in_transaction(work)

    async def _end_by(
        self, connection: Connection, tenant: Tenant, found: OpenedConsent, ending: AgreementEnding
    ) -> AgreementAnswer:
        stored = await self._locked(connection, tenant, AgreementId(ending.agreement))
        if ending.party not in stored.agreement.parties:
            raise InvalidProblem("Only a party of the agreement ends it", pointer="/payload")
        _check_signatures(await _book(connection, stored.agreement), found)
        await store.end(connection, stored.agreement_id, ending.party, found.payload, found.signatures[ending.party])
        return await self._answered(connection, stored.agreement_id)

    async def get(self, tenant: Tenant, agreement_id: AgreementId) -> AgreementAnswer:
        """Return an agreement to a party; raises `UnknownAgreementProblem`."""
        found = (await store.by_ids(self._pool, [agreement_id])).get(agreement_id)
        if found is None or tenant.did not in found.agreement.parties:
            raise _unknown(tenant)
        return (await self._answers([found]))[0]

    async def listed(
        self, tenant: Tenant, *, after: tuple[datetime, str] | None, limit: int, is_public: bool = False
    ) -> tuple[list[AgreementAnswer], tuple[datetime, str] | None]:
        """Return agreements of an institution, those proposed last first, and behind which to go on.

        Public are those alone that both have signed, ended ones too.
        """
        found = await store.of_party(self._pool, tenant.did, after=after, limit=limit + 1)
        shown = found[:limit]
        more = (shown[-1].proposed_at, shown[-1].agreement_id) if len(found) > limit else None
        return await self._answers([each for each in shown if len(each.consents) > 1 or not is_public]), more

    async def _signed(self, tenant: Tenant, payload: bytes) -> tuple[KeyId, bytes]:
        signer = await self._signing_keys.signer(tenant, "assertion")
        return signature_by(payload, signer.key_id, signer.sign)

    async def _locked(self, connection: Connection, tenant: Tenant, agreement_id: AgreementId) -> StoredAgreement:
        stored = await store.lock(connection, agreement_id)
        if stored is None or tenant.did not in stored.agreement.parties:
            raise _unknown(tenant)
        return stored

    async def _answered(self, connection: Connection, agreement_id: AgreementId) -> AgreementAnswer:
        stored = (await store.by_ids(connection, [agreement_id]))[agreement_id]
        return _answer(await _book(connection, stored.agreement), stored, now=self._log_state.now())

    async def _answers(self, found: list[StoredAgreement]) -> list[AgreementAnswer]:
        async with transaction(self._pool) as connection:
            book = await followed_log.book_of_issuers(connection, _parties(found))
        return [_answer(book, each, now=self._log_state.now()) for each in found]


async def grounds_of(pool: Pool, own: Did, agreement_ids: Iterable[AgreementId | None]) -> Grounds:
    """Return by which agreements something was decided at an institution, for those who read the decision."""
    names = {each for each in agreement_ids if each is not None}
    if not names:
        return {}
    found = await store.by_ids(pool, names)
    async with transaction(pool) as connection:
        book = await followed_log.book_of_issuers(connection, _parties(found.values()))
    return {
        name: AgreementGrounds(
            agreement_id=name,
            partner=each.agreement.other(own),
            partner_name=_name_of(book, each.agreement.other(own)),
            valid_from=each.agreement.valid_from,
            valid_until=each.agreement.valid_until,
        )
        for name, each in found.items()
    }


def _parties(found: Iterable[StoredAgreement]) -> set[Did]:
    return {party for each in found for party in each.agreement.parties}


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


def _name_of(book: Book, did: Did) -> str:
    issuer = book.issuer(did)
    known = profile(book, issuer) if issuer else None
    return known.legal_name if known else did


def _answer(book: Book, stored: StoredAgreement, *, now: Moment) -> AgreementAnswer:
    agreement = stored.agreement
    state = _state(book, stored)
    is_in_period = agreement.valid_from <= now < agreement.valid_until
    are_good = all(rules.is_in_good_standing(book, each) for each in agreement.parties)
    ending = stored.ending
    return AgreementAnswer(
        agreement_id=stored.agreement_id,
        state=state,
        is_in_force=state == "concluded" and is_in_period and are_good,
        proposer=agreement.proposer,
        proposer_name=_name_of(book, agreement.proposer),
        accepter=agreement.accepter,
        accepter_name=_name_of(book, agreement.accepter),
        valid_from=agreement.valid_from,
        valid_until=agreement.valid_until,
        terms=agreement.terms,
        proposed_at=from_datetime(stored.proposed_at),
        accepted_at=from_datetime(stored.accepted_at) if stored.accepted_at else None,
        ended_at=from_datetime(stored.ended_at) if stored.ended_at else None,
        ended_by=stored.ended_by,
        document=envelope_of(stored.payload, list(stored.consents.values())),
        ending=envelope_of(ending[0], [ending[1:]]) if ending else None,
    )


def _state(book: Book, stored: StoredAgreement) -> AgreementState:
    if stored.ended_at is not None:
        return "ended"
    if not rules.are_consents_good(book, stored.consents, stored.consents):
        return "void"
    return "concluded" if len(stored.consents) == len(stored.agreement.parties) else "proposed"


def _unknown(tenant: Tenant) -> UnknownAgreementProblem:
    return UnknownAgreementProblem(f"{tenant.slug} is party to no such agreement, as far as is known here")
