"""Links as learners use them: looked at, used once, and the credential fetched again by the same browser for a day.

What is true if we crash here: an award is issued and its link used up in one transaction. A link to an issued
credential is used up before the document is sent; whoever used it may fetch the document again with the token that the
link was used with, and nobody else gets it.
"""

import hmac

import msgspec

from proto.documents.claim import check_holder
from proto.documents.credential import Award
from proto.ids import ClaimId, CredentialId
from proto.lifecycle import effective
from proto.moment import from_datetime
from proto.problem import ConflictProblem, Problem
from proto.wire.requests import Claimed, ClaimSeen, ClaimUse
from services.edge import token_hash
from services.issuer_gateway.achievements import achievement_commands
from services.issuer_gateway.credentials import credential_reader
from services.issuer_gateway.credentials.change_credential import check_tenant
from services.issuer_gateway.credentials.credential_reader import CredentialReader, ErasedProblem
from services.issuer_gateway.credentials.earlier_awards import AlreadyAwardedProblem, AwardedBeforeProblem
from services.issuer_gateway.credentials.issue_credential import IssueCredential
from services.issuer_gateway.credentials.prepare_award import PrepareAward
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.links.claim_commands import (
    CannotBindProblem,
    ClaimExpiredProblem,
    ClaimUsedProblem,
    UnknownClaimProblem,
    state_of,
)
from services.issuer_gateway.links.link_commands import HolderLinks
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.metrics import AwardMetrics
from services.issuer_gateway.requests.learner_requests import open_key
from services.issuer_gateway.store import achievements, claims, tenants
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.decision_book import book_for
from services.issuer_gateway.unit_of_work.event_answer import status_of
from services.issuer_gateway.unit_of_work.idempotency import Idempotency
from services.issuer_gateway.unit_of_work.log_writer import LogWriter, OutboxEvent
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection, Pool

_DECODE = msgspec.json.Decoder(Award).decode
_PROOF: credential_reader.ProofChoice = "eddsa-rdfc-2022"


class ClaimSuspendedProblem(ConflictProblem):
    """The credential is suspended: it is not handed out, and the link is not used up."""

    slug = "credential-suspended"
    title = "The institution has suspended this credential"


class ClaimRevokedProblem(Problem):
    """The credential holds no more, for good."""

    slug = "credential-revoked"
    title = "This credential was withdrawn"
    status = 410


