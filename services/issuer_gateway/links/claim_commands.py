"""Claims: a one-time link leads its learner to a credential, which is issued when the link is used, or was before.

Here institutions make, list and cancel links; `claim_use` is what happens when one is used.
"""

import base64
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from proto.documents.credential import Award
from proto.ids import ApiKeyId, BatchId, ClaimId, CredentialId
from proto.moment import from_datetime
from proto.one_of_many import OneOfMany
from proto.problem import ConflictProblem, MalformedProblem, NotFoundProblem, Problem
from proto.wire.requests import Claim, ClaimLine, ClaimMade, ClaimRequest, ClaimState
from services.edge import ForbiddenProblem, Log, token_hash
from services.issuer_gateway.config import LIMITS
from services.issuer_gateway.credentials.change_credential import UnknownCredentialProblem
from services.issuer_gateway.credentials.credential_reader import CredentialReader
from services.issuer_gateway.credentials.decide_awards import DecideAwards
from services.issuer_gateway.credentials.document_store import learners_for
from services.issuer_gateway.credentials.prepare_award import PrepareAward, achievement_of
from services.issuer_gateway.credentials.prepare_rows import ReadRow
from services.issuer_gateway.credentials.row_faults import problem_of_row
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.institutions import institution_commands
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.requests.learner_requests import open_key
from services.issuer_gateway.store import claims, credentials
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection, Pool

READ_SCOPE = "credentials:read"
CLAIM_PREFIX = "cfc_"
"""What every claim's secret begins with, so that scanners find lost ones."""
_ENCODE = msgspec.json.Encoder().encode


class UnknownClaimProblem(NotFoundProblem):
    """No claim has this id, or this link."""

    slug = "unknown-claim"
    title = "No such claim"


class ClaimUsedProblem(Problem):
    """The link was used before; it works once."""

    slug = "claim-used"
    title = "This link was used already"
    status = 410


class ClaimExpiredProblem(Problem):
    """The link's time is over, or the institution has cancelled it."""

    slug = "claim-expired"
    title = "This link works no more"
    status = 410


class CannotBindProblem(ConflictProblem):
    """The credential was issued before, so its subject cannot change any more."""

    slug = "cannot-bind"
    title = "An issued credential cannot be bound to a DID"


class MayNotReadProblem(ForbiddenProblem):
    """The link would open a document that the API key neither may read nor has issued itself."""

    slug = "may-not-read"
    title = "The API key may not open this document"


class MayNotCancelProblem(ForbiddenProblem):
    """The link was made with another API key, and this one reaches no further than what it made itself."""

    slug = "may-not-cancel"
    title = "The API key did not make this link"


class Maker(msgspec.Struct, frozen=True, kw_only=True):
    """The API key that makes a link: whoever has the link reads the document, so it reaches no further than the key."""

    api_key_id: ApiKeyId
    may_read: bool

    def check_reads_all(self) -> None:
        """Raise `MayNotReadProblem` unless the key may read every document."""
        if not self.may_read:
            raise MayNotReadProblem(
                "A link to all that a learner holds needs a key that has the scope `credentials:read` as well",
                scope=READ_SCOPE,
            )

    def check(self, issued_by: str | None) -> None:
        """Raise `MayNotReadProblem` unless the key may read every document, or has issued this one itself."""
        if not self.may_read and issued_by != self.api_key_id:
            raise MayNotReadProblem(
                "A link opens the document. This API key may only issue, and did not issue this itself: make the link "
                "with a key that has the scope `credentials:read` as well",
                scope=READ_SCOPE,
            )


