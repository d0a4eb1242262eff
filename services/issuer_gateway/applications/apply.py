"""Applications as applicants see them: made without an account, looked up, appealed and withdrawn by a secret link.

An applicant is a learner of the institution with a ref of its own (`application-…`), under whose key everything lies
that was written; withdrawing or lapsing erases that learner, and so does `DELETE /v1/learners/{ref}`.
"""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from proto.audit_trail import AuditRecord
from proto.documents.wording import check_address, check_texts
from proto.ids import ApplicationId, Did, LearnerId
from proto.moment import from_datetime
from proto.problem import NotFoundProblem, UnavailableProblem
from proto.sentence import sentence
from proto.wire.applications import (
    Applicant,
    ApplicationBody,
    ApplicationMade,
    ApplicationSeen,
    DecisionAnswer,
    ItemSeen,
)
from services.edge import token_hash
from services.issuer_gateway.applications.agreement_answers import Grounds, grounds_of
from services.issuer_gateway.applications.at_once import DecideAtOnce
from services.issuer_gateway.applications.evidence import (
    CheckedEvidence,
    EvidenceCheck,
    name_of,
    opened_item,
    sealed_item,
)
from services.issuer_gateway.applications.rules import ApplicationClosedProblem, NoAppealProblem, may_appeal, state_of
from services.issuer_gateway.domain.programmes import check_programme, title_of
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.institutions import institution_commands
from services.issuer_gateway.keys.keystore import DataKey
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.store import applications, audit_trail, learners, retention, tenants
from services.issuer_gateway.store.applications import EvidenceDecision, SealedEvidence, StoredApplication
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection, Pool, transaction
from services.persistence.postgres_errors import TAKEN_ERRORS

APPLICATION_PREFIX = "cfa_"
"""What every application's secret begins with, so that scanners find lost ones."""
_SWEEP_ROWS = 100
_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(Applicant).decode


class UnknownApplicationProblem(NotFoundProblem):
    """No application has this id, or this link."""

    slug = "unknown-application"
    title = "No such application"


class UnknownItemProblem(NotFoundProblem):
    """The application has no piece of evidence of this number."""

    slug = "unknown-evidence"
    title = "No such piece of evidence"


class TooManyApplicationsProblem(UnavailableProblem):
    """So many applications wait for the institution that it takes no more now."""

    slug = "too-many-open-applications"
    title = "The institution takes no more applications now"
    retry_after_seconds = 3_600


def ref_of(application_id: ApplicationId) -> str:
    """Return the learner's ref of an application."""
    return f"application-{application_id}"


def applicant_of(key: DataKey, stored: StoredApplication) -> Applicant:
    """Return who applies."""
    return _DECODE(key.open(stored.sealed_applicant, "application", stored.application_id))


def text_of(key: DataKey, made: EvidenceDecision) -> str | None:
    """Return what was written with a decision."""
    if made.sealed_text is None:
        return None
    return key.open(
        made.sealed_text, "application-decision", f"{name_of(made.application_id, made.number)}/{made.round}"
    ).decode()


def decision_answer(
    key: DataKey, made: EvidenceDecision, grounds: Grounds, *, is_office: bool = False
) -> DecisionAnswer:
    """Return a decision as applicant and office see it; who decided is in neither, who assessed for the office only."""
    name = f"{name_of(made.application_id, made.number)}/{made.round}"
    assessor = key.open(made.sealed_assessor, "application-assessor", name) if made.sealed_assessor else None
    return DecisionAnswer(
        round=made.round,
        decision=made.decision,
        ects_hundredths=made.ects_hundredths,
        eqf_level=made.eqf_level,
        reasons=made.reasons,
        text=text_of(key, made),
        decided_at=from_datetime(made.decided_at),
        under=made.under_event,
        recognition=made.recognition,
        assessor=assessor.decode() if assessor is not None and is_office else None,
        agreement=grounds.get(made.agreement) if made.agreement else None,
    )


