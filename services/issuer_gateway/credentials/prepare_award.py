"""From an award to its document and its signed event: all that needs no transaction. Stores nothing."""

import secrets
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from proto import events
from proto.documents.annex_i import AnnexGate
from proto.documents.claims_root import SEED_BYTES
from proto.documents.credential import Award
from proto.documents.document import credential_id_of
from proto.documents.open_badge import Component
from proto.documents.wording import check_awarded, check_stated, title_slips
from proto.envelope import Opened
from proto.ids import ApiKeyId, Commitment, CredentialId
from proto.moment import Moment
from proto.problem import NotFoundProblem, Problem
from services.issuer_gateway.achievements.document_parts import AchievementPart, AchievementParts
from services.issuer_gateway.credentials.annex_gate import check_complete
from services.issuer_gateway.credentials.prepared_award import PreparedAward, Sealed
from services.issuer_gateway.domain.award_draft import AwardDraft, AwardDrafts
from services.issuer_gateway.domain.awarding import Common, document_of
from services.issuer_gateway.domain.issuing import (
    COMMITMENTS_FROM,
    IssueStatement,
    committed,
    issued_event,
    stacked_event,
    statement_of,
)
from services.issuer_gateway.domain.places_at_hand import Given
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store import achievements
from services.persistence.postgres import Connection, Pool

DOCUMENT_ID_BYTES = 16


class UnknownAchievementProblem(NotFoundProblem):
    """The institution has described no achievement of that URI."""

    slug = "unknown-achievement"
    title = "The institution has no such achievement"
    status = 422


def fresh_document_id() -> str:
    """Return `urn:uuid:` and a random UUID of version 4: 122 bits that nobody can guess (DESIGN 3.1)."""
    return document_id_of(secrets.token_bytes(DOCUMENT_ID_BYTES))


def document_id_of(secret: bytes) -> str:
    """Return `urn:uuid:` and the UUID of version 4 (RFC 9562) that 16 random bytes make."""
    digits = secret.hex()
    variant = "89ab"[secret[8] >> 4 & 3]
    return f"urn:uuid:{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"


async def achievement_of(connection: Connection | Pool, tenant: Tenant, uri: str) -> achievements.StoredAchievement:
    """Return the institution's achievement of that URI, or raise `UnknownAchievementProblem`."""
    found = (await achievements.by_uris(connection, tenant.institution_id, [uri])).get(uri)
    if found is None:
        raise unknown_achievement(uri)
    return found


def unknown_achievement(uri: str) -> Problem:
    """Return the refusal of an award for an achievement that was never described."""
    return UnknownAchievementProblem(
        f"No achievement {uri} is described here; POST it to /v1/achievements first. If several imports call it so, "
        "name the one by its URI or id here",
        pointer="/achievement",
    )


class _Named(NamedTuple):
    """A document under its name; by rules version 1 with its event, by version 2 with what an event will say of it."""

    document: dict[str, Any]
    credential_id: CredentialId
    commitment: Commitment | None
    opened: Opened | None
    seed: bytes


class Stacked(NamedTuple):
    """What a credential is stacked of: the parts by their ids, and as far as the log shows them."""

    components: Sequence[CredentialId]
    documented: Sequence[Component]


class Signs(Protocol):
    """By which rules the log judges what is said now, and who signs what is said by rules version 1."""

    @property
    def rules_version(self) -> int:
        """The version of the rules in force, as far as the log is followed."""
        ...

    def common_fields(self, tenant: Tenant, *, now: Moment) -> Common:
        """Return what the institution's next event carries."""
        ...

    async def sign(self, tenant: Tenant, event: events.Event) -> Opened:
        """Return the event, signed with the institution's event key; raises `NoKeyProblem`."""
        ...


class HasPlaces(Protocol):
    """Who gives places on status lists."""

    async def place(self, tenant: Tenant) -> Given:
        """Return a place that nobody had before and nobody gets after."""
        ...


