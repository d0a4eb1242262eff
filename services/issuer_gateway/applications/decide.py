"""Applications as the office sees them: evidence in its terms, like cases before it decides, decisions with reasons."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import msgspec
from msgspec import UNSET

from proto.documents.wording import check_texts
from proto.ids import AchievementUri, ApiKeyId, ApplicationId
from proto.problem import InvalidProblem
from proto.wire.applications import (
    ApplicationAnswer,
    CountedPlace,
    DecisionBody,
    HoldsNow,
    RecognitionReport,
)
from services.issuer_gateway.achievements.named_achievements import AchievementNames
from services.issuer_gateway.applications.agreement_answers import grounds_of
from services.issuer_gateway.applications.apply import (
    UnknownApplicationProblem,
    UnknownItemProblem,
    item_of,
)
from services.issuer_gateway.applications.evidence import OpenedItem, file_in, name_of, opened_item
from services.issuer_gateway.applications.known_evidence import by_application, place_of
from services.issuer_gateway.applications.office_answers import answer_of_nobody, office_answer
from services.issuer_gateway.applications.precedents import (
    NOT_ASKED,
    FoundPrecedents,
    PublicPrecedents,
    check_alike,
    own_of,
    public_of,
    unlike_cases,
    with_title,
)
from services.issuer_gateway.applications.present_status import PresentStatus
from services.issuer_gateway.applications.programme_names import ProgrammeNames
from services.issuer_gateway.applications.publication import publish_at
from services.issuer_gateway.applications.rules import (
    ApplicationClosedProblem,
    ItemDecidedProblem,
    check_assessed,
    check_counted_once,
    check_decision,
    check_holds,
    next_round,
    state_of,
)
from services.issuer_gateway.applications.same_evidence import counted_beside
from services.issuer_gateway.applications.worded_checks import Worded, WordedChecks
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import DataKey
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.store import (
    application_counts,
    application_publication,
    applications,
    earlier_recognitions,
    learner_applications,
    like_cases,
    programmes,
    published_decisions,
)
from services.issuer_gateway.store.applications import (
    EvidenceDecision,
    SealedEvidence,
    StoredApplication,
    WantedApplications,
)
from services.issuer_gateway.store.like_cases import EvidencePlace
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.persistence.postgres import Connection, Pool, transaction


class DecideApplications:
    """What an office reads and decides."""

    def __init__(
        self,
        pool: Pool,
        idempotency: Idempotency,
        *,
        learner_keys: LearnerKeys,
        precedents: PublicPrecedents,
        statuses: PresentStatus,
        names: AchievementNames,
        worded: WordedChecks,
        programmes_named: ProgrammeNames,
    ) -> None:
        self._pool = pool
        self._idempotency = idempotency
        self._learner_keys = learner_keys
        self._precedents = precedents
        self._statuses = statuses
        self._names = names
        self._worded = worded
        self._programmes_named = programmes_named

    async def listed(
        self,
        tenant: Tenant,
        *,
        wanted: WantedApplications,
        after: tuple[datetime, str] | None,
        limit: int,
    ) -> tuple[list[ApplicationAnswer], tuple[datetime, str] | None]:
        """Return applications, those that are due first, and behind which the next are to be asked for."""
        found = await applications.page(self._pool, tenant.institution_id, wanted=wanted, after=after, limit=limit + 1)
        shown = found[:limit]
        more = (shown[-1].due_at, shown[-1].application_id) if len(found) > limit else None
        return await self._answers(tenant, shown), more

    async def get(self, tenant: Tenant, application_id: ApplicationId) -> ApplicationAnswer:
        """Return an application with its evidence and what is decided on like cases now.

        Raises `UnknownApplicationProblem`.
        """
        stored = await applications.get(self._pool, tenant.institution_id, application_id)
        if stored is None:
            raise _unknown(tenant, application_id)
        items = await applications.items(self._pool, [application_id])
        public, statuses = await asyncio.gather(self._precedents.of(items), self._statuses.of(items))
        known = {(application_id, number): found for number, found in public.items()}
        answer = (await self._answers(tenant, [stored], public=known))[0]
        async with transaction(self._pool) as connection:
            counted = await earlier_recognitions.counted_in(connection, tenant.did, application_id)
        key, made = await self._key(stored), await applications.decisions(self._pool, [application_id])
        beside = await asyncio.to_thread(counted_beside, key, items, made) if key else {}
        shown = (
            msgspec.structs.replace(
                each,
                holds_now=statuses.get(each.number, each.holds_now),
                counted_in=(*counted.get(each.number, ()), *beside.get(each.number, ())),
            )
            for each in await self._programmes_named.among_precedents(answer.items)
        )
        return msgspec.structs.replace(answer, items=tuple(shown))

    async def _answers(
        self,
        tenant: Tenant,
        found: Sequence[StoredApplication],
        *,
        public: Mapping[EvidencePlace, FoundPrecedents] | None = None,
    ) -> list[ApplicationAnswer]:
        """Return applications with their evidence; however many they are, the database is asked as often as for one."""
        keys = await self._learner_keys.known(each.learner_id for each in found if not each.is_erased)
        readable = [each.application_id for each in found if keys.get(each.learner_id)]
        items = await applications.items(self._pool, readable)
        made = await applications.decisions(self._pool, readable)
        like = await like_cases.of_evidence(self._pool, tenant.institution_id, items)
        limits = await programmes.limits(self._pool, tenant.institution_id, {each.programme for each in found})
        async with transaction(self._pool) as connection:
            published = await published_decisions.of_evidence(connection, tenant.institution_id, items)
        evidence = by_application(items, made, like, public or {}, published)
        whose = await learner_applications.whose(self._pool, readable)
        grounds = await grounds_of(self._pool, tenant.did, (each.agreement for each in made))

        def answers() -> list[ApplicationAnswer]:
            return [
                office_answer(
                    tenant,
                    each,
                    keys.get(each.learner_id),
                    evidence=evidence.get(each.application_id, ()),
                    limits=limits.get(each.programme),
                    learner=whose.get(each.application_id),
                    grounds=grounds,
                )
                for each in found
            ]

        return await asyncio.to_thread(answers)  # documents that strangers sent are opened and read

    async def worded(self, tenant: Tenant, shown: ApplicationAnswer, language: str) -> Worded:
        """Return in a language what the evidence of an application was found to lack, as far as it can be said now."""
        return await self._worded.of(tenant, shown, language)

    async def file(self, tenant: Tenant, application_id: ApplicationId, number: int) -> bytes:
        """Return a piece of evidence as the file that it came as.

        Raises `UnknownApplicationProblem`, `UnknownItemProblem` (for a dossier too), `ApplicationClosedProblem`.
        """
        stored = await applications.get(self._pool, tenant.institution_id, application_id)
        if stored is None:
            raise _unknown(tenant, application_id)
        key = await self._key(stored)
        if key is None:
            raise ApplicationClosedProblem("It was withdrawn, or erased with its applicant")
        item = item_of(await applications.items(self._pool, [application_id]), number)
        found = file_in(opened_item(key, item).sent)
        if found is None:
            raise UnknownItemProblem("This is prior learning, described in words: there is no file")
        return found

    async def _key(self, stored: StoredApplication) -> DataKey | None:
        if stored.is_erased:
            return None
        return (await self._learner_keys.known([stored.learner_id]))[stored.learner_id]

    async def decide(
        self,
        tenant: Tenant,
        application_id: ApplicationId,
        number: int,
        body: DecisionBody,
        keyed: KeyedRequest | None,
        *,
        by: ApiKeyId,
    ) -> ApplicationAnswer:
        """Decide on a piece of evidence, once, and after an appeal once more by somebody else.

        Raises `UnknownApplicationProblem`, `UnknownItemProblem`, `ApplicationClosedProblem`, `ItemDecidedProblem`,
        `SamePersonProblem`, `InvalidProblem`; and until that is said to be known `NoLongerHoldsProblem`,
        `CountedAlreadyProblem`, and `UnlikeCaseProblem` where a like case was decided otherwise.
        """
        said = (("/text", body.text), ("/assessor", body.assessor))
        check_texts((pointer, text) for pointer, text in said if text is not UNSET)
        public, holds_now = await self._asked(tenant, application_id, number)

        async def work(connection: Connection) -> ApplicationAnswer:
            # (1) Nobody else decides; (2) what comes next; (3) once, and as like cases; (4) sealed; (5) the log.
            stored = await applications.lock(connection, tenant.institution_id, application_id)
            if stored is None:
                raise _unknown(tenant, application_id)
            key = await self._key(stored) if stored.state in {"open", "decided"} else None
            if key is None:
                raise ApplicationClosedProblem("It was withdrawn, or erased with its applicant")
            items = await applications.items(connection, [application_id])
            item, made = item_of(items, number), await applications.decisions(connection, [application_id])
            of_item = [each for each in made if each.number == number]
            turn = next_round(item, of_item, by)
            opened = opened_item(key, item)
            hundredths = check_decision(body, await asyncio.to_thread(opened.known_credits))
            check_assessed(body, is_prior_learning=opened.dossier is not None)
            check_holds(body, shown_as=opened.answer.verdict if opened.answer else None, holds_now=holds_now)
            beside = await asyncio.to_thread(counted_beside, key, items, made)
            elsewhere = await self._counted_in(connection, tenant, stored, item)
            check_counted_once(body, (*elsewhere, *beside.get(number, ())))
            await self._check_like(connection, tenant, opened, body, public)
            decided = _decided(key, item, body, turn, hundredths, by=by)
            await applications.decide(connection, decided)
            await self._put_on_log(connection, stored, item, of_item, decided)
            await applications.set_state(connection, application_id, state_of(items, [*made, decided]))
            return await self._answer_in(connection, tenant, application_id)

        try:
            await self._idempotency.run_once(keyed, ApplicationAnswer, work, is_secret=True)
        except ItemDecidedProblem:  # maybe by the same request, which was at it at the same time
            if keyed is None:
                raise
            await self._idempotency.run_once(keyed, ApplicationAnswer, work, is_secret=True)
        return await self.get(tenant, application_id)

    async def _answer_in(
        self, connection: Connection, tenant: Tenant, application_id: ApplicationId
    ) -> ApplicationAnswer:
        """Return what is remembered of a decision: nothing of it names anybody, for it is kept beside the keys."""
        stored = await applications.get(connection, tenant.institution_id, application_id)
        assert stored is not None, "it is locked"
        return answer_of_nobody(stored)

    async def _asked(
        self, tenant: Tenant, application_id: ApplicationId, number: int
    ) -> tuple[FoundPrecedents, HoldsNow]:
        """Return what is public on like cases, and whether it holds, asked before anything is locked."""
        if await applications.get(self._pool, tenant.institution_id, application_id) is None:
            raise _unknown(tenant, application_id)
        items = await applications.items(self._pool, [application_id])
        about = [each for each in items if each.number == number]
        public, statuses = await asyncio.gather(self._precedents.of(about), self._statuses.of(about))
        return public.get(number, NOT_ASKED), statuses.get(number, "not-asked")

    async def _counted_in(
        self, connection: Connection, tenant: Tenant, stored: StoredApplication, item: SealedEvidence
    ) -> tuple[CountedPlace, ...]:
        """Return where the same credential counts already; nobody else decides on it until the transaction ends."""
        if item.credential_id is None:
            return ()
        named = [item.credential_id]
        await earlier_recognitions.lock(connection, tenant.institution_id, named, stored.programme)
        found = await earlier_recognitions.counted_in(connection, tenant.did, item.application_id)
        return found.get(item.number, ())

    async def _check_like(
        self,
        connection: Connection,
        tenant: Tenant,
        opened: OpenedItem,
        body: DecisionBody,
        public: FoundPrecedents,
    ) -> None:
        """Raise `UnlikeCaseProblem` where a like case was decided otherwise, until that is said to be known.

        What is public and cannot be asked for now stops nobody from deciding: the office was shown that it is unknown.
        """
        item, place = opened.item, place_of(opened.item)
        like = await like_cases.of_evidence(connection, tenant.institution_id, [item])
        on_log = (await published_decisions.of_evidence(connection, tenant.institution_id, [item])).get(place, ())
        found = (
            *own_of(tenant.did, item.application_id, like.get(place, ()), on_log),
            *public_of(public, opened.answer, tenant.did, on_log),
        )
        unlike = any(each.decision != body.decision for each in found)
        if unlike and body.despite_precedents and body.text is UNSET:
            raise InvalidProblem("Say in words why this is decided otherwise than a like case", pointer="/text")
        check_alike(body.decision, found, is_known=body.despite_precedents)

    async def _put_on_log(
        self,
        connection: Connection,
        stored: StoredApplication,
        item: SealedEvidence,
        made: Sequence[EvidenceDecision],
        decided: EvidenceDecision,
    ) -> None:
        """Have the log follow a decision: what is recognised goes there, and what is there already is replaced.

        What was recognised, appealed against and then refused is taken back there.
        """
        is_there = any(each.recognition is not None for each in made)
        if stored.is_public and item.credential_id is not None and (decided.decision != "refused" or is_there):
            await application_publication.publish_later(
                connection, item.application_id, item.number, publish_at(datetime.now(UTC))
            )

    async def report(self, tenant: Tenant) -> RecognitionReport:
        """Return how the office decides, and on what it decided unlike."""
        like = await like_cases.of_all(self._pool, tenant.institution_id)
        unlike = unlike_cases(like)
        names = await self._names.of({each.achievement for each in unlike})
        return msgspec.structs.replace(
            await self.numbers(tenant),
            unlike=tuple(with_title(each, names.get(AchievementUri(each.achievement))) for each in unlike),
        )

    async def numbers(self, tenant: Tenant) -> RecognitionReport:
        """Return how the office decides in numbers alone; which like cases it decided unlike is not looked for."""
        found = await application_counts.counts(self._pool, tenant.institution_id)
        decided = found["full_count"] + found["partial_count"] + found["refused_count"]
        share = round(100 * found["refused_count"] / decided) if decided else None
        return RecognitionReport(**found, unlike=(), refused_percent=share)


def _unknown(tenant: Tenant, application_id: ApplicationId) -> UnknownApplicationProblem:
    return UnknownApplicationProblem(f"Nobody applied to {tenant.slug} under the id {application_id}")


def _decided(
    key: DataKey, item: SealedEvidence, body: DecisionBody, turn: int, hundredths: int | None, *, by: ApiKeyId
) -> EvidenceDecision:
    name = f"{name_of(item.application_id, item.number)}/{turn}"
    return EvidenceDecision(
        application_id=item.application_id,
        number=item.number,
        round=turn,
        decision=body.decision,
        ects_hundredths=hundredths,
        eqf_level=None if body.eqf_level is UNSET else body.eqf_level,
        reasons=body.reasons,
        sealed_text=key.seal(body.text.encode(), "application-decision", name) if body.text is not UNSET else None,
        api_key_id=by,
        under_event=None,
        decided_at=datetime.now(UTC),
        sealed_assessor=(
            key.seal(body.assessor.encode(), "application-assessor", name) if body.assessor is not UNSET else None
        ),
    )
