"""Secret links of learners: made by staff, by a claim or a request, or by the learner to share; ended by any of them.

A link's secret is made of its id under the master key and is not kept: who may see it is shown it again, and without
the master key nobody makes it. Every link has an end, and goes with its learner's erasure.
"""

import base64
import uuid
from collections.abc import Sequence

import msgspec

from proto.ids import CredentialId, HolderLinkId, LearnerId
from proto.moment import from_datetime
from proto.problem import ConflictProblem, NotFoundProblem, Problem
from proto.wire.holder_links import SHARE_DAYS_MAX, HolderLink, LinkState
from services.edge import token_hash
from services.issuer_gateway.credentials.change_credential import UnknownCredentialProblem
from services.issuer_gateway.credentials.credential_reader import ErasedProblem
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import DataKey, Keystore
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.links.chosen_parts import ShareTerms
from services.issuer_gateway.store import credentials, holder_links, learners
from services.issuer_gateway.store.holder_links import StoredHolderLink
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection, Pool
from services.persistence.postgres_errors import TAKEN_ERRORS

HOLDER_PREFIX, SHARE_PREFIX = "cfh_", "cfs_"
WORKING_LINKS_MAX = 200
LISTED_MAX = 200
_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(ShareTerms).decode


class UnknownHolderLinkProblem(NotFoundProblem):
    """No link has this id, or this secret."""

    slug = "unknown-holder-link"
    title = "No such link"


class HolderLinkEndedProblem(Problem):
    """The link's time is over, or somebody has ended it."""

    slug = "holder-link-ended"
    title = "This link works no more"
    status = 410


class TooManyLinksProblem(ConflictProblem):
    """So many links of one learner work already."""

    slug = "too-many-holder-links"
    title = "Too many links work already"


class NoLearnerProblem(NotFoundProblem):
    """The institution has no learner of that name to whom it issued anything."""

    slug = "unknown-learner-here"
    title = "No such learner"
    status = 422


