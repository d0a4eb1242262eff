"""Papers of credentials that are here: the document opened, its standing asked, laid out. Keeps no copy of any."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import msgspec

from proto.documents.content import content_of
from proto.ids import CredentialId, InstitutionId
from proto.problem import Problem
from proto.wire.content import Content, Texts
from services.issuer_gateway.achievements.named_achievements import AchievementNames
from services.issuer_gateway.credentials.credential_reader import TURN_DOCUMENTS, CredentialReader, ProofChoice
from services.issuer_gateway.credentials.standings import Standings
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.languages import DEFAULT, LANGUAGES, LearnerLanguage, primary
from services.issuer_gateway.papers.papers import Papers, PictureForm
from services.issuer_gateway.papers.standing import ShownState
from services.issuer_gateway.papers.supplement import Facts, paper, picture
from services.issuer_gateway.store import logos
from services.persistence.postgres import Pool

_PROOF: ProofChoice = "eddsa-rdfc-2022"


class ReadCredential(msgspec.Struct, frozen=True, kw_only=True):
    """What a credential says, and the facts beside it: enough for a page, and for no file."""

    content: Content
    facts: Facts


class OpenedCredential(ReadCredential, frozen=True, kw_only=True):
    """A credential ready to be handed out: its signed document as well."""

    document: dict[str, Any]
    institution_id: InstitutionId

    @property
    def encoded(self) -> bytes:
        """The document as a file."""
        return document_file(self.document)


def document_file(document: dict[str, Any]) -> bytes:
    """Return a document as the file that its learner keeps."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


BUNDLE_BYTES_MAX = 1_048_576
"""A larger bundle is left out of a paper: it is fetched by itself."""
_BUNDLE_SECONDS_MAX = 3.0
FetchBundle = Callable[[CredentialId], Awaitable[bytes]]


class CredentialPapers:
    """Opens credentials and makes their papers. `verifier_url` is where they are checked, None where nobody said.

    `bundle` fetches what shows offline that a credential is authentic; a paper is made without where it is not there.
    """

    def __init__(
        self,
        pool: Pool,
        reader: CredentialReader,
        standings: Standings,
        papers: Papers,
        *,
        names: AchievementNames,
        bundle: FetchBundle,
        verifier_url: str | None,
    ) -> None:
        self._pool = pool
        self._reader = reader
        self._standings = standings
        self._papers = papers
        self._names = names
        self._bundle = bundle
        self._verifier_url = verifier_url

    async def opened(self, tenant: Tenant, credential_id: CredentialId) -> OpenedCredential:
        """Return a credential of the institution; raises `UnknownCredentialProblem` and `ErasedProblem`."""
        return (await self.all_opened(tenant, [credential_id]))[0]

    async def all_opened(self, tenant: Tenant, credential_ids: Sequence[CredentialId]) -> list[OpenedCredential]:
        """Return credentials of the institution, in order; the database is asked as often as for one."""
        documents, read = await self._read(tenant, credential_ids, proof=_PROOF)
        return [
            OpenedCredential(
                document=documents[each.facts.credential_id],
                content=each.content,
                facts=each.facts,
                institution_id=tenant.institution_id,
            )
            for each in read
        ]

    async def all_read(self, tenant: Tenant, credential_ids: Sequence[CredentialId]) -> list[ReadCredential]:
        """Return what credentials of the institution say, in order; no proof is read for it, or made."""
        return (await self._read(tenant, credential_ids, proof="none"))[1]

    async def _read(
        self, tenant: Tenant, credential_ids: Sequence[CredentialId], *, proof: ProofChoice
    ) -> tuple[dict[CredentialId, dict[str, Any]], list[ReadCredential]]:
        documents, standings = await asyncio.gather(
            self._reader.documents(tenant, credential_ids, proof=proof), self._standings.of(credential_ids)
        )
        contents = {}
        for number, (name, document) in enumerate(documents.items(), 1):
            if number % TURN_DOCUMENTS == 0:
                await asyncio.sleep(0)
            contents[name] = content_of(document)
        titles = await self._part_titles(contents.values())
        read = [
            ReadCredential(
                content=contents[name],
                facts=Facts(
                    credential_id=name,
                    legal_name=tenant.legal_name,
                    country=tenant.country,
                    did=tenant.did,
                    shown_state=standings[name],
                    check_url=self.check_url(name),
                    part_titles=titles,
                ),
            )
            for name in credential_ids
        ]
        return documents, read

    async def _part_titles(self, contents: Iterable[Content]) -> dict[str, Texts]:
        """Return how the parts of stacks are called, where somebody's catalogue says so; documents name addresses."""
        uris = {part.achievement for each in contents for part in each.components if part.achievement}
        named = await self._names.of(uris) if uris else {}
        return {uri: each.title for uri, each in named.items() if each.title}

    async def state_of(self, credential_id: CredentialId) -> ShownState:
        """Return how a credential stands now."""
        return (await self._standings.of([credential_id]))[credential_id]

    def check_url(self, credential_id: CredentialId) -> str | None:
        """Return the verifier's page of a credential."""
        return f"{self._verifier_url.rstrip('/')}/c/{credential_id}" if self._verifier_url else None

    async def picture(
        self, opened: OpenedCredential, form: PictureForm, language: LearnerLanguage | None = None
    ) -> bytes:
        """Return the picture of a credential with the document inside; raises `PaperProblem` and `BusyProblem`."""
        language = language or _own_language(opened)
        said = picture(opened.content, opened.facts, language)
        return await self._papers.picture(
            said, form, document=opened.encoded, address=opened.facts.check_url, logo=await self._logo(opened)
        )

    async def supplement(self, opened: OpenedCredential, language: LearnerLanguage | None = None) -> bytes:
        """Return the supplement as PDF, document and bundle attached; in the document's language where none is named.

        Raises `PaperProblem` and `BusyProblem`.
        """
        language = language or _own_language(opened)
        document = opened.encoded if opened.facts.is_whole else None
        bundle = await self._bundle_of(opened.facts.credential_id) if document is not None else None
        said = paper(opened.content, opened.facts, language)
        return await self._papers.pdf(
            said,
            document=document,
            bundle=bundle,
            address=opened.facts.check_url,
            logo=await self._logo(opened),
        )

    async def _bundle_of(self, credential_id: CredentialId) -> bytes | None:
        """Return the credential's bundle; None where the log does not have it yet, or does not answer."""
        try:
            async with asyncio.timeout(_BUNDLE_SECONDS_MAX):
                found = await self._bundle(credential_id)
        except (Problem, TimeoutError):
            return None
        return found if len(found) <= BUNDLE_BYTES_MAX else None

    async def _logo(self, opened: OpenedCredential) -> bytes | None:
        return await logos.get(self._pool, opened.institution_id)


def _own_language(opened: OpenedCredential) -> LearnerLanguage:
    return LANGUAGES.get(primary(opened.content.language), LANGUAGES[DEFAULT])
