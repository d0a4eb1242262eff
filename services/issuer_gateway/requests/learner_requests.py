"""Requests for achievements as learners see them: made without an account, looked up and withdrawn by a secret link.

Until a request is accepted its learner is a learner of the institution with a ref of its own (`request-…`), under whose
key everything personal lies; withdrawing or lapsing erases that learner, and so does `DELETE /v1/learners/{ref}`.
"""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import msgspec

from proto.documents.wording import check_address, check_texts
from proto.ids import AchievementId, LearnerId, RequestId
from proto.moment import from_datetime
from proto.number_words import number_of
from proto.problem import BusyProblem, ConflictProblem, NotFoundProblem, Problem, UnavailableProblem
from proto.wire.requests import RequestBody, RequestMade, RequestSeen, RequestState, Wish
from services.edge import token_hash
from services.issuer_gateway.achievements import achievement_commands
from services.issuer_gateway.domain.tenant import Tenant, institution_answer
from services.issuer_gateway.institutions import institution_commands
from services.issuer_gateway.keys.keystore import DataKey
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.log.log_state import FollowedLogState
from services.issuer_gateway.metrics import AwardMetrics
from services.issuer_gateway.store import achievements, claims, followed_log, learners, requests, tenants
from services.issuer_gateway.unit_of_work import audited_call
from services.issuer_gateway.unit_of_work.idempotency import Idempotency, KeyedRequest
from services.issuer_gateway.unit_of_work.transactions import UnitOfWork
from services.persistence.postgres import Connection, Pool, transaction
from services.persistence.postgres_errors import TAKEN_ERRORS

REQUEST_PREFIX = "cfr_"
"""What every request's secret begins with, so that scanners find lost ones."""
_SWEEP_SECONDS = 3_600.0
_SWEEP_ROWS = 100
_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(Wish).decode


class NotAskableProblem(ConflictProblem):
    """The institution takes no requests for this achievement."""

    slug = "takes-no-requests"
    title = "Nobody can ask for this achievement here"


class TooManyRequestsProblem(UnavailableProblem):
    """So many requests wait for the institution that it takes no more now."""

    slug = "too-many-open-requests"
    title = "The institution takes no more requests now"
    retry_after_seconds = 3_600


class UnknownRequestProblem(NotFoundProblem):
    """No request has this id, or this link."""

    slug = "unknown-request"
    title = "No such request"


class RequestDecidedProblem(ConflictProblem):
    """The request was decided already; the member `state` says how, `credential_id` to what it led."""

    slug = "request-decided"
    title = "The request was decided already"

    def __init__(self, stored: requests.StoredRequest) -> None:
        members = {"state": stored.state} | ({"credential_id": stored.credential_id} if stored.credential_id else {})
        super().__init__(f"It is {stored.state}; a request is decided once", members=members)


class RequestLinkEndedProblem(Problem):
    """The link of a request works no more: its time is over, or its learner has ended it."""

    slug = "request-link-ended"
    title = "This link works no more"
    status = 410


class RequestStillOpenProblem(ConflictProblem):
    """The link of an open request is the only way to it, and cannot be ended."""

    slug = "request-still-open"
    title = "The request was not decided yet"


def provisional_ref(request_id: RequestId) -> str:
    """Return the learner's ref of a request that was not accepted yet."""
    return f"request-{request_id}"


def sealed_wish(key: DataKey, wish: Wish, request_id: RequestId) -> bytes:
    """Return what the learner said, sealed under the learner's key."""
    return key.seal(_ENCODE(wish), "request", request_id)


async def key_of(learner_keys: LearnerKeys, stored: requests.StoredRequest) -> DataKey | None:
    """Return the key of a request's learner, None where the learner was erased."""
    if stored.is_erased:
        return None
    return (await learner_keys.known([stored.learner_id]))[stored.learner_id]


def wish_of(key: DataKey, stored: requests.StoredRequest) -> Wish:
    """Return what the learner said."""
    return _DECODE(key.open(stored.sealed_content, "request", stored.request_id))


def reason_of(key: DataKey, stored: requests.StoredRequest) -> str | None:
    """Return why a request was rejected."""
    if stored.sealed_reason is None:
        return None
    return key.open(stored.sealed_reason, "request-reason", stored.request_id).decode()