class HolderLinks:
    """Links of learners. `public_url` is where they lead, `days` for how long they work where nobody says."""

    def __init__(
        self,
        pool: Pool,
        unit_of_work: UnitOfWork,
        idempotency: Idempotency,
        *,
        keystore: Keystore,
        learner_keys: LearnerKeys,
        public_url: str,
        days: int,
    ) -> None:
        self._pool = pool
        self._unit_of_work = unit_of_work
        self._idempotency = idempotency
        self._keystore = keystore
        self._learner_keys = learner_keys
        self._public_url = public_url.rstrip("/")
        self._days = days

    def address_of(self, secret: str) -> str:
        """Return the address of a link's page."""
        return f"{self._public_url}/credentials/{secret}"

    def secret_of(self, link_id: HolderLinkId, *, is_share: bool) -> str:
        """Return the secret of a link, made of its id under the master key."""
        made = self._keystore.fingerprint(b"holder-link", link_id.encode())
        prefix = SHARE_PREFIX if is_share else HOLDER_PREFIX
        return prefix + base64.urlsafe_b64encode(made).rstrip(b"=").decode()

    async def by_secret(self, secret: str) -> StoredHolderLink:
        """Return the link that has this secret and works.

        Raises `UnknownHolderLinkProblem`, `HolderLinkEndedProblem` and `ErasedProblem`.
        """
        stored = await holder_links.by_token(self._pool, token_hash(secret))
        if stored is None:
            raise UnknownHolderLinkProblem(
                "This link leads to nothing: it must be copied whole. What it showed may have been erased"
            )
        audited_call.speaks(
            stored.institution_id, "link", "share" if stored.shared_from else "holder", link_id=stored.link_id
        )
        if stored.is_erased:
            raise ErasedProblem("What this link led to was erased")
        if stored.ended_at is not None:
            raise HolderLinkEndedProblem("It was ended. Ask who gave it to you for a new one")
        if stored.is_over:
            raise HolderLinkEndedProblem(
                f"It ended on {from_datetime(stored.expires_at)[:10]}. Ask who gave it to you for a new one"
            )
        return stored

    async def make(
        self,
        tenant: Tenant,
        *,
        learner: str | None = None,
        credential_id: CredentialId | None = None,
        days: int | None = None,
        keyed: KeyedRequest | None = None,
    ) -> HolderLink:
        """Make a link to all that a learner of the institution holds, or to one credential; it is shown this once.

        The answer that is kept for a repeated request has no link: that is made of the link's id again. Raises
        `NoLearnerProblem`, `UnknownCredentialProblem`, `ErasedProblem`, `TooManyLinksProblem`.
        """

        async def work(connection: Connection) -> HolderLink:
            if credential_id is not None:
                learner_id = await self._learner_of(connection, tenant, credential_id)
            else:
                assert learner is not None, "one of the two is stated"
                learner_id = await self._named(connection, tenant, learner)
            return self.described(
                await self._added(connection, tenant, learner_id, credential_id, days=days or self._days)
            )

        made = await self._idempotency.run_once(keyed, HolderLink, work)
        return msgspec.structs.replace(made, link=self.address_of(self.secret_of(made.link_id, is_share=False)))

    async def for_source(
        self, tenant: Tenant, source: str, credential_id: CredentialId, *, opens_all: bool = False
    ) -> str:
        """Return the secret of the link that a claim or request led to; the same one as long as that works."""

        async def work(connection: Connection) -> StoredHolderLink:
            living = await holder_links.living_of_source(connection, source)
            if living is not None:
                return living
            learner_id = await self._learner_of(connection, tenant, credential_id)
            led_to = None if opens_all else credential_id
            return await self._added(connection, tenant, learner_id, led_to, days=self._days, source=source)

        stored = await self._unit_of_work.in_transaction(work)
        return self.secret_of(stored.link_id, is_share=False)

    async def share(
        self,
        owner: StoredHolderLink,
        tenant: Tenant,
        credential_id: CredentialId,
        terms: ShareTerms,
        *,
        days: int,
        link_id: HolderLinkId | None = None,
    ) -> StoredHolderLink:
        """Make a share of one credential; it works no longer than the link that it is made with.

        With a `link_id` that a share has already, that one is returned: it was sent twice. Raises
        `TooManyLinksProblem` and `ErasedProblem`.
        """
        named = link_id or HolderLinkId(str(uuid.uuid4()))
        try:
            return await self._made_before(tenant, named) or await self._share(
                owner, tenant, credential_id, terms, days=days, link_id=named
            )
        except TAKEN_ERRORS:
            made = await self._made_before(tenant, named)
            if made is None:
                raise
            return made

    async def _made_before(self, tenant: Tenant, link_id: HolderLinkId) -> StoredHolderLink | None:
        return await holder_links.get(self._pool, tenant.institution_id, link_id)

    async def _share(
        self,
        owner: StoredHolderLink,
        tenant: Tenant,
        credential_id: CredentialId,
        terms: ShareTerms,
        *,
        days: int,
        link_id: HolderLinkId,
    ) -> StoredHolderLink:
        key = await self._key_of(owner)
        sealed = key.seal(_ENCODE(terms), "share-terms", link_id)

        async def work(connection: Connection) -> StoredHolderLink:
            return await self._added(
                connection,
                tenant,
                owner.learner_id,
                credential_id,
                days=min(days, SHARE_DAYS_MAX),
                shared_from=owner,
                link_id=link_id,
                sealed_terms=sealed,
            )

        return await self._unit_of_work.in_transaction(work)

    async def _added(
        self,
        connection: Connection,
        tenant: Tenant,
        learner_id: LearnerId,
        credential_id: CredentialId | None,
        *,
        days: int,
        source: str | None = None,
        shared_from: StoredHolderLink | None = None,
        link_id: HolderLinkId | None = None,
        sealed_terms: bytes | None = None,
    ) -> StoredHolderLink:
        if await holder_links.count_working(connection, learner_id) >= WORKING_LINKS_MAX:
            raise TooManyLinksProblem(f"{WORKING_LINKS_MAX} links of this learner work already: end some of them first")
        link_id = link_id or HolderLinkId(str(uuid.uuid4()))
        new = holder_links.NewHolderLink(
            link_id=link_id,
            institution_id=tenant.institution_id,
            learner_id=learner_id,
            credential_id=credential_id,
            shared_from=shared_from.link_id if shared_from else None,
            sealed_terms=sealed_terms,
            source=source,
            token_hash=token_hash(self.secret_of(link_id, is_share=shared_from is not None)),
        )
        await holder_links.add(connection, new, days=days, until=shared_from.expires_at if shared_from else None)
        found = await holder_links.get(connection, tenant.institution_id, link_id)
        assert found is not None, "it was just added"
        return found

    async def _learner_of(self, connection: Connection, tenant: Tenant, credential_id: CredentialId) -> LearnerId:
        stored = await credentials.get(connection, tenant.institution_id, credential_id)
        if stored is None:
            raise UnknownCredentialProblem(f"{tenant.slug} has no credential {credential_id}", pointer="/credential_id")
        if stored.is_erased:
            raise ErasedProblem("The learner was erased, and with it the document")
        return stored.learner_id

    async def _named(self, connection: Connection, tenant: Tenant, ref: str) -> LearnerId:
        found = await learners.learner_id(connection, tenant.institution_id, ref)
        if found is None:
            raise NoLearnerProblem(
                "The institution has no learner of that name: nothing was issued to it here, or it was erased",
                pointer="/learner",
            )
        return found

    async def _key_of(self, stored: StoredHolderLink) -> DataKey:
        key = (await self._learner_keys.known([stored.learner_id]))[stored.learner_id]
        if key is None:
            raise ErasedProblem("What this link led to was erased")
        return key

    async def terms_of(self, stored: StoredHolderLink) -> ShareTerms:
        """Return what a share shows and for whom it is meant; of a learner's own link, everything."""
        if stored.sealed_terms is None:
            return ShareTerms(parts=("document",))
        key = await self._key_of(stored)
        return _DECODE(key.open(stored.sealed_terms, "share-terms", stored.link_id))

    async def shares_of(self, owner: StoredHolderLink) -> list[tuple[StoredHolderLink, ShareTerms]]:
        """Return what was shared from a link and works, the newest first, with its terms."""
        found = await holder_links.shares_of(self._pool, owner.link_id, limit=LISTED_MAX)
        return [(stored, await self.terms_of(stored)) for stored in found]

    async def of_learner(self, tenant: Tenant, ref: str) -> Sequence[HolderLink]:
        """Return the links of a learner as staff see them; raises `NoLearnerProblem`."""
        learner_id = await learners.learner_id(self._pool, tenant.institution_id, ref)
        if learner_id is None:
            raise NoLearnerProblem("The institution has no learner of that name", pointer="/learner")
        found = await holder_links.of_learner(self._pool, learner_id, limit=LISTED_MAX)
        return [self.described(stored) for stored in found]

    async def end(self, tenant: Tenant, link_id: HolderLinkId) -> HolderLink:
        """End a link of the institution's learners, and what was shared from it; raises `UnknownHolderLinkProblem`."""
        await self._end(tenant, link_id)
        found = await holder_links.get(self._pool, tenant.institution_id, link_id)
        assert found is not None, "an ended link stays"
        return self.described(found)

    async def _end(self, tenant: Tenant, link_id: HolderLinkId) -> None:
        if await holder_links.get(self._pool, tenant.institution_id, link_id) is None:
            raise UnknownHolderLinkProblem(f"{tenant.slug} has no link {link_id}")
        await holder_links.end(self._pool, [link_id])

    async def end_own(self, owner: StoredHolderLink) -> None:
        """End a learner's own link, and what was shared from it."""
        await holder_links.end(self._pool, [owner.link_id])

    async def end_share(self, owner: StoredHolderLink, link_id: HolderLinkId) -> None:
        """End a share that was made with this link; raises `UnknownHolderLinkProblem` for any other."""
        found = await holder_links.get(self._pool, owner.institution_id, link_id)
        if found is None or found.shared_from != owner.link_id:
            raise UnknownHolderLinkProblem("This link has shared nothing of that id")
        await holder_links.end(self._pool, [link_id])

    def described(self, stored: StoredHolderLink) -> HolderLink:
        """Return a link as staff see it."""
        return HolderLink(
            link_id=stored.link_id,
            state=state_of(stored),
            created_at=from_datetime(stored.created_at),
            expires_at=from_datetime(stored.expires_at),
            view_count=stored.view_count,
            is_share=stored.shared_from is not None,
            credential_id=stored.credential_id,
        )


def state_of(stored: StoredHolderLink) -> LinkState:
    """Return how a link stands."""
    if stored.ended_at is not None:
        return "ended"
    return "expired" if stored.is_over else "open"