class RecognitionApplications:
    """Takes applications; an institution has at most `open_max` that wait.

    They are to be decided within `due_days`, where it says nothing else.
    """

    def __init__(
        self,
        pool: Pool,
        unit_of_work: UnitOfWork,
        learner_keys: LearnerKeys,
        *,
        idempotency: Idempotency,
        check: EvidenceCheck,
        at_once: DecideAtOnce,
        public_url: str,
        open_max: int,
        due_days: int,
        kept_days: int,
    ) -> None:
        self._pool = pool
        self._unit_of_work = unit_of_work
        self._learner_keys = learner_keys
        self._idempotency = idempotency
        self._check = check
        self._at_once = at_once
        self._public_url = public_url
        self._open_max = open_max
        self._due_days = due_days
        self._kept_days = kept_days

    async def apply(
        self, tenant: Tenant, body: ApplicationBody, *, secret: str | None = None, keyed: KeyedRequest | None = None
    ) -> ApplicationMade:
        """Take an application to an institution and return its secret link, which is shown this once.

        With a `secret` that an application has already, or as a request that was carried out, the one of then is
        returned: it was sent twice. The evidence is checked first; what a standing decision of the institution covers
        is decided at once. Raises `TooManyApplicationsProblem`, and `InvalidProblem` with a pointer.
        """
        if (known := await self._idempotency.answered(keyed, ApplicationMade)) is not None:
            return _told(tenant, known)
        check_programme(tenant, body.programme)
        if secret is None:
            secret = institution_commands.new_token(APPLICATION_PREFIX)
            return _told(tenant, await self._apply(tenant, body, secret, keyed))
        try:
            return await self._made_before(secret) or await self._apply(tenant, body, secret)
        except TAKEN_ERRORS:
            made = await self._made_before(secret)
            if made is None:
                raise
            return made

    async def _made_before(self, secret: str) -> ApplicationMade | None:
        """Return the application that has this secret; its sender is told again what it was told."""
        stored = await applications.by_token(self._pool, token_hash(secret))
        if stored is None:
            return None
        audited_call.speaks(stored.institution_id, "link", "applicant", application_id=stored.application_id)
        return ApplicationMade(
            application_id=stored.application_id,
            state=stored.state,
            created_at=from_datetime(stored.created_at),
            due_at=from_datetime(stored.due_at),
            link=self.link_of(secret),
            secret=secret,
        )

    async def _apply(
        self, tenant: Tenant, body: ApplicationBody, secret: str, keyed: KeyedRequest | None = None
    ) -> ApplicationMade:
        applicant = Applicant(**{name: getattr(body, name) for name in Applicant.__struct_fields__})
        _check_readable(applicant)
        checked = await self._check.check(body.evidence)
        application_id = ApplicationId(str(uuid.uuid4()))
        audited_call.speaks(tenant.institution_id, "link", "applicant", application_id=application_id)
        learner_id = LearnerId(str(uuid.uuid4()))
        due_at = self._due_at(tenant)

        async def work(connection: Connection) -> ApplicationMade:
            # (1) A bound on what waits; (2) a learner of its own, with a key; (3) all under that key; (4) at once.
            if await applications.count_open(connection, tenant.institution_id) >= self._open_max:
                raise TooManyApplicationsProblem(
                    "Too many applications wait for a decision; ask the institution itself"
                )
            learner = learners.StoredLearner(learner_id=learner_id, ref=ref_of(application_id))
            await learners.get_or_add(connection, tenant.institution_id, [learner])
            key = (await self._learner_keys.made([learner_id]))[learner_id]
            assert key is not None, "it was made just now, and nobody else knows its learner"
            new = applications.NewApplication(
                application_id=application_id,
                institution_id=tenant.institution_id,
                learner_id=learner_id,
                token_hash=token_hash(secret),
                programme=body.programme,
                is_public=body.publish,
                sealed_applicant=key.seal(_ENCODE(applicant), "application", application_id),
                due_at=due_at,
            )
            items = await asyncio.to_thread(_sealed, key, application_id, checked)
            created_at = await applications.add(connection, new, items)
            made = await self._at_once.decide(connection, tenant, new, list(zip(items, checked, strict=True)))
            state = state_of(items, made)
            await applications.set_state(connection, application_id, state)
            return ApplicationMade(
                application_id=application_id,
                state=state,
                created_at=from_datetime(created_at),
                due_at=from_datetime(due_at),
                link=self.link_of(secret),
                secret=secret,
            )

        return await self._idempotency.run_once(keyed, ApplicationMade, work, is_secret=True)

    def _due_at(self, tenant: Tenant) -> datetime:
        return datetime.now(UTC) + timedelta(days=tenant.decide_within_days or self._due_days)

    def link_of(self, secret: str) -> str:
        """Return the address of an application's own page."""
        return f"{self._public_url.rstrip('/')}/applications/{secret}"

    async def by_secret(self, secret: str) -> StoredApplication:
        """Return the application that a secret link leads to; raises `UnknownApplicationProblem`."""
        stored = await applications.by_token(self._pool, token_hash(secret))
        if stored is None:
            raise UnknownApplicationProblem("This link leads to no application: it must be copied whole")
        audited_call.speaks(stored.institution_id, "link", "application", application_id=stored.application_id)
        return stored

    async def seen(self, secret: str) -> ApplicationSeen:
        """Return how an application stands, for whoever has its link."""
        stored = await self.by_secret(secret)
        tenant = await tenants.by_id(self._pool, stored.institution_id)
        items: Sequence[ItemSeen] = ()
        if not stored.is_erased:
            key = (await self._learner_keys.known([stored.learner_id]))[stored.learner_id]
            items = await self._items(key, tenant.did, stored) if key else ()
        return ApplicationSeen(
            state=stored.state,
            institution=tenant.slug,
            legal_name=tenant.legal_name,
            programme=stored.programme,
            programme_title=title_of(tenant, stored.programme),
            publish=stored.is_public,
            created_at=from_datetime(stored.created_at),
            due_at=from_datetime(stored.due_at),
            items=tuple(items),
            is_erased=stored.is_erased,
        )

    async def _items(self, key: DataKey, own: Did, stored: StoredApplication) -> list[ItemSeen]:
        found = await applications.items(self._pool, [stored.application_id])
        made = await applications.decisions(self._pool, [stored.application_id])
        grounds = await grounds_of(self._pool, own, (each.agreement for each in made))
        return [_seen(key, item, [each for each in made if each.number == item.number], grounds) for item in found]

    async def appeal(self, secret: str, number: int, text: str) -> None:
        """Ask for another decision, by another person, on what was not recognised in full; once.

        The same words again change nothing.
        Raises `UnknownApplicationProblem`, `UnknownItemProblem`, `NoAppealProblem`, `ApplicationClosedProblem`.
        """
        check_texts([("/text", text)])
        known = await self.by_secret(secret)

        async def work(connection: Connection) -> None:
            stored = await applications.lock(connection, known.institution_id, known.application_id)
            assert stored is not None, "nothing removes an application"
            key = await self._open_key(stored)
            item = item_of(await applications.items(connection, [stored.application_id]), number)
            made = await applications.decisions(connection, [stored.application_id])
            if _appealed(key, item) == text:
                return  # sent again
            if not may_appeal(item, [each for each in made if each.number == number]):
                raise NoAppealProblem("An appeal is made once, against a decision that does not recognise in full")
            sealed = key.seal(text.encode(), "application-appeal", name_of(stored.application_id, number))
            due_at = self._due_at(await tenants.by_id(connection, stored.institution_id))
            await applications.appeal(connection, stored.application_id, number, sealed, due_at=due_at)
            await applications.set_state(connection, stored.application_id, "open")

        await self._unit_of_work.in_transaction(work)

    async def _open_key(self, stored: StoredApplication) -> DataKey:
        key = None
        if not stored.is_erased and stored.state in {"open", "decided"}:
            key = (await self._learner_keys.known([stored.learner_id]))[stored.learner_id]
        if key is None:
            raise ApplicationClosedProblem("It was withdrawn, or erased with its applicant")
        return key

    async def withdraw(self, secret: str) -> None:
        """Withdraw an application and erase all that was written, shown and decided in it; again changes nothing."""
        known = await self.by_secret(secret)

        async def work(connection: Connection) -> None:
            stored = await applications.lock(connection, known.institution_id, known.application_id)
            assert stored is not None, "nothing removes an application"
            if stored.ref is not None:
                await learners.erase(connection, stored.institution_id, stored.ref)

        await self._unit_of_work.in_transaction(work)
        # If we crash here, the learner is erased and the key is still there: the next start or sweep destroys it.
        await self._learner_keys.destroy_erased(self._pool)

    async def sweep(self) -> int:
        """Erase applications that are closed for too long; return how many. Keys go with the next sweep of requests."""
        async with transaction(self._pool) as connection:
            # (1) Whose they may be; (2) their rules stay as they are; (3) what is kept for too long by these.
            whose = await applications.with_lapsing(connection, days=self._kept_days, limit=_SWEEP_ROWS)
            await retention.hold(connection, whose)
            found = await applications.lapsing(connection, whose, days=self._kept_days, limit=_SWEEP_ROWS)
            for stored in found:
                await applications.set_state(connection, stored.application_id, "lapsed")
                if stored.ref is not None:
                    await learners.erase(connection, stored.institution_id, stored.ref)
            if found:
                await audit_trail.add(connection, [_lapsed(stored) for stored in found])
        if found:
            await self._learner_keys.destroy_erased(self._pool)
        return len(found)


