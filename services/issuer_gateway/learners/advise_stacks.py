"""What a learner can stack now, over all recipes here; and the sum of chosen parts before anything is signed."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from proto.documents.credential import Achievement, Award
from proto.ids import AchievementUri, CredentialId, Did, LearnerId
from proto.lifecycle import Book
from proto.moment import Moment
from proto.problem import InvalidProblem
from proto.stack_advice import Advice, PartAdvice, advise, preview
from proto.stacking import StackPart, Unmet
from proto.wire.gateway import StackRequest
from proto.wire.stacks import NamedAchievement, PartAnswer, StackAdvice, StackPreview, UnmetAnswer
from services.issuer_gateway.achievements.named_achievements import AchievementNames
from services.issuer_gateway.credentials.prepare_award import achievement_of
from services.issuer_gateway.credentials.stack_credential import live_stacks
from services.issuer_gateway.domain.awarding import parts_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.learners.learner_erasure import UnknownLearnerProblem
from services.issuer_gateway.store import achievements, credentials, followed_log, learners
from services.issuer_gateway.unit_of_work.decision_book import book_for
from services.issuer_gateway.unit_of_work.log_writer import LogWriter
from services.persistence.postgres import Connection, Pool, transaction

CREDENTIALS_MAX = 256
"""So many of a learner's credentials are looked at, the newest first."""


class Advised(NamedTuple):
    """Advice on some recipes; `more` is behind which the next are to be asked for."""

    credential_count: int
    stacks: tuple[StackAdvice, ...]
    more: tuple[str, str] | None


class AdviseStacks:
    """Answers by the followed log and what was said here since; keeps nothing and signs nothing."""

    def __init__(self, pool: Pool, writer: LogWriter, names: AchievementNames) -> None:
        self._pool = pool
        self._writer = writer
        self._names = names
        self._working_out = asyncio.Semaphore()

    async def for_learner(
        self, tenant: Tenant, ref: str, *, others: Sequence[CredentialId], after: tuple[str, str], limit: int
    ) -> Advised:
        """Return what a learner of the institution can make of what she has, and of `others` that she names.

        Raises `UnknownLearnerProblem`, and `LogNotFollowedProblem` where a revocation may be missing.
        """
        self._writer.check_followed()
        learner = await learners.learner_id(self._pool, tenant.institution_id, ref)
        if learner is None:
            raise UnknownLearnerProblem("The institution has no learner of that name, or has erased it")
        return await self.for_learner_id(tenant, learner, others=others, after=after, limit=limit)

    async def for_learner_id(
        self, tenant: Tenant, learner: LearnerId, *, others: Sequence[CredentialId], after: tuple[str, str], limit: int
    ) -> Advised:
        """Return the same for a learner who is known by id; raises `LogNotFollowedProblem`."""
        self._writer.check_followed()
        own = await credentials.ids_of_learner(self._pool, tenant.institution_id, learner, limit=CREDENTIALS_MAX)
        ids = list(dict.fromkeys([*own, *others]))
        offered = await achievements.with_recipes(self._pool, after=after, limit=limit + 1)
        shown = offered[:limit]
        more = (shown[-1].tenant.institution_id, shown[-1].achievement_id) if len(offered) > limit else None
        if not shown:
            return Advised(len(ids), (), more)
        now = self._writer.now()
        async with transaction(self._pool) as connection:
            dids = dict.fromkeys(each.tenant.did for each in shown)
            judged = {did: await self._parts(connection, did, ids, now) for did in dids}
        async with self._working_out:  # a second for many recipes and credentials: others have their turns
            advised = await asyncio.to_thread(_advised, shown, judged, now)
        names = await self._names.of(_uris_of((found, parts) for _, found, parts in advised))  # may ask another service
        async with self._working_out:
            stacks = await asyncio.to_thread(_answers, advised, names)
        return Advised(len(ids), stacks, more)

    async def preview(self, tenant: Tenant, request: StackRequest) -> StackPreview:
        """Return what these parts make of the achievement, part by part, without signing anything.

        Raises `UnknownAchievementProblem`, `InvalidProblem` for a part that is named twice, `LogNotFollowedProblem`.
        """
        self._writer.check_followed()
        stored = await achievement_of(self._pool, tenant, request.achievement)
        if len(set(request.components)) != len(request.components):
            raise InvalidProblem("A component is named twice", pointer="/components")
        award = Award(**{name: getattr(request, name) for name in Award.__struct_fields__})
        declared, now = award.earned_hundredths(stored.achievement), self._writer.now()
        async with transaction(self._pool) as connection:
            parts = await self._parts(connection, tenant.did, request.components, now)
            found = preview(stored.achievement.recipe, parts, declared_hundredths=declared, now=now)
        names = await self._names.of(_uris_of([(found, found.parts)]))
        answer = _answer(found, declared, found.parts, names)
        unknown = sorted(set(request.components) - {part.credential_id for part in parts})
        if not unknown:
            return answer
        missing = UnmetAnswer(
            code="part-not-on-log", detail="These credentials are not on the log", credentials=tuple(unknown)
        )
        return replace(answer, can_be_stacked=False, unmet=(missing, *answer.unmet))

    async def _parts(
        self, connection: Connection, did: Did, ids: Sequence[CredentialId], now: Moment
    ) -> list[StackPart]:
        """Return those of the credentials that the log has, as the recipes of one institution judge them."""
        counting = await followed_log.stacks_of(connection, did, ids)
        stacks = {stack_id for stack_ids in counting.values() for stack_id in stack_ids}
        book: Book = await book_for(connection, [], also=[*ids, *stacks], now=now)
        live = {part: live_stacks(book, stack_ids, now) for part, stack_ids in counting.items()}
        return parts_of(book, did, ids, live, now)[1]