class PrepareAward:
    """Makes documents and events of awards. `annex_gate` is the gateway's; an institution's may be stricter.

    `verifier_url` is the address at which documents may be checked, which they name as a hint.
    """

    def __init__(
        self,
        writer: Signs,
        status_lists: HasPlaces,
        parts: AchievementParts,
        *,
        annex_gate: AnnexGate,
        verifier_url: str | None = None,
    ) -> None:
        self._writer = writer
        self._status_lists = status_lists
        self._parts = parts
        self._annex_gate = annex_gate
        self._verifier_url = verifier_url

    async def prepare(
        self,
        tenant: Tenant,
        award: Award,
        achievement: achievements.StoredAchievement,
        *,
        now: Moment,
        notes: tuple[str, ...] = (),
        unmapped: tuple[str, ...] = (),
        is_dry: bool = False,
        api_key_id: ApiKeyId | None = None,
        stacked: Stacked | None = None,
        drafts: AwardDrafts | None = None,
    ) -> PreparedAward:
        """Return the credential of an award: a fresh document, judged by the data model, its id, what its event says.

        `is_dry` takes no place on a status list: what is prepared so is never stored. `drafts` are those of awards that
        were prepared with it, under the same arguments. Raises `DataModelProblem`, `AnnexIncompleteProblem`, and
        `InvalidProblem` for a text that nobody can read.
        """
        if award.achievement != achievement.achievement.uri:
            award = msgspec.structs.replace(award, achievement=achievement.achievement.uri)
        if drafts is not None and (draft := drafts.of(achievement.name, award)) is not None:
            return await self._filled(draft, tenant, award, achievement, is_dry=is_dry, api_key_id=api_key_id)
        notes = (*notes, *check_awarded(award.learner))
        of_all = (*check_stated(award), *title_slips(achievement.achievement))
        of_all = (*of_all, *check_complete(self._annex_gate, tenant, achievement.achievement, award))
        part = self._parts.of(tenant, achievement)
        place = None if is_dry else await self._status_lists.place(tenant)
        document = document_of(
            tenant,
            achievement.achievement,
            award,
            document_id=fresh_document_id(),
            credential_status=place.entry if place else None,
            components=stacked.documented if stacked else (),
            fixed=part.fixed,
            verifier_url=self._verifier_url,
        )
        statement = statement_of(achievement.achievement, award, zone=tenant.zone)
        named = await self._named(tenant, document, part, statement, now=now, stacked=stacked)
        part.check(named.document)
        if drafts is not None and named.commitment is not None and stacked is None:
            drafts.keep(
                achievement.name, award, AwardDraft(named.document, statement, notes=of_all, achievement=part.claim)
            )
        return PreparedAward(
            award=award,
            achievement=achievement,
            credential_id=named.credential_id,
            statement=statement,
            commitment=named.commitment,
            opened=named.opened,
            kept=Sealed(
                document=named.document, notes=(*notes, *of_all), unmapped=unmapped, claims_seed=named.seed.hex()
            ),
            part=part,
            place=place,
            components=tuple(stacked.components) if stacked else (),
            api_key_id=api_key_id,
        )

    async def _filled(
        self,
        draft: AwardDraft,
        tenant: Tenant,
        award: Award,
        achievement: achievements.StoredAchievement,
        *,
        is_dry: bool,
        api_key_id: ApiKeyId | None,
    ) -> PreparedAward:
        """Return the credential of an award of which all but its learner was judged before."""
        notes = (*check_awarded(award.learner), *draft.notes)
        place = None if is_dry else await self._status_lists.place(tenant)
        drawn = secrets.token_bytes(SEED_BYTES + DOCUMENT_ID_BYTES)
        seed = drawn[:SEED_BYTES]
        made = draft.filled(
            award.learner,
            tenant.did,
            seed,
            document_id=document_id_of(drawn[SEED_BYTES:]),
            credential_status=place.entry if place else None,
        )
        return PreparedAward(
            award=award,
            achievement=achievement,
            credential_id=made.credential_id,
            statement=draft.statement,
            commitment=made.commitment,
            opened=None,
            kept=Sealed(document=made.document, notes=notes, claims_seed=seed.hex()),
            part=self._parts.of(tenant, achievement),
            place=place,
            api_key_id=api_key_id,
        )

    async def _named(
        self,
        tenant: Tenant,
        document: dict[str, Any],
        part: AchievementPart,
        statement: IssueStatement,
        *,
        now: Moment,
        stacked: Stacked | None,
    ) -> _Named:
        """Return a document under its name, by the rules that are in force as far as the log is followed (DESIGN 9)."""
        if self._writer.rules_version >= COMMITMENTS_FROM:
            seed = secrets.token_bytes(SEED_BYTES)
            made = committed(document, tenant.did, seed, achievement=part.claim)
            return _Named(made.document, made.credential_id, made.commitment, None, seed)
        name = credential_id_of(document, tenant.did)
        common = self._writer.common_fields(tenant, now=now)
        event: events.Event = (
            stacked_event(common, statement, name, stacked.components)
            if stacked
            else issued_event(common, statement, name)
        )
        return _Named(document, name, None, await self._writer.sign(tenant, event), b"")