def _told(tenant: Tenant, made: ApplicationMade) -> ApplicationMade:
    """Return what an applicant is told, and whose application it is to the audit trail."""
    audited_call.speaks(tenant.institution_id, "link", "applicant", application_id=made.application_id)
    return made


def _appealed(key: DataKey, item: SealedEvidence) -> str | None:
    """Return the words in which it was appealed against what was decided on a piece of evidence."""
    if item.sealed_appeal is None:
        return None
    return key.open(item.sealed_appeal, "application-appeal", name_of(item.application_id, item.number)).decode()


def _lapsed(stored: StoredApplication) -> AuditRecord:
    return AuditRecord(
        institution=stored.institution_id,
        at=from_datetime(datetime.now(UTC)),
        actor="retention",
        operation="lapse_application",
        subjects={"application_id": stored.application_id},
    )


def item_of(items: Sequence[SealedEvidence], number: int) -> SealedEvidence:
    """Return the piece of evidence of that number; raises `UnknownItemProblem`."""
    found = next((item for item in items if item.number == number), None)
    if found is None:
        raise UnknownItemProblem(
            sentence("The evidence of the application is numbered from 1 to {count}", count=len(items))
        )
    return found


def _seen(key: DataKey, item: SealedEvidence, made: Sequence[EvidenceDecision], grounds: Grounds) -> ItemSeen:
    opened = opened_item(key, item)
    return ItemSeen(
        number=item.number,
        title=opened.title,
        verdict=opened.answer.verdict if opened.answer else None,
        decisions=tuple(decision_answer(key, each, grounds) for each in made),
        appeal=opened.appeal,
        may_appeal=may_appeal(item, made),
    )


def _sealed(key: DataKey, name: ApplicationId, checked: Sequence[CheckedEvidence]) -> list[SealedEvidence]:
    """Return the evidence of an application as it is stored; twelve megabytes of it take a while."""
    return [sealed_item(key, name, number, each) for number, each in enumerate(checked, 1)]


def _check_readable(applicant: Applicant) -> None:
    stated = ((f"/{name}", getattr(applicant, name)) for name in ("given_name", "family_name", "statement"))
    check_texts((pointer, text) for pointer, text in stated if text is not None)
    check_address(applicant.email, "/email")
