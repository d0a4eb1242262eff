"""All that is kept of a learner in one ZIP (GDPR Art. 15 and 20): what others can check, and what is said here.

Documents, their supplements, what proves them offline, and a record of the rest. Held in memory alone; nothing is kept.
"""

import asyncio
from functools import partial
from typing import Any

from proto.log.policy import parse_policy
from proto.moment import Moment, from_datetime
from proto.problem import Problem
from services.clients.log_client import LogClient
from services.edge import ForbiddenProblem
from services.issuer_gateway.applications.export_applications import ExportApplications, encoded, zipped
from services.issuer_gateway.credentials.credential_papers import CredentialPapers, OpenedCredential
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.links.link_commands import LISTED_MAX, HolderLinks
from services.issuer_gateway.links.shown_credentials import FoundLink, ShownByLinks
from services.issuer_gateway.requests.learner_requests import key_of, reason_of, wish_of
from services.issuer_gateway.store import claims, holder_links, requests
from services.persistence.postgres import Pool

PAPERS_MAX = 50
EXPORTS_MAX = 2
_DIGITS = 12
_README = """What {institution} keeps of you, as of {day}.

documents/   your credentials, signed: give them to whoever asks. Any verifier that follows their log checks them:
             credentify verify FILE --verifier {verifier} (or of this whole ZIP), or upload one on its page.
bundles/     what shows without any server that they are authentic, by the log {log}:
             credentify verify --offline documents/NAME.json bundles/NAME.bundle --policy policy.txt (or of this whole
             ZIP, without naming bundles). A verifier's page "Check offline" does it in your browser.
policy.txt   whom this institution trusts for that: the log's key. Compare it with what the log publishes itself.
pdf/         the same on paper, document and bundle inside: one file is enough for either check.
application-…/  what you sent with applications for recognition, as it came.
record.json  what else is kept here: under which name, your requests, links, claims and applications.
{missing}"""


class ExportHoldings:
    """Packs what is kept of learners."""

    def __init__(
        self,
        pool: Pool,
        links: HolderLinks,
        shown: ShownByLinks,
        papers: CredentialPapers,
        *,
        learner_keys: LearnerKeys,
        log_client: LogClient,
        applications: ExportApplications,
        policy: str,
        verifier: str,
    ) -> None:
        self._pool = pool
        self._links = links
        self._shown = shown
        self._papers = papers
        self._learner_keys = learner_keys
        self._log_client = log_client
        self._applications = applications
        self._policy = policy
        self._verifier = verifier
        self._places = asyncio.Semaphore(EXPORTS_MAX)

    async def packed(self, link: FoundLink, *, now: Moment) -> bytes:
        """Return the ZIP of all that a learner's own link leads to; raises `ForbiddenProblem` for any other link."""
        if link.is_share or link.stored.credential_id is not None:
            raise ForbiddenProblem("Only the link to all that a learner holds exports it")
        async with self._places:
            files, missing = await self._files(link)
            said = _README.format(
                institution=link.tenant.legal_name,
                day=now[:10],
                log=", ".join(each.key.name for each in parse_policy(self._policy.encode()).logs),
                verifier=self._verifier or "ADDRESS",
                missing="\n".join(missing),
            )
            evidence, applied = await self._applications.of_learner(link.tenant, link.stored.learner_id)
            record = await self._record(link, now) | {"applications": applied}
            files |= evidence | {"README.txt": said.encode(), "record.json": encoded(record)}
            return await asyncio.to_thread(zipped, files)

    async def _files(self, link: FoundLink) -> tuple[dict[str, bytes], list[str]]:
        files, missing = {"policy.txt": self._policy.encode()}, []
        opened = await self._shown.all_opened(link)
        for number, each in enumerate(opened):
            name = f"credential-{each.facts.credential_id[:_DIGITS]}"
            files[f"documents/{name}.json"] = each.encoded
            for folder, ending, make in (
                ("bundles", "bundle", partial(self._log_client.credential_bundle, each.facts.credential_id)),
                ("pdf", "pdf", partial(self._paper, each, number)),
            ):
                try:
                    files[f"{folder}/{name}.{ending}"] = await make()
                except Problem as problem:
                    missing.append(f"Not here: {folder}/{name}.{ending}. {problem.title}.")
        return files, missing

    async def _paper(self, opened: OpenedCredential, number: int) -> bytes:
        if number >= PAPERS_MAX:
            raise ForbiddenProblem(f"Papers are made of the newest {PAPERS_MAX}")
        return await self._papers.supplement(opened)

    async def _record(self, link: FoundLink, now: Moment) -> dict[str, Any]:
        """Return what is kept of the learner besides documents and applications."""
        stored = link.stored
        made = await holder_links.of_learner(self._pool, stored.learner_id, limit=LISTED_MAX)
        asked = await requests.of_learner(self._pool, stored.learner_id, limit=LISTED_MAX)
        claimed = await claims.of_learner(self._pool, stored.learner_id, limit=LISTED_MAX)
        return {
            "as_of": now,
            "institution": link.tenant.legal_name,
            "institution_did": link.tenant.did,
            "name_here": stored.ref,
            "requests": [await self._request(each) for each in asked],
            "claims": [_claim(each) for each in claimed],
            "links": [await self._link(each) for each in made],
        }

    async def _request(self, stored: requests.StoredRequest) -> dict[str, Any]:
        key = await key_of(self._learner_keys, stored)
        return {
            "state": stored.state,
            "achievement": stored.achievement_id,
            "asked_at": from_datetime(stored.created_at),
            "said": wish_of(key, stored) if key else None,
            "reason": reason_of(key, stored) if key else None,
        }

    async def _link(self, stored: holder_links.StoredHolderLink) -> dict[str, Any]:
        terms = await self._links.terms_of(stored)
        return {
            "credential_id": stored.credential_id,
            "is_share": stored.shared_from is not None,
            "audience": terms.audience,
            "shows": terms.parts,
            "made_at": from_datetime(stored.created_at),
            "ends_at": from_datetime(stored.expires_at),
            "is_ended": stored.ended_at is not None,
            "view_count": stored.view_count,
        }


def _claim(stored: claims.StoredClaim) -> dict[str, Any]:
    return {
        "achievement": stored.achievement_id,
        "credential_id": stored.credential_id,
        "made_at": from_datetime(stored.created_at),
        "ends_at": from_datetime(stored.expires_at),
        "used_at": from_datetime(stored.used_at) if stored.used_at else None,
    }