def _advised(
    offered: Iterable[achievements.Offered], judged: Mapping[Did, Sequence[StackPart]], now: Moment
) -> list[tuple[achievements.Offered, Advice, tuple[PartAdvice, ...]]]:
    """Return what the parts, as each institution judges them, make of each recipe."""
    advised = []
    for each in offered:
        achievement = each.achievement
        assert achievement.recipe is not None, "only those with a recipe were asked for"
        parts, declared = judged[each.tenant.did], achievement.ects_hundredths
        found = advise(achievement.recipe, parts, declared_hundredths=declared, now=now)
        advised.append((each, found, _of_recipe(achievement, found)))
    return advised


def _answers(
    advised: Iterable[tuple[achievements.Offered, Advice, tuple[PartAdvice, ...]]],
    names: Mapping[AchievementUri, NamedAchievement],
) -> tuple[StackAdvice, ...]:
    return tuple(
        StackAdvice(
            achievement=each.achievement.uri,
            title=each.achievement.title,
            institution=each.tenant.did,
            institution_name=each.tenant.legal_name,
            preview=_answer(found, each.achievement.ects_hundredths, parts, names),
        )
        for each, found, parts in advised
    )


def _of_recipe(achievement: Achievement, found: Advice) -> tuple[PartAdvice, ...]:
    """Return the parts that concern a recipe: those that are proposed, and those that it names but cannot count."""
    recipe = achievement.recipe
    assert recipe is not None, "only those with a recipe were asked for"
    named = {*recipe.required_achievements, *(uri for group in recipe.groups for uri in group.achievements)}
    return tuple(item for item in found.parts if item.is_proposed or item.part.achievement in named)


def _uris_of(advised: Iterable[tuple[Advice, Iterable[PartAdvice]]]) -> set[AchievementUri]:
    """Return all achievements that advice names, whoever awards them."""
    uris: set[AchievementUri] = set()
    for found, parts in advised:
        for part in parts:
            uris |= {part.part.achievement, *(uri for each in part.unmet for uri in each.achievements)}
        uris |= {uri for each in found.unmet for uri in each.achievements}
    return uris


def _answer(
    found: Advice, declared: int, parts: Iterable[PartAdvice], names: Mapping[AchievementUri, NamedAchievement]
) -> StackPreview:
    return StackPreview(
        can_be_stacked=not found.unmet,
        declared_hundredths=declared,
        counted_hundredths=found.counted.total,
        outside_hundredths=found.counted.outside,
        outside_given_hundredths=found.counted.outside_given,
        parts=tuple(_part(each, names) for each in parts),
        unmet=tuple(_unmet(each, names) for each in found.unmet),
    )


def _part(item: PartAdvice, names: Mapping[AchievementUri, NamedAchievement]) -> PartAnswer:
    known = names.get(item.part.achievement)
    return PartAnswer(
        credential_id=item.part.credential_id,
        achievement=item.part.achievement,
        issuer=item.part.issuer,
        ects_hundredths=item.part.ects_hundredths,
        counted_hundredths=item.counted_hundredths,
        is_proposed=item.is_proposed,
        title=known.title if known else None,
        institution_name=known.institution_name if known else None,
        unmet=tuple(_unmet(each, names) for each in item.unmet),
    )


def _unmet(item: Unmet, names: Mapping[AchievementUri, NamedAchievement]) -> UnmetAnswer:
    return UnmetAnswer(
        code=item.code,
        detail=item.detail,
        credentials=item.credentials,
        achievements=tuple(names.get(uri, NamedAchievement(achievement=uri)) for uri in item.achievements),
    )
