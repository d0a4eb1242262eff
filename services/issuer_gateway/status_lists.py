"""Status lists at work: places given, bits derived from the followed log, lists signed and published (W3C Bitstring).

Places are taken in blocks that are counted in the database and in the vault before any is used: what a process does not
use until it ends is lost, and no place is given twice, not by several processes, nor after a restore. There a new list
is begun.

The projector sets bits in the transaction that applies the events (`changed`), so a bit is as true as the projection.
A condemned key may touch every credential of an institution: then every bit is derived anew, list by list (`_review`).
"""

import asyncio
import contextlib
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Generic, TypeVar

import msgspec

from proto import events
from proto.documents.status_list import (
    ENTRY_COUNT_MIN,
    allocated_index,
    build_list_credential,
    empty_bits,
    with_bits,
)
from proto.ids import CredentialId, InstitutionId
from proto.lifecycle import Book
from proto.moment import Moment, from_ms, to_ms
from proto.one_of_many import OneOfMany
from proto.problem import NotFoundProblem, Problem
from services.crypto.data_integrity import secure
from services.edge import Log
from services.edge.log import fault_values
from services.follow import Applied
from services.issuer_gateway.domain.places_at_hand import INSTITUTIONS_MAX, Given, PlacesAtHand
from services.issuer_gateway.domain.statuses import is_withdrawn, list_url
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.keys.signing_keys import EventSigner, NoKeyProblem, SigningKeys
from services.issuer_gateway.keys.vault import Vault
from services.issuer_gateway.metrics import AwardMetrics
from services.issuer_gateway.store import followed_log, status_lists, tenants
from services.issuer_gateway.waiting.signals import Signal
from services.persistence.postgres import Connection, Pool, transaction
from services.persistence.postgres_errors import OUTAGE_ERRORS, CommitUnknownError, DatabaseUnavailableProblem

SECRET_BYTES = 32
_Key = TypeVar("_Key", bound=Hashable)
BLOCK_PLACES = 64
PLACES_AHEAD_MAX = 4_096
"""For rows of a file that are still to come. What is at hand is lost with the process; a list has 131,072 places."""
REVIEW_ROWS = 1_000
LISTS_AT_ONCE = 1_000
_MS = 1_000
_HOUR_MS = 3_600_000
_DATED_BACK_MS = 60_000
_WAIT_SECONDS = 1.0


class UnknownStatusListProblem(NotFoundProblem):
    """The institution has no status list of that number."""

    slug = "unknown-status-list"
    title = "No such status list"


async def changed(connection: Connection, book: Book, applied: Sequence[Applied], *, at: Moment) -> None:
    """In the projector's transaction, after the states are saved: set the bits that these events change.

    `at` is the time of the last entry. A first issue sets none; a stack's bit follows its parts.
    """
    names = [name for name in sorted(book.changed_credentials) if _may_be_set(book, name)]
    touched = await status_lists.with_stacks(connection, names) if names else []
    if touched:
        await status_lists.lock_bits(connection)
        await status_lists.set_bits(connection, await _derived(connection, touched, at))
    condemning = [item.opened.event for item in applied if isinstance(item.opened.event, events.IssuerKeyRetired)]
    owners = {event.key_id.partition("#")[0] for event in condemning if event.reason == "compromised"}
    if owners:
        registrar = book.opened_log().registrar
        await status_lists.ask_review(connection, [] if registrar in owners else sorted(owners))


def _may_be_set(book: Book, name: CredentialId) -> bool:
    credential = book.credentials.get(name)
    return credential is not None and (len(credential.lives) > 1 or bool(credential.lives[-1].changes))


async def _derived(connection: Connection, names: list[CredentialId], at: Moment) -> dict[CredentialId, bool]:
    """Return what each place says; what the log refused of us, or another institution took first, never held."""
    book = await followed_log.book_of_credentials(connection, names)
    found = {name: book.credential(name) for name in names}
    owners = await status_lists.owners(connection, names)
    return {
        name: owners[name] != credential.issuer or is_withdrawn(book, credential, at=at)
        for name, credential in found.items()
        if credential
    }


class Locks(Generic[_Key]):
    """One lock for each key, for as long as somebody holds it or waits for it."""

    def __init__(self) -> None:
        self._locks: dict[_Key, tuple[asyncio.Lock, int]] = {}

    def __len__(self) -> int:
        return len(self._locks)

    @contextlib.asynccontextmanager
    async def of(self, key: _Key) -> AsyncIterator[None]:
        """Hold the key's lock while the block runs."""
        lock, count = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, count + 1
        try:
            async with lock:
                yield
        finally:
            lock, count = self._locks.pop(key)
            if count > 1:
                self._locks[key] = lock, count - 1


