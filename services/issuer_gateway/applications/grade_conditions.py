"""What an office asks of grades before its standing decisions decide: listed, tried out on what came, said, taken away.

It is a setting of the institution, on no log, and holds for what comes from now on; what was decided stays.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec

from proto.ids import InstitutionId
from proto.moment import from_datetime
from proto.problem import InvalidProblem, NotFoundProblem
from proto.sentence import sentence
from proto.wire.content import ResultContent
from proto.wire.grade_conditions import (
    ConditionPlace,
    GradeConditionAnswer,
    GradeConditionList,
    GradeJudged,
    GradePreview,
    GradeScale,
    GradeSeen,
    GradeTouched,
    GradeTrial,
)
from proto.wire.institutions import GRADE_CONDITIONS_MAX, GradeCondition
from services.issuer_gateway.achievements.far_titles import ScaledAchievement
from services.issuer_gateway.achievements.named_achievements import AchievementNames
from services.issuer_gateway.applications.at_once import has_decision
from services.issuer_gateway.applications.evidence import opened_item
from services.issuer_gateway.domain.grades import good_grades, judged
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.institutions.institution_settings import check_grade_conditions
from services.issuer_gateway.keys.keystore import DataKey
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.store import graded_evidence, tenants
from services.issuer_gateway.store.graded_evidence import ShownEvidence
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.persistence.postgres import Connection, Pool, transaction

EVIDENCE_MAX = 200
"""So many documents are looked at, the newest first."""
TOUCHED_MAX = 50
SCALES_MAX = 8


class UnknownConditionProblem(NotFoundProblem):
    """The office asks for no grades of that achievement and programme."""

    slug = "unknown-grade-condition"
    title = "No such condition"


class _Graded(msgspec.Struct, frozen=True, kw_only=True):
    """A document that came, with the grades in it and the scales that it names."""

    shown: ShownEvidence
    results: Sequence[ResultContent]

    @property
    def grades(self) -> tuple[str, ...]:
        return tuple(each.value for each in self.results if each.value)

    @property
    def grade(self) -> str | None:
        return self.grades[0] if len(self.grades) == 1 else None


class _Changed(msgspec.Struct, frozen=True):
    """That the conditions were changed, which is all that is remembered of it."""


class GradeConditions:
    """The conditions of institutions."""

    def __init__(
        self,
        pool: Pool,
        idempotency: Idempotency,
        *,
        names: AchievementNames,
        learner_keys: LearnerKeys,
        log_state: FollowedLogState,
    ) -> None:
        self._pool = pool
        self._names = names
        self._idempotency = idempotency
        self._learner_keys = learner_keys
        self._log_state = log_state

    async def listed(self, tenant: Tenant) -> GradeConditionList:
        """Return the conditions that hold, with what the catalogue says of each achievement."""
        held = (await tenants.by_id(self._pool, tenant.institution_id)).grade_conditions
        known = await self._names.with_scales({each.achievement for each in held})
        return GradeConditionList(
            grade_conditions=tuple(_answer(each, _of_issuer(known.get(each.achievement), each)) for each in held)
        )

    async def put(self, tenant: Tenant, condition: GradeCondition) -> GradeConditionList:
        """Say a condition, in place of what was said before of its achievement and programme.

        Raises `InvalidProblem` for somebody else's programme, grades that nobody can read, and one too many.
        """
        check_grade_conditions(tenant, {"": condition})

        def changed(held: Sequence[GradeCondition]) -> list[GradeCondition]:
            kept = [condition if _place(each) == _place(condition) else each for each in held]
            if condition not in kept:
                kept.append(condition)
            if len(kept) > GRADE_CONDITIONS_MAX:
                raise InvalidProblem(
                    sentence("At most {count} conditions are kept: take one away first", count=GRADE_CONDITIONS_MAX)
                )
            return kept

        await self._change(tenant.institution_id, changed)
        return await self.listed(tenant)

    async def remove(self, tenant: Tenant, place: ConditionPlace, keyed: KeyedRequest | None = None) -> None:
        """Take a condition away: every grade will do; raises `UnknownConditionProblem`."""

        def changed(held: Sequence[GradeCondition]) -> list[GradeCondition]:
            kept = [each for each in held if _place(each) != _place(place)]
            if len(kept) == len(held):
                raise UnknownConditionProblem("The office asks for no grades of this achievement and programme")
            return kept

        await self._change(tenant.institution_id, changed, keyed)

    async def _change(
        self,
        institution_id: InstitutionId,
        changed: Callable[[Sequence[GradeCondition]], list[GradeCondition]],
        keyed: KeyedRequest | None = None,
    ) -> None:
        async def work(connection: Connection) -> _Changed:
            held = (await tenants.locked(connection, institution_id)).grade_conditions
            await tenants.change_settings(connection, institution_id, grade_conditions=tuple(changed(held)))
            return _Changed()

        await self._idempotency.run_once(keyed, _Changed, work)

    async def preview(self, tenant: Tenant, trial: GradeTrial) -> GradePreview:
        """Return what a condition means, which scales are known, and whom it would have touched; keeps nothing."""
        place = ConditionPlace(**{name: getattr(trial, name) for name in ConditionPlace.__struct_fields__})
        held = (await tenants.by_id(self._pool, tenant.institution_id)).grade_conditions
        now = next((each for each in held if _place(each) == _place(place)), None)
        then = trial.condition() or now
        if then is not None:
            check_grade_conditions(tenant, {"": then})
        found = await self._names.with_scales({trial.achievement})
        known = _of_issuer(found.get(trial.achievement), trial)
        shown = await graded_evidence.of_achievement(
            self._pool,
            tenant.institution_id,
            achievement_issuer=trial.achievement_issuer,
            achievement=trial.achievement,
            programme=trial.programme,
            limit=EVIDENCE_MAX + 1,
        )
        graded = await self._opened(shown[:EVIDENCE_MAX])
        seen = Counter((each.grade, judged(then, each.grades)) for each in graded)
        good = sum(count for (_, what), count in seen.items() if what == "good")
        return GradePreview(
            place=place,
            title=known.named.title if known else None,
            institution_name=known.named.institution_name if known else None,
            at_once=good_grades(then) if then else (),
            for_person=then.grades[len(good_grades(then)) :] if then else (),
            has_standing_decision=await self._has_decision(tenant, place),
            scales=_scales(known, graded),
            seen=_seen(seen, then),
            at_once_count=good,
            person_count=len(graded) - good,
            touched=tuple(_touched(graded, now, then))[:TOUCHED_MAX],
            is_all=len(shown) <= EVIDENCE_MAX,
        )

    async def _has_decision(self, tenant: Tenant, place: ConditionPlace) -> bool:
        async with transaction(self._pool) as connection:
            return await has_decision(connection, tenant, place, now=self._log_state.now())

    async def _opened(self, shown: Sequence[ShownEvidence]) -> list[_Graded]:
        """Return the documents that a verifier proved; a person decides on all others, whatever is asked of grades."""
        keys = await self._learner_keys.known({each.learner_id for each in shown})

        def opened() -> list[_Graded]:
            found = (_graded(each, key) for each in shown if (key := keys.get(each.learner_id)) is not None)
            return [each for each in found if each is not None]

        return await asyncio.to_thread(opened)


def _graded(shown: ShownEvidence, key: DataKey) -> _Graded | None:
    answer = opened_item(key, shown.item).answer
    if answer is None or answer.verdict != "valid" or answer.credential is None:
        return None
    return _Graded(shown=shown, results=answer.content.results if answer.content else ())


def _place(of: ConditionPlace | GradeCondition) -> tuple[str, str, str]:
    return of.achievement_issuer, of.achievement, of.programme


def _of_issuer(known: ScaledAchievement | None, of: ConditionPlace | GradeCondition) -> ScaledAchievement | None:
    """Return what the catalogue says, if it is said by whoever is meant."""
    return known if known is not None and known.owner == of.achievement_issuer else None


def _answer(condition: GradeCondition, known: ScaledAchievement | None) -> GradeConditionAnswer:
    return GradeConditionAnswer(
        **{name: getattr(condition, name) for name in GradeCondition.__struct_fields__},
        title=known.named.title if known else None,
        institution_name=known.named.institution_name if known else None,
    )


def _scales(known: ScaledAchievement | None, graded: Sequence[_Graded]) -> tuple[GradeScale, ...]:
    """Return the scales of the catalogue, then those that documents name and it does not."""
    found = [
        GradeScale(
            source="catalogue",
            name=scheme.name,
            # Open Badges 3.0 has them "ordered from low to high"; here the best comes first.
            grades=tuple(dict.fromkeys(scheme.allowed_values[::-1])),
            lowest=scheme.value_min,
            highest=scheme.value_max,
            required=scheme.required_value,
        )
        for scheme in (known.schemes if known else ())
    ]
    names = {each.name for each in found}
    said = dict.fromkeys(
        (result.scheme, result.lowest, result.highest, result.required)
        for each in graded
        for result in each.results
        if result.scheme not in names and (result.scheme or result.lowest or result.highest)
    )
    found += [
        GradeScale(source="documents", name=name, lowest=lowest, highest=highest, required=required)
        for name, lowest, highest, required in said
    ]
    return tuple(found[:SCALES_MAX])


def _seen(counts: Counter[tuple[str | None, GradeJudged]], condition: GradeCondition | None) -> tuple[GradeSeen, ...]:
    """Return how often each grade came, in the office's own order, then those that are most common."""
    order = {grade: place for place, grade in enumerate(condition.grades if condition else ())}
    listed = sorted(counts.items(), key=lambda each: (order.get(each[0][0] or "", len(order)), -each[1], str(each[0])))
    return tuple(GradeSeen(grade=grade, judged=what, count=count) for (grade, what), count in listed)


def _touched(graded: Sequence[_Graded], now: GradeCondition | None, then: GradeCondition | None) -> list[GradeTouched]:
    """Return the documents that the condition would have treated otherwise than what holds now, the newest first."""
    return [
        GradeTouched(
            application_id=each.shown.item.application_id,
            number=each.shown.item.number,
            state=each.shown.state,
            created_at=from_datetime(each.shown.created_at),
            grade=each.grade,
            is_at_once_now=is_now,
            is_at_once_then=is_then,
        )
        for each in graded
        if (is_now := judged(now, each.grades) == "good") != (is_then := judged(then, each.grades) == "good")
    ]