class UseClaim:
    """Links at work: shown, used up once, and what they led to handed out."""

    def __init__(
        self,
        pool: Pool,
        unit_of_work: UnitOfWork,
        idempotency: Idempotency,
        *,
        prepare: PrepareAward,
        issue: IssueCredential,
        reader: CredentialReader,
        links: HolderLinks,
        learner_keys: LearnerKeys,
        writer: LogWriter,
        log_state: FollowedLogState,
        metrics: AwardMetrics,
    ) -> None:
        self._pool = pool
        self._unit_of_work = unit_of_work
        self._idempotency = idempotency
        self._prepare = prepare
        self._issue = issue
        self._reader = reader
        self._links = links
        self._learner_keys = learner_keys
        self._writer = writer
        self._log_state = log_state
        self._metrics = metrics

    async def by_secret(self, secret: str) -> claims.StoredClaim:
        """Return the link that has this secret; raises `UnknownClaimProblem`."""
        stored = await claims.by_token(self._pool, token_hash(secret))
        if stored is None:
            raise UnknownClaimProblem("This link leads to nothing: it must be copied whole")
        audited_call.speaks(stored.institution_id, "link", "claim", claim_id=stored.claim_id)
        return stored

    async def seen(self, secret: str, *, taker: str | None = None) -> ClaimSeen:
        """Return what a link leads to, and use nothing up: programs that look at links in mails find this."""
        stored = await self.by_secret(secret)
        tenant = await tenants.by_id(self._pool, stored.institution_id)
        achievement = (await achievement_commands.get(self._pool, tenant, stored.achievement_id)).achievement
        return ClaimSeen(
            state=state_of(stored),
            institution=tenant.slug,
            legal_name=tenant.legal_name,
            achievement=achievement.uri,
            title=achievement.text_in(achievement.title),
            titles=achievement.title,
            expires_at=from_datetime(stored.expires_at),
            may_bind=stored.sealed_award is not None,
            may_fetch_again=_is_takers(stored, _hash_of(taker)),
        )

    async def use(self, secret: str, use_: ClaimUse, *, taker: str | None = None) -> Claimed:
        """Use a link up and return the document that it leads to; again, for a day, to who sends the same `taker`.

        Raises `UnknownClaimProblem`, `ClaimUsedProblem`, `ClaimExpiredProblem`, `ErasedProblem`, `HolderProofProblem`,
        `CannotBindProblem`, `ClaimSuspendedProblem`, `ClaimRevokedProblem`, `LogNotFollowedProblem`, and for an award
        what issuing raises: then the link still works.
        """
        stored = await self.by_secret(secret)
        taker_hash = _hash_of(taker or use_.retry_token)
        tenant = await tenants.by_id(self._pool, stored.institution_id)
        if _is_takers(stored, taker_hash):
            return await self._fetched(tenant, stored)
        check_usable(stored)
        holder = check_holder(use_.holder, secret) if use_.holder else None
        if holder and stored.sealed_award is None:
            raise CannotBindProblem("Use the link without `holder`", pointer="/holder")
        if stored.sealed_award is not None:
            credential_id = await self._issued(tenant, stored.claim_id, holder, taker_hash=taker_hash)
        else:
            assert stored.credential_id is not None, "it leads to an award or to a credential"
            credential_id = stored.credential_id
            await self._reader.document(tenant, credential_id, proof=_PROOF)  # before anything is used up
            await self._used(tenant, stored.claim_id, credential_id, taker_hash)
        self._metrics.claims_used.inc()
        return await self._claimed(tenant, credential_id, stored)

    async def _fetched(self, tenant: Tenant, stored: claims.StoredClaim) -> Claimed:
        assert stored.credential_id is not None, "a link that was used has led to one"
        return await self._claimed(tenant, stored.credential_id, stored)

    async def _claimed(self, tenant: Tenant, credential_id: CredentialId, stored: claims.StoredClaim) -> Claimed:
        """Return a credential that may be handed out now, with its state and the link to its page."""

        async def work(connection: Connection) -> str:
            return await self._state(connection, tenant, credential_id)

        state = await self._unit_of_work.in_transaction(work)
        document = await self._reader.document(tenant, credential_id, proof=_PROOF)
        secret = await self._links.for_source(
            tenant, f"claim:{stored.claim_id}", credential_id, opens_all=stored.opens_all
        )
        return Claimed(credential_id=credential_id, document=document, state=state, page=self._links.address_of(secret))

    async def _state(self, connection: Connection, tenant: Tenant, credential_id: CredentialId) -> str:
        """Return the state of a credential that may be handed out, by the log and by what was said here.

        Raises `ClaimSuspendedProblem`, `ClaimRevokedProblem`, `IssueRefusedProblem`, and `LogNotFollowedProblem` where
        the log was not followed lately: a revocation may have been missed.
        """
        self._log_state.check_fresh("Whether the credential still holds")
        now = self._log_state.now()
        book = await book_for(connection, [], also=[credential_id], now=now)
        await check_tenant(connection, tenant, book, credential_id)
        credential = book.credential(credential_id)
        found = effective(book, credential, at=now) if credential else None
        state = found.state if found else "active"
        if state == "suspended":
            raise ClaimSuspendedProblem(
                "It is not handed out until it is reinstated. The link is not used up: ask the institution, and try "
                "again"
            )
        if state in {"revoked", "void"}:
            raise ClaimRevokedProblem("It holds no more, so it is not handed out; ask the institution")
        return state

    async def _used(
        self, tenant: Tenant, claim_id: ClaimId, credential_id: CredentialId, taker_hash: bytes | None
    ) -> None:
        async def work(connection: Connection) -> None:
            stored = await claims.lock(connection, claim_id)
            if _is_takers(stored, taker_hash):  # the same browser was faster: a button that was pressed twice
                return
            check_usable(stored)
            await self._state(connection, tenant, credential_id)
            await claims.use(connection, claim_id, credential_id, taker_hash)

        await self._unit_of_work.in_transaction(work)

    async def _issued(
        self, tenant: Tenant, claim_id: ClaimId, holder: str | None, *, taker_hash: bytes | None
    ) -> CredentialId:
        """Issue the award of a link, once: whoever comes second finds it used.

        Where the same award was made in another way since, the link leads to that credential.
        """
        self._writer.check_followed()

        async def work(connection: Connection) -> OutboxEvent:
            stored = await claims.lock(connection, claim_id)
            if _is_takers(stored, taker_hash) and stored.credential_id is not None:
                raise _TakenError(stored.credential_id)
            check_usable(stored)
            assert stored.sealed_award is not None, "it is not used, not cancelled, not expired, not erased"
            key = open_key((await self._learner_keys.known([stored.learner_id]))[stored.learner_id])
            award = _DECODE(key.open(stored.sealed_award, "claim-award", claim_id))
            if holder:
                award = msgspec.structs.replace(award, learner=msgspec.structs.replace(award.learner, uri=holder))
            achievement = await achievements.get(connection, stored.institution_id, stored.achievement_id)
            assert achievement is not None, "a claim refers to it"
            by = stored.api_key_id
            item = await self._prepare.prepare(tenant, award, achievement, now=self._log_state.now(), api_key_id=by)
            said = await self._issue.issue_now(connection, tenant, item)
            await claims.use(connection, claim_id, said.stream, taker_hash)
            return said

        try:
            answer = await self._idempotency.append_once(None, work)
        except _TakenError as taken:
            return taken.credential_id
        except AlreadyAwardedProblem as before:
            await self._used(tenant, claim_id, before.credential_id, taker_hash)
            return before.credential_id
        except AwardedBeforeProblem as before:  # whoever has the link can say nothing of `on_repeat`
            raise AwardedBeforeProblem(
                "The institution has awarded it to you before, with other dates, result or names, so nothing was "
                "issued. The link is not used up: ask the institution which of the two holds"
            ) from before
        status_of(answer)
        assert answer.credential_id is not None, "an issue is about a credential"
        return answer.credential_id