class StatusLists:
    """The status lists of all institutions of this gateway. `pool` is not the one that requests wait on.

    What is published holds for `valid_hours`; who read it may keep it for `ttl_seconds`.
    """

    def __init__(
        self,
        pool: Pool,
        *,
        keystore: Keystore,
        vault: Vault,
        signing_keys: SigningKeys,
        advanced: Signal,
        valid_hours: int,
        ttl_seconds: int,
        now: Callable[[], Moment],
        log: Log,
        metrics: AwardMetrics,
    ) -> None:
        self._pool = pool
        self._keystore = keystore
        self._vault = vault
        self._signing_keys = signing_keys
        self._advanced = advanced
        self._valid_hours = valid_hours
        self._ttl_seconds = ttl_seconds
        self._now = now
        self._log = log
        self._metrics = metrics
        self._blocks = PlacesAtHand()
        self._taking: Locks[str] = Locks()
        self._publishing: Locks[tuple[str, int]] = Locks()
        self._mute: OrderedDict[str, None] = OrderedDict()
        """Whose list cannot be published, as was said once; who is forgotten, beyond so many, is said again."""

    async def place(self, tenant: Tenant) -> Given:
        """Return a place that nobody had before and nobody gets after; raises `DatabaseUnavailableProblem`."""
        institution_id = tenant.institution_id
        if (place := self._blocks.give(institution_id)) is not None:
            return place
        async with self._taking.of(institution_id):
            if not self._blocks.of(institution_id):
                self._blocks.take_back(await self._take(tenant, BLOCK_PLACES))
            place = self._blocks.give(institution_id)
        assert place is not None, "some were taken just now, and nothing was waited for since"
        return place

    def take_back(self, places: Iterable[Given]) -> None:
        """Have places again that were given for documents which are stored nowhere, and never will be."""
        self._blocks.take_back(places)

    async def reserve(self, tenant: Tenant, count: int, *, following: int = 0) -> None:
        """Have so many places at hand, if the open list has them: one taking for all of a batch's rows.

        Where some are missing, those for `following` rows are taken with them, up to `PLACES_AHEAD_MAX`: each taking
        waits for two disks.
        """
        async with self._taking.of(tenant.institution_id):
            missing = count - len(self._blocks.of(tenant.institution_id))
            if missing > 0:
                wanted = missing + min(following, PLACES_AHEAD_MAX)
                self._blocks.take_back(await self._take(tenant, max(BLOCK_PLACES, wanted)))

    async def _take(self, tenant: Tenant, wanted: int) -> list[Given]:
        """(1) What the vault says was given; (2) count more as given; (3) tell the vault; only then use them."""
        institution_id = tenant.institution_id
        before = await self._vault.given(institution_id)  # (1)
        try:
            async with transaction(self._pool) as connection:  # (2)
                opened = await self._open_list(connection, institution_id, before)
                count = min(wanted, opened.entry_count - opened.allocated_count)
                given = await status_lists.take(connection, institution_id, opened.number, count)
        except CommitUnknownError as error:
            raise DatabaseUnavailableProblem("The database went away; send the same request again") from error
        await self._vault.note_given(institution_id, opened.number, given)  # (3)
        secret = self._keystore.open(opened.sealed_secret, "status-list", _name(institution_id, opened.number))
        url = list_url(tenant.own_prefix, opened.number)
        places = (allocated_index(secret, each, opened.entry_count) for each in range(given - count, given))
        return [Given(institution_id=institution_id, number=opened.number, index=index, url=url) for index in places]

    async def _open_list(
        self, connection: Connection, institution_id: InstitutionId, before: tuple[int, int]
    ) -> status_lists.OpenList:
        """Return the list to take from: the open one unless it is full or its count has gone back (a restore)."""
        opened = await status_lists.open_list(connection, institution_id)
        while opened is None or opened.allocated_count >= opened.entry_count or before > _given(opened):
            number = 1 + max(await status_lists.newest_number(connection, institution_id), before[0])
            sealed = self._keystore.seal(
                secrets.token_bytes(SECRET_BYTES), "status-list", _name(institution_id, number)
            )
            await status_lists.begin(
                connection, institution_id, number, sealed_secret=sealed, entry_count=ENTRY_COUNT_MIN
            )
            self._log.event(
                "status_list_begun", number=number, is_restored=opened is not None and before > _given(opened)
            )
            opened = await status_lists.open_list(connection, institution_id)
        return opened

    async def published(self, tenant: Tenant, number: int) -> status_lists.StoredList:
        """Return a list as signed last, signed now if it is behind; raises `UnknownStatusListProblem`, `NoKeyProblem`.

        Where no key may sign, the list that an earlier one signed is returned: who checks it finds it out.
        """
        stored = await self._get(tenant, number)
        signer = await self._signer(tenant)
        if signer is None:
            if stored.published is None:
                raise NoKeyProblem(f"No key of {tenant.slug} may sign its status list now")
            return stored
        if self._is_behind(stored, signer):
            async with self._publishing.of((tenant.institution_id, number)):
                stored = await self._get(tenant, number)
                if self._is_behind(stored, signer):
                    await self._publish(tenant, stored, signer)
            stored = await self._get(tenant, number)
        return stored

    async def _get(self, tenant: Tenant, number: int) -> status_lists.StoredList:
        stored = await status_lists.get(self._pool, tenant.institution_id, number)
        if stored is None:
            raise UnknownStatusListProblem(f"{tenant.slug} has no status list {number}")
        return stored

    async def _signer(self, tenant: Tenant) -> EventSigner | None:
        try:
            return await self._signing_keys.signer(tenant, "assertion")
        except NoKeyProblem:
            return None

    def _is_behind(self, stored: status_lists.StoredList, signer: EventSigner) -> bool:
        return (
            stored.published is None
            or (stored.version, stored.review) != (stored.published_version, stored.reviewed)
            or stored.published_key_id != signer.key_id
            or stored.refresh_at is None
            or stored.refresh_at <= _datetime(self._now())
        )

    async def _publish(self, tenant: Tenant, stored: status_lists.StoredList, signer: EventSigner) -> None:
        if stored.review != stored.reviewed:
            await self._review(stored)
        bits = await status_lists.bits(self._pool, stored.institution_id, stored.number)
        now = self._now()
        lasting_ms = self._valid_hours * _HOUR_MS
        valid_until = from_ms(to_ms(now) + lasting_ms)
        document = build_list_credential(
            list_url=list_url(tenant.own_prefix, stored.number),
            issuer=tenant.did,
            bits=with_bits(empty_bits(bits.entry_count), dict.fromkeys(bits.places, True)),
            valid_from=from_ms(to_ms(now) - _DATED_BACK_MS),
            valid_until=valid_until,
            ttl_ms=self._ttl_seconds * _MS,
        )
        signed = await asyncio.to_thread(
            secure, document, key_id=signer.key_id, sign=signer.sign, suite="eddsa-rdfc-2022", created=now
        )
        await status_lists.keep_published(
            self._pool,
            stored.institution_id,
            stored.number,
            version=bits.version,
            published=msgspec.json.encode(signed),
            key_id=signer.key_id,
            refresh_at=_datetime(now) + timedelta(milliseconds=lasting_ms // 2),
            valid_until=_datetime(valid_until),
        )
        self._metrics.status_lists_published.inc()

    async def _review(self, stored: status_lists.StoredList) -> None:
        """Derive every bit of a list anew, page by page, and note up to which asking that was done."""
        after, page_size = -1, REVIEW_ROWS
        while page_size == REVIEW_ROWS:
            async with transaction(self._pool) as connection:
                await status_lists.lock_bits(connection)
                page = await status_lists.page(
                    connection, stored.institution_id, stored.number, after=after, limit=REVIEW_ROWS
                )
                position = await followed_log.position(connection)
                at = position.last_received_at if position else None
                if page and at is not None:
                    bits = await _derived(connection, [name for _, name in page], at)
                    await status_lists.set_bits(connection, bits)
            page_size = len(page)
            after = page[-1][0] if page else after
        await status_lists.reviewed(self._pool, stored.institution_id, stored.number, stored.review)

    async def step(self) -> int:
        """Publish every list that is behind; return how many. Those that nobody may sign now keep no other waiting."""
        count, after = 0, None
        while lists := await status_lists.behind(self._pool, after=after, limit=LISTS_AT_ONCE):
            for stored in lists:
                after = stored.institution_id, stored.number
                await self._bring_up(stored)
            count += len(lists)
        return count

    async def _bring_up(self, stored: status_lists.StoredList) -> None:
        """Publish one list; whatever breaks over it is said once, and is its own."""
        tenant = await tenants.by_id(self._pool, stored.institution_id)
        with OneOfMany(*OUTAGE_ERRORS) as this:
            await self.published(tenant, stored.number)
        if this.broken is None:
            self._mute.pop(tenant.slug, None)
        else:
            self._warn_once(tenant.slug, this.broken)

    def _warn_once(self, slug: str, error: Exception) -> None:
        if slug not in self._mute:
            values = {"detail": error.detail} if isinstance(error, Problem) else fault_values(error)
            self._log.warning("status_list_not_published", slug=slug, **values)
        self._mute[slug] = None
        if len(self._mute) > INSTITUTIONS_MAX:
            self._mute.popitem(last=False)

    async def run(self) -> None:
        """Publish for ever what is behind, at once when the projection moves; errors of the database are raised."""
        while True:
            await self.step()
            await self._advanced.wait(_WAIT_SECONDS)


def _name(institution_id: InstitutionId, number: int) -> str:
    return f"{institution_id}\n{number}"


def _given(opened: status_lists.OpenList) -> tuple[int, int]:
    return opened.number, opened.allocated_count


def _datetime(moment: Moment) -> datetime:
    return datetime.fromisoformat(moment)