class LearnerRequests:
    """Requests of learners. An institution has at most `open_max` that wait; none is kept longer than `kept_days`."""

    def __init__(
        self,
        pool: Pool,
        unit_of_work: UnitOfWork,
        learner_keys: LearnerKeys,
        *,
        idempotency: Idempotency,
        log_state: FollowedLogState,
        metrics: AwardMetrics,
        public_url: str,
        open_max: int,
        kept_days: int,
        link_days: int,
    ) -> None:
        self._pool = pool
        self._unit_of_work = unit_of_work
        self._learner_keys = learner_keys
        self._idempotency = idempotency
        self._log_state = log_state
        self._metrics = metrics
        self._public_url = public_url
        self._open_max = open_max
        self._kept_days = kept_days
        self._link_lasts = timedelta(days=link_days)

    async def askable(self, slug: str, achievement_id: AchievementId) -> tuple[Tenant, achievements.StoredAchievement]:
        """Return institution and achievement; raises `NotAskableProblem` where it takes no requests."""
        tenant = await institution_commands.tenant_of(self._pool, slug)
        stored = await achievement_commands.get(self._pool, tenant, achievement_id)
        if not stored.achievement.takes_requests:
            raise NotAskableProblem(f"{tenant.legal_name} takes no requests for it here; ask the institution itself")
        async with transaction(self._pool) as connection:
            book = await followed_log.book_of_issuers(connection, {tenant.did})
        state = institution_answer(tenant, book, now=self._log_state.now()).state
        if state in {"not-admitted", "closed"}:
            raise NotAskableProblem(f"{tenant.legal_name} cannot award anything: on the log it is {state}")
        return tenant, stored

    async def ask(
        self, body: RequestBody, *, secret: str | None = None, keyed: KeyedRequest | None = None
    ) -> RequestMade:
        """Take a request and return its secret link, which is shown this once.

        With a `secret` that a request has already, or as a request that was carried out, the one of then is returned:
        it was sent twice.

        Raises `UnknownInstitutionProblem`, `NoSuchAchievementProblem`, `NotAskableProblem`, `TooManyRequestsProblem`.
        """
        if (known := await self._idempotency.answered(keyed, RequestMade)) is not None:
            return _told(keyed, known)
        tenant, achievement = await self.askable(body.institution, body.achievement)
        if secret is None:
            secret = institution_commands.new_token(REQUEST_PREFIX)
            return _told(keyed, await self._ask(tenant, achievement, body, secret, keyed))
        try:
            return await self._made_before(secret) or await self._ask(tenant, achievement, body, secret)
        except TAKEN_ERRORS:
            made = await self._made_before(secret)
            if made is None:
                raise
            return made

    async def _made_before(self, secret: str) -> RequestMade | None:
        """Return the request that has this secret; its sender is told again what it was told."""
        stored = await requests.by_token(self._pool, token_hash(secret))
        if stored is None:
            return None
        audited_call.speaks(stored.institution_id, "link", "request", request_id=stored.request_id)
        return RequestMade(
            request_id=stored.request_id,
            state=stored.state,
            created_at=from_datetime(stored.created_at),
            link=self.link_of(secret),
            secret=secret,
        )

    async def _ask(
        self,
        tenant: Tenant,
        achievement: achievements.StoredAchievement,
        body: RequestBody,
        secret: str,
        keyed: KeyedRequest | None = None,
    ) -> RequestMade:
        request_id = RequestId(str(uuid.uuid4()))
        learner_id = LearnerId(str(uuid.uuid4()))
        audited_call.speaks(tenant.institution_id, "link", "request", request_id=request_id)
        wish = Wish(**{name: getattr(body, name) for name in Wish.__struct_fields__})
        check_readable(wish)

        async def work(connection: Connection) -> RequestMade:
            # (1) A bound on what waits; (2) a learner of the request's own, with a key; (3) the request under that key.
            if await requests.count_open(connection, tenant.institution_id) >= self._open_max:
                raise TooManyRequestsProblem("Too many requests wait for a decision; ask later, or ask the institution")
            learner = learners.StoredLearner(learner_id=learner_id, ref=provisional_ref(request_id))
            await learners.get_or_add(connection, tenant.institution_id, [learner])
            key = (await self._learner_keys.made([learner_id]))[learner_id]
            assert key is not None, "it was made just now, and nobody else knows its learner"
            created_at = await requests.add(
                connection,
                requests.NewRequest(
                    request_id=request_id,
                    institution_id=tenant.institution_id,
                    achievement_id=achievement.achievement_id,
                    learner_id=learner_id,
                    token_hash=token_hash(secret),
                    sealed_content=sealed_wish(key, wish, request_id),
                ),
            )
            return RequestMade(
                request_id=request_id,
                state="open",
                created_at=from_datetime(created_at),
                link=self.link_of(secret),
                secret=secret,
            )

        made = await self._idempotency.run_once(keyed, RequestMade, work, is_secret=True)
        if made.request_id == request_id:
            self._metrics.requests.labels("open").inc()
        return made

    def link_of(self, secret: str) -> str:
        """Return the address of a request's own page."""
        return f"{self._public_url.rstrip('/')}/requests/{secret}"

    async def by_secret(self, secret: str) -> requests.StoredRequest:
        """Return the request that a secret link leads to; raises `UnknownRequestProblem`, `RequestLinkEndedProblem`."""
        stored = await requests.by_token(self._pool, token_hash(secret))
        if stored is None:
            raise UnknownRequestProblem("This link leads to no request: it must be copied whole")
        audited_call.speaks(stored.institution_id, "link", "request", request_id=stored.request_id)
        if stored.link_ended_at is not None:
            raise RequestLinkEndedProblem("It was ended on its page. Ask the institution for what it led to")
        if stored.decided_at is not None and datetime.now(UTC) >= stored.decided_at + self._link_lasts:
            raise RequestLinkEndedProblem(
                f"It works for {number_of(self._link_lasts.days, 'day')} from the decision on. Ask the institution "
                "for what it led to"
            )
        return stored

    async def end_link(self, secret: str) -> None:
        """End the link of a request that was decided; an open request is withdrawn instead.

        Raises as `by_secret`, and `RequestStillOpenProblem`.
        """
        stored = await self.by_secret(secret)
        if stored.state == "open":
            raise RequestStillOpenProblem("It was not decided yet: withdraw it, if you want nothing any more")
        await requests.end_link(self._pool, stored.request_id)

    async def seen(self, secret: str) -> RequestSeen:
        """Return how a request stands, for whoever has its link."""
        stored = await self.by_secret(secret)
        tenant = await tenants.by_id(self._pool, stored.institution_id)
        achievement = (await achievement_commands.get(self._pool, tenant, stored.achievement_id)).achievement
        key = await key_of(self._learner_keys, stored)
        return RequestSeen(
            state=stored.state,
            institution=tenant.slug,
            legal_name=tenant.legal_name,
            achievement=achievement.uri,
            title=achievement.text_in(achievement.title),
            titles=achievement.title,
            created_at=from_datetime(stored.created_at),
            decided_at=from_datetime(stored.decided_at) if stored.decided_at else None,
            reason=reason_of(key, stored) if key else None,
            credential_id=stored.credential_id,
            document=f"{self.link_of(secret)}/document" if stored.credential_id and key else None,
            is_erased=key is None,
        )

    async def withdraw(self, secret: str) -> RequestState:
        """Withdraw an open request and erase what was said in it; again changes nothing.

        Raises `UnknownRequestProblem`, and `RequestDecidedProblem` where the institution was first.
        """
        known = await self.by_secret(secret)

        async def work(connection: Connection) -> None:
            stored = await requests.lock(connection, known.institution_id, known.request_id)
            assert stored is not None, "nothing removes a request"
            if stored.state == "withdrawn":
                return
            if stored.state != "open":
                raise RequestDecidedProblem(stored)
            await requests.close(connection, stored.request_id, "withdrawn")
            await _erase(connection, stored)

        await self._unit_of_work.in_transaction(work)
        # If we crash here, the learner is erased and the key is still there: the next start or sweep destroys it.
        await self._learner_keys.destroy_erased(self._pool)
        return "withdrawn"

    async def sweep(self) -> int:
        """Erase what was said in requests that are too old, and expired awards; return how many requests.

        Then the keys of all who were erased are destroyed, however their erasure came about.
        """
        async with transaction(self._pool) as connection:
            await claims.forget_expired(connection)
            found = await requests.lapsing(connection, days=self._kept_days, limit=_SWEEP_ROWS)
            for stored in found:
                await requests.close(connection, stored.request_id, "lapsed")
                await _erase(connection, stored)
        await self._learner_keys.destroy_erased(self._pool)
        return len(found)

    async def keep_swept(self) -> None:
        """Sweep for ever, each hour; ends by cancellation only."""
        while True:
            while await self.sweep() == _SWEEP_ROWS:
                pass
            await asyncio.sleep(_SWEEP_SECONDS)