def _hash_of(taker: str | None) -> bytes | None:
    return token_hash(taker) if taker else None


def _is_takers(stored: claims.StoredClaim, taker_hash: bytes | None) -> bool:
    """Tell whether a link was used with this token, and not so long ago that it counts no more."""
    if taker_hash is None or stored.taker_hash is None or not stored.is_fetchable or stored.is_erased:
        return False
    return hmac.compare_digest(stored.taker_hash, taker_hash)


def check_usable(stored: claims.StoredClaim) -> None:
    """Raise `ClaimUsedProblem`, `ClaimExpiredProblem` or `ErasedProblem` where a link does not work."""
    if stored.used_at is not None:
        at = from_datetime(stored.used_at)
        raise ClaimUsedProblem(
            f"It was used at {at} and works once; only the browser that used it can fetch again, for a day. Was it not "
            "you? Tell the institution, for a new one"
        )
    if stored.cancelled_at is not None:
        raise ClaimExpiredProblem("The institution has cancelled it; ask the institution for a new one")
    if stored.is_over:
        raise ClaimExpiredProblem(f"It ended at {from_datetime(stored.expires_at)}; ask the institution for a new one")
    if stored.is_erased:
        raise ErasedProblem("The learner was erased, and with it what this link led to")


class _TakenError(Exception):
    """Inside a transaction: the same browser was faster, and this is what it got."""

    def __init__(self, credential_id: CredentialId) -> None:
        self.credential_id = credential_id
