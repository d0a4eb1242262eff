"""Achievements: described, revised, found. Those of imported documents have a module of their own."""

import secrets

import msgspec

from proto.documents.annex_i import Element, annex_i
from proto.documents.wording import achievement_slips
from proto.ids import AchievementId
from proto.problem import ConflictProblem, NotFoundProblem
from proto.wire.gateway import AchievementAnswer, AchievementRequest
from services.issuer_gateway.domain.awarding import achievement_from, search_text
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store import achievements
from services.persistence.postgres import Connection, Pool

_ID_BYTES = 8
_STATED_BY_AWARD = frozenset({1, 5})
"""Elements of Annex I that only an award can state: the learner, and the date of issuing."""


class AchievementTakenProblem(ConflictProblem):
    """The institution has another achievement of this id or URI."""

    slug = "achievement-taken"
    title = "There is an achievement of this name"


class NoSuchAchievementProblem(NotFoundProblem):
    """The institution has no achievement of that id."""

    slug = "no-such-achievement"
    title = "No such achievement"


def fresh_id() -> AchievementId:
    """Return a new id for an achievement that was sent without one."""
    return AchievementId("a-" + secrets.token_hex(_ID_BYTES))


def answer(tenant: Tenant, stored: achievements.StoredAchievement) -> AchievementAnswer:
    """Return an achievement with what it states of Annex I (but for what only an award can state), and likely slips."""
    report = annex_i(stored.achievement, issuer=tenant.issuer)
    elements: tuple[Element, ...] = tuple(item for item in report.elements if item.number not in _STATED_BY_AWARD)
    return AchievementAnswer(
        id=stored.achievement_id,
        revision=stored.revision,
        achievement=stored.achievement,
        elements=elements,
        notes=achievement_slips(stored.achievement),
    )


async def create(connection: Connection, tenant: Tenant, request: AchievementRequest) -> AchievementAnswer:
    """Describe a new achievement in the caller's transaction; the same description again is the same achievement.

    Raises `AchievementTakenProblem` where id or URI belong to another description, and `ForeignUriProblem`.
    """
    achievement_id, achievement = achievement_from(request, tenant, fresh_id=fresh_id())
    text = search_text(achievement, tenant)
    if await achievements.add(connection, tenant.institution_id, achievement_id, achievement, search_text=text):
        stored = achievements.StoredAchievement(achievement_id=achievement_id, revision=1, achievement=achievement)
        return answer(tenant, stored)
    known = (await achievements.by_uris(connection, tenant.institution_id, [achievement.uri])).get(achievement.uri)
    if known is not None and known.achievement == achievement:
        return answer(tenant, known)
    raise AchievementTakenProblem(
        f"{achievement.uri} is described already; PUT /v1/achievements/{achievement_id} revises it",
        members={"id": known.achievement_id if known else achievement_id},
    )


async def revise(
    connection: Connection,
    tenant: Tenant,
    known: achievements.StoredAchievement,
    request: AchievementRequest,
) -> AchievementAnswer:
    """Make a new revision of an achievement that the caller has locked; without a change there is none."""
    request = msgspec.structs.replace(request, id=known.achievement_id, uri=request.uri or known.achievement.uri)
    _, achievement = achievement_from(request, tenant, fresh_id=known.achievement_id)
    if achievement.uri != known.achievement.uri:
        raise AchievementTakenProblem("An achievement keeps its URI; describe a new one", pointer="/uri")
    if achievement == known.achievement:
        return answer(tenant, known)
    revision = await achievements.revise(
        connection,
        tenant.institution_id,
        known.achievement_id,
        achievement,
        search_text=search_text(achievement, tenant),
    )
    return answer(tenant, msgspec.structs.replace(known, revision=revision, achievement=achievement))


async def get(pool: Pool, tenant: Tenant, achievement_id: AchievementId) -> achievements.StoredAchievement:
    """Return an achievement of the institution or raise `NoSuchAchievementProblem`."""
    found = await achievements.get(pool, tenant.institution_id, achievement_id)
    if found is None:
        raise NoSuchAchievementProblem(f"{tenant.slug} has no achievement {achievement_id}")
    return found