def _told(keyed: KeyedRequest | None, made: RequestMade) -> RequestMade:
    """Return what its sender is told, and whose request it is to the audit trail."""
    if keyed is not None:
        audited_call.speaks(keyed.institution_id, "link", "request", request_id=made.request_id)
    return made


def check_readable(wish: Wish) -> None:
    """Raise `InvalidProblem` for a name, message or mail address that nobody can read."""
    stated = ((f"/{name}", getattr(wish, name)) for name in ("given_name", "family_name", "message"))
    check_texts((pointer, text) for pointer, text in stated if text is not None)
    check_address(wish.email, "/email")


async def _erase(connection: Connection, stored: requests.StoredRequest) -> None:
    """Erase what was said in a closed request; the key is to be destroyed after the commit."""
    if await leave(connection, stored) is None and not stored.is_erased:
        # Something else was issued to that learner, and stays: what was said goes by itself.
        nobody = learners.StoredLearner(learner_id=LearnerId(str(uuid.uuid4())), ref=f"left-{stored.request_id}")
        await learners.get_or_add(connection, stored.institution_id, [nobody])
        await requests.detach(connection, stored.request_id, nobody.learner_id)
        await learners.erase(connection, stored.institution_id, nobody.ref)


async def leave(connection: Connection, stored: requests.StoredRequest) -> LearnerId | None:
    """Erase the learner that a request has of its own; return whose key is to be destroyed after the commit.

    None where the learner is another, or where the institution has issued something to it by its ref.
    """
    if stored.ref != provisional_ref(stored.request_id):
        return None
    if await learners.lock_and_count(connection, stored.learner_id):
        return None
    await learners.erase(connection, stored.institution_id, stored.ref)
    return stored.learner_id


def open_key(key: DataKey | None) -> DataKey:
    """Return a key that must be there while its learner is locked; raises `BusyProblem` where an erasure was first."""
    if key is None:
        raise BusyProblem("The learner is being erased; send this again for a new one")
    return key
