"""What a secret link shows: the credentials that it leads to, as far as its terms go. Changes nothing but a count."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from proto.ids import CredentialId
from proto.moment import from_datetime
from proto.wire.holder_links import ShownCredential, ShownCredentials
from services.issuer_gateway.credentials.change_credential import UnknownCredentialProblem
from services.issuer_gateway.credentials.credential_papers import CredentialPapers, OpenedCredential, ReadCredential
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.links.chosen_parts import ShareTerms, chosen
from services.issuer_gateway.links.link_commands import HolderLinks
from services.issuer_gateway.store import credentials, holder_links, tenants
from services.issuer_gateway.store.holder_links import StoredHolderLink
from services.persistence.postgres import Pool

CREDENTIALS_MAX = 200
_COUNTED = {"active"}


class FoundLink(msgspec.Struct, frozen=True, kw_only=True):
    """A link that works, whose it is, and what it shows."""

    stored: StoredHolderLink
    tenant: Tenant
    terms: ShareTerms

    @property
    def is_share(self) -> bool:
        """Whether it was made to show something to others."""
        return self.stored.shared_from is not None


class ShownByLinks:
    """Opens what links lead to."""

    def __init__(self, pool: Pool, links: HolderLinks, papers: CredentialPapers) -> None:
        self._pool = pool
        self._links = links
        self._papers = papers

    async def link(self, secret: str, *, is_view: bool = False) -> FoundLink:
        """Return the link that has this secret; `is_view` counts that somebody looks. Raises as `by_secret` does."""
        stored = await self._links.by_secret(secret)
        found = FoundLink(
            stored=stored,
            tenant=await tenants.by_id(self._pool, stored.institution_id),
            terms=await self._links.terms_of(stored),
        )
        if is_view and found.is_share:
            await holder_links.count_view(self._pool, stored.link_id)
        return found

    async def ids(self, link: FoundLink) -> Sequence[CredentialId]:
        """Return the credentials that a link leads to, the newest first."""
        stored = link.stored
        if stored.credential_id is not None:
            return (stored.credential_id,)
        return await credentials.ids_of_learner(
            self._pool, stored.institution_id, stored.learner_id, limit=CREDENTIALS_MAX
        )

    async def opened(self, link: FoundLink, credential_id: CredentialId | None = None) -> OpenedCredential:
        """Return a credential that a link leads to, the parts that it shows alone.

        Raises `UnknownCredentialProblem` for one that it does not lead to.
        """
        wanted = credential_id or link.stored.credential_id
        if wanted is None or wanted not in await self.ids(link):
            raise UnknownCredentialProblem("This link leads to no such credential")
        return _opened_within(link, await self._papers.opened(link.tenant, wanted))

    async def all_opened(self, link: FoundLink) -> Sequence[OpenedCredential]:
        """Return all credentials that a link leads to."""
        opened = await self._papers.all_opened(link.tenant, await self.ids(link))
        return [_opened_within(link, each) for each in opened]

    async def all_read(self, link: FoundLink) -> Sequence[ReadCredential]:
        """Return what all credentials say that a link leads to."""
        read = await self._papers.all_read(link.tenant, await self.ids(link))
        return [_within(link, each) for each in read]

    async def described(self, link: FoundLink) -> ShownCredentials:
        """Return what a link shows, for machines."""
        read = await self.all_read(link)
        return ShownCredentials(
            expires_at=from_datetime(link.stored.expires_at),
            ects_hundredths=sum_of_credits(read),
            credentials=tuple(map(_shown, read)),
        )


def _within(link: FoundLink, read: ReadCredential) -> ReadCredential:
    if link.terms.is_whole:
        return read
    content, facts = chosen(read.content, link.terms.parts), replace(read.facts, is_whole=False)
    return ReadCredential(content=content, facts=facts)


def _opened_within(link: FoundLink, opened: OpenedCredential) -> OpenedCredential:
    if link.terms.is_whole:
        return opened
    shown = _within(link, opened)
    return replace(opened, document={}, content=shown.content, facts=shown.facts)


def sum_of_credits(read: Sequence[ReadCredential]) -> int:
    """Return the credits, in hundredths, of those that are active.

    What is a part of a stack among them is counted in the stack and not again.
    """
    inside = {part.credential_id for each in read for part in each.content.components if _counts(each)}
    return sum(
        each.content.ects_hundredths or 0 for each in read if _counts(each) and each.facts.credential_id not in inside
    )


def _counts(read: ReadCredential) -> bool:
    return read.facts.shown_state.state in _COUNTED


def _shown(read: ReadCredential) -> ShownCredential:
    facts = read.facts
    return ShownCredential(
        credential_id=facts.credential_id,
        issuer=facts.did,
        issuer_name=facts.legal_name,
        state=facts.shown_state.state,
        asked_at=facts.shown_state.at,
        is_whole=facts.is_whole,
        content=read.content,
        check_url=facts.check_url,
    )