class ClaimLinks:
    """Links that institutions make. `public_url` is where learners find them."""

    def __init__(
        self,
        pool: Pool,
        unit_of_work: UnitOfWork,
        idempotency: Idempotency,
        *,
        prepare: PrepareAward,
        decide: DecideAwards,
        reader: CredentialReader,
        learner_keys: LearnerKeys,
        keystore: Keystore,
        log_state: FollowedLogState,
        log: Log,
        public_url: str,
    ) -> None:
        self._pool = pool
        self._unit_of_work = unit_of_work
        self._idempotency = idempotency
        self._prepare = prepare
        self._decide = decide
        self._reader = reader
        self._learner_keys = learner_keys
        self._keystore = keystore
        self._log_state = log_state
        self._log = log
        self._public_url = public_url

    def link_of(self, secret: str) -> str:
        """Return the address of a claim's page."""
        return f"{self._public_url.rstrip('/')}/claims/{secret}"

    async def make(self, tenant: Tenant, body: ClaimRequest, keyed: KeyedRequest | None, *, maker: Maker) -> ClaimMade:
        """Make a link to an award, or to a credential of the institution.

        An award is checked as far as it can be now; what is still refused when the link is used leaves the link as it
        is. What a repeated request may open is judged anew before it gets the first answer. Raises `MayNotReadProblem`,
        `UnknownAchievementProblem`, `UnknownCredentialProblem`, `ErasedProblem`, and what issuing raises.
        """
        if body.opens_all:
            maker.check_reads_all()
        if body.credential_id:
            await self._openable(self._pool, tenant, CredentialId(body.credential_id), maker)
        if body.award:
            achievement = await achievement_of(self._pool, tenant, body.award.achievement)
            item = await self._prepare.prepare(tenant, body.award, achievement, now=self._log_state.now(), is_dry=True)

        secret = self._secret_of(keyed)

        async def work(connection: Connection) -> ClaimMade:
            if body.award:
                await self._decide.check_not_awarded(connection, tenant, item)
                new = await self._to_award(connection, tenant, body.award, secret=secret, maker=maker)
            else:
                assert body.credential_id, "the body states one of the two"
                credential_id = CredentialId(body.credential_id)
                new = await self._to_credential(connection, tenant, credential_id, secret=secret, maker=maker)
            new = msgspec.structs.replace(new, opens_all=body.opens_all)
            expires_at = await claims.add(connection, [new], hours=body.hours_valid)
            return ClaimMade(
                claim_id=new.claim_id, link="", expires_at=from_datetime(expires_at), credential_id=new.credential_id
            )

        made = await self._idempotency.run_once(keyed, ClaimMade, work)
        return msgspec.structs.replace(made, link=self.link_of(secret))

    def _secret_of(self, keyed: KeyedRequest | None) -> str:
        """Return the secret of a new link: random, or made of the request's key, so that a repeated one is answered.

        No secret is kept for that: the answer that is kept has no link, and without the master key nobody makes it
        again.
        """
        if keyed is None:
            return institution_commands.new_token(CLAIM_PREFIX)
        made = self._keystore.fingerprint(
            b"claim", keyed.institution_id.encode(), keyed.key_fingerprint, keyed.request_fingerprint
        )
        return CLAIM_PREFIX + base64.urlsafe_b64encode(made).rstrip(b"=").decode()

    async def _to_award(
        self, connection: Connection, tenant: Tenant, award: Award, *, secret: str, maker: Maker
    ) -> claims.NewClaim:
        achievement = await achievement_of(connection, tenant, award.achievement)
        learner = (await learners_for(connection, tenant, [award.learner.ref]))[award.learner.ref]
        key = open_key((await self._learner_keys.made([learner.learner_id]))[learner.learner_id])
        claim_id = ClaimId(str(uuid.uuid4()))
        return claims.NewClaim(
            claim_id=claim_id,
            institution_id=tenant.institution_id,
            learner_id=learner.learner_id,
            achievement_id=achievement.achievement_id,
            token_hash=token_hash(secret),
            sealed_award=key.seal(_ENCODE(award), "claim-award", claim_id),
            api_key_id=maker.api_key_id,
        )

    async def _openable(
        self, connection: Connection | Pool, tenant: Tenant, credential_id: CredentialId, maker: Maker
    ) -> credentials.StoredCredential:
        """Return a credential that `maker` may hand to its learner, whose document can be read."""
        stored = await credentials.get(connection, tenant.institution_id, credential_id)
        if stored is None:
            raise UnknownCredentialProblem(f"{tenant.slug} has no credential {credential_id}", pointer="/credential_id")
        maker.check(stored.api_key_id)
        await self._reader.key_of(stored)
        return stored

    async def _to_credential(
        self,
        connection: Connection,
        tenant: Tenant,
        credential_id: CredentialId,
        *,
        secret: str,
        maker: Maker,
    ) -> claims.NewClaim:
        stored = await self._openable(connection, tenant, credential_id, maker)
        return claims.NewClaim(
            claim_id=ClaimId(str(uuid.uuid4())),
            institution_id=tenant.institution_id,
            learner_id=stored.learner_id,
            achievement_id=stored.achievement_id,
            token_hash=token_hash(secret),
            credential_id=credential_id,
            api_key_id=maker.api_key_id,
        )

    async def make_for_rows(
        self, tenant: Tenant, rows: Sequence[ReadRow], *, key: str, hours: int, maker: Maker
    ) -> AsyncIterator[ClaimLine]:
        """Make a link to each award of a list; the same list under the same key gives the same links."""
        for row in rows:
            if row.award is None:
                problem = row.problem or MalformedProblem("The row cannot be read")
                yield ClaimLine(line=row.line, problem=problem.document())
                continue
            body = ClaimRequest(award=row.award, hours_valid=hours)
            asked = (maker.api_key_id.encode(), b"claim", _ENCODE(body))
            keyed = self._idempotency.keyed(tenant.institution_id, f"{key}\n{row.line}", *asked)
            with OneOfMany() as this:
                line = ClaimLine(line=row.line, claim=await self.make(tenant, body, keyed, maker=maker))
            if this.broken is not None:
                line = ClaimLine(line=row.line, problem=problem_of_row(self._log, row.line, this.broken).document())
            yield line

    async def make_for_batch(
        self, tenant: Tenant, batch_id: BatchId, *, hours: int, maker: Maker
    ) -> AsyncIterator[ClaimMade]:
        """Make a link to each credential that a batch has issued so far; links that were made before and not used go.

        A page of lines in each transaction: who asks again after a failure gets links for all, and only the last ones
        work.
        """
        after = 0
        while issued := await claims.issued_by(self._pool, batch_id, after=after, limit=LIMITS.result_rows_per_read):
            secrets = [institution_commands.new_token(CLAIM_PREFIX) for _ in issued]
            new = [
                claims.NewClaim(
                    claim_id=ClaimId(str(uuid.uuid4())),
                    institution_id=tenant.institution_id,
                    learner_id=item.learner_id,
                    achievement_id=item.achievement_id,
                    token_hash=token_hash(secret),
                    credential_id=item.credential_id,
                    batch_id=batch_id,
                    api_key_id=maker.api_key_id,
                )
                for item, secret in zip(issued, secrets, strict=True)
            ]

            async def work(connection: Connection, new: list[claims.NewClaim] = new) -> Any:
                await claims.cancel_for(connection, [item.credential_id for item in new if item.credential_id])
                return await claims.add(connection, new, hours=hours)

            expires_at = from_datetime(await self._unit_of_work.in_transaction(work))
            for item, secret, made in zip(issued, secrets, new, strict=True):
                yield ClaimMade(
                    claim_id=made.claim_id,
                    link=self.link_of(secret),
                    expires_at=expires_at,
                    credential_id=item.credential_id,
                    line=item.line,
                )
            after = issued[-1].line

    async def get(self, tenant: Tenant, claim_id: ClaimId) -> Claim:
        """Return how a link of the institution stands; raises `UnknownClaimProblem`."""
        stored = await claims.get(self._pool, tenant.institution_id, claim_id)
        if stored is None:
            raise UnknownClaimProblem(f"{tenant.slug} has no claim {claim_id}")
        return Claim(
            claim_id=stored.claim_id,
            state=state_of(stored),
            created_at=from_datetime(stored.created_at),
            expires_at=from_datetime(stored.expires_at),
            used_at=from_datetime(stored.used_at) if stored.used_at else None,
            credential_id=stored.credential_id,
        )

    async def cancel(self, tenant: Tenant, claim_id: ClaimId, *, maker: Maker) -> Claim:
        """Cancel a link that was not used.

        Raises `UnknownClaimProblem`, `ClaimUsedProblem`, and `MayNotCancelProblem` for another API key's link.
        """
        stored = await claims.get(self._pool, tenant.institution_id, claim_id)
        if stored is not None and not maker.may_read and stored.api_key_id != maker.api_key_id:
            raise MayNotCancelProblem(
                "Another API key made this link. Cancel it with that key, or with one that has the scope "
                "`credentials:read` as well",
                scope=READ_SCOPE,
            )
        if not await claims.cancel(self._pool, tenant.institution_id, claim_id):
            found = await self.get(tenant, claim_id)
            raise ClaimUsedProblem(f"It was used at {found.used_at}; revoke the credential if it should not hold")
        return await self.get(tenant, claim_id)


def state_of(stored: claims.StoredClaim) -> ClaimState:
    """Return how a link stands."""
    if stored.used_at is not None:
        return "used"
    if stored.cancelled_at is not None:
        return "cancelled"
    return "expired" if stored.is_over else "open"
