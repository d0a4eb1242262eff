"""From an opened envelope to an event that may be sequenced: known events, keys, signatures. Appends nothing.

Cheapest first, so that nobody makes the ledger do cryptography for nothing (DESIGN 4): (1) events on the log are
answered, (2) unknown keys refused, (3) signatures checked in threads, during which libsodium lets the event loop run.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from proto import events
from proto.ids import KeyId, owner_of
from proto.keys import decode_public_key, is_signature
from proto.lifecycle import SIGNING_PURPOSES, BadSignatureRefusal, Book
from proto.lifecycle.refusals import AlreadyExistsRefusal, KeyPurposeRefusal, UnknownKeyRefusal
from proto.problem import BusyProblem, OutcomeUnknownProblem, Problem
from services.edge.log import Log
from services.edge.problems import InternalProblem
from services.ledger.metrics import SequencingMetrics
from services.ledger.sequencing.free_space import FreeSpace
from services.ledger.sequencing.sequencer import NotAppendedProblem, Sequencer
from services.ledger.sequencing.storage import Storage
from services.ledger.sequencing.submission import QueuedEvent, SequencingAnswer, Submission
from services.persistence.postgres_errors import DATABASE_ERRORS, NotConfirmedProblem

KEYS_REMEMBERED_MAX = 50_000
GROUP_EVENTS_MAX = 512
CHUNK_EVENTS = 64
"""Signatures that one thread checks at a time: enough to outweigh the hand-over, few enough to share the work."""
_Check = tuple[bytes, bytes, bytes]


class Keys:
    """Public keys by key id. Neither ever changes once on the log (DESIGN 3.6), so what is remembered stays true.

    Whether a key may sign now is decided by the rules, when the event is sequenced.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._known: OrderedDict[KeyId, bytes | None] = OrderedDict()

    async def find(self, key_ids: Iterable[KeyId]) -> dict[KeyId, bytes | None]:
        """Return the raw public keys (32 bytes) of those key ids that are on the log; None where one signs no event."""
        wanted = set(key_ids)
        missing = wanted - self._known.keys()
        if missing:
            await self._load(missing)
        found = {key_id: self._known[key_id] for key_id in wanted if key_id in self._known}
        while len(self._known) > KEYS_REMEMBERED_MAX:
            self._known.popitem(last=False)
        return found

    async def _load(self, missing: set[KeyId]) -> None:
        book, owners = Book(), {owner_of(key_id) for key_id in missing}
        await self._storage.load_issuers(book, owners)
        for owner in owners:
            issuer = book.issuer(owner)
            for key in issuer.keys if issuer else ():
                # a key of another purpose signs no event: it is refused before any cryptography, whatever its kind
                self._known[key.key_id] = decode_public_key(key.public_key) if key.purpose in SIGNING_PURPOSES else None


class Intake:
    """Checks submissions, several at a time, and hands what passed to the sequencer in the order sent."""

    def __init__(
        self,
        storage: Storage,
        *,
        sequencer: Sequencer,
        executor: ThreadPoolExecutor,
        events_max: int,
        credentials_max: int,
        append_timeout_ms: int,
        free_space: FreeSpace,
        metrics: SequencingMetrics,
        log: Log,
    ) -> None:
        self._storage = storage
        self._keys = Keys(storage)
        self.free_space = free_space
        self._sequencer = sequencer
        self._executor = executor
        self._events_max = events_max
        self._credentials_max = credentials_max
        self._append_timeout_seconds = append_timeout_ms / 1000
        self._metrics = metrics
        self._log = log
        self._waiting: deque[Submission] = deque()
        self._arrived = asyncio.Event()
        self._under_way = 0
        self._credentials_under_way = 0
        self._being_checked = 0

    @property
    def is_checking(self) -> bool:
        """Whether events are being checked that will reach the sequencer soon."""
        return self._being_checked > 0

    async def submit(self, submission: Submission) -> None:
        """Return when every event of the submission has its outcome.

        Raises `BusyProblem` if there is no room, before anything has happened, and `OutcomeUnknownProblem` if it takes
        too long.
        """
        count, weight = len(submission.events), sum(opened.weight for opened in submission.events)
        if self._under_way + count > self._events_max:
            raise BusyProblem(f"{self._under_way} events are under way; send this again in a moment")
        if self._credentials_under_way + weight > self._credentials_max:
            raise BusyProblem(
                f"Events about {self._credentials_under_way} credentials are under way; send this again in a moment"
            )
        self._count(count, weight)
        submission.done.add_done_callback(lambda _: self._count(-count, -weight))
        self._being_checked += count
        self._waiting.append(submission)
        self._arrived.set()
        try:
            async with asyncio.timeout(self._append_timeout_seconds):
                await asyncio.shield(submission.done)
        except TimeoutError as error:
            raise OutcomeUnknownProblem("Send the same events again to learn what became of them") from error

    def _count(self, change: int, weight: int) -> None:
        self._under_way += change
        self._credentials_under_way += weight
        self._metrics.events_under_way.set(self._under_way)

    async def run(self) -> None:
        """Check group after group, for ever; two of these may run side by side."""
        while True:
            while not self._waiting:
                self._arrived.clear()
                await self._arrived.wait()
            group = self._take()
            try:
                await self._check(group)
            finally:
                self._being_checked -= sum(len(submission.events) for submission in group)
                self._sequencer.offer(())

    def _take(self) -> list[Submission]:
        """Return what waits, whole submissions only, so that the events of each stay in their order."""
        group: list[Submission] = []
        count = 0
        while self._waiting and (not group or count + len(self._waiting[0].events) <= GROUP_EVENTS_MAX):
            group.append(self._waiting.popleft())
            count += len(group[-1].events)
        return group

    async def _check(self, group: list[Submission]) -> None:
        """Run a group through the steps; where one fails nothing has happened, and the senders are told."""
        try:
            await self._answer_known(group)  # (1)
            self._refuse_without_space(group)
            checks = await self._refuse_unknown_keys(group)  # (2)
            await self._refuse_bad_signatures(checks)  # (3)
        except NotConfirmedProblem as error:
            words = f"An event stands on the log already. {error.detail}. Send the same events again"
            self._fail(group, OutcomeUnknownProblem(words), error)
        except DATABASE_ERRORS as error:
            self._fail(group, NotAppendedProblem("The database does not answer; nothing was appended"), error)
        except Exception as error:  # noqa: BLE001 - a fault of ours must not end the service, nor leave senders waiting
            self._fail(group, InternalProblem("The events could not be checked; this is a fault of ours"), error)
        for submission in group:
            self._sequencer.offer([QueuedEvent(submission, position) for position in submission.open_positions()])

    def _fail(self, group: list[Submission], problem: Problem, error: Exception) -> None:
        self._log.failure("check_failed", error, submissions=len(group), problem=problem.slug)
        for submission in group:
            submission.fail(problem)

    async def _answer_known(self, group: Sequence[Submission]) -> None:
        known = await self._storage.places({event.event_id for each in group for event in each.events})
        for submission in group if known else ():
            for position, event in enumerate(submission.events):
                if place := known.get(event.event_id):
                    submission.settle(position, SequencingAnswer(place, is_new=False))

    def _refuse_without_space(self, group: Sequence[Submission]) -> None:
        """Take nothing new while the disk is nearly full; what is on the log was answered before."""
        problem = self.free_space.problem()
        for submission in group if problem else ():
            assert problem is not None
            submission.fail(problem)

    async def _refuse_unknown_keys(self, group: Sequence[Submission]) -> list[tuple[QueuedEvent, _Check]]:
        """Refuse events whose key is not on the log; return what is to be verified for the others."""
        pending = [
            QueuedEvent(submission, position) for submission in group for position in submission.open_positions()
        ]
        keys = await self._keys.find(each.opened.key_id for each in pending)
        checks = []
        for each in pending:
            opened = each.opened
            if isinstance(opened.event, events.LogOpened):
                each.settle(AlreadyExistsRefusal("This log is open already; a log has one opening, entry 0"))
            elif opened.key_id in keys and keys[opened.key_id] is None:
                each.settle(KeyPurposeRefusal(f"{opened.key_id} is not for events: sign with an event key"))
            elif (key := keys.get(opened.key_id)) is None:
                words = f"{opened.key_id} is not on this log; admit the institution or add the key first"
                each.settle(UnknownKeyRefusal(words, pointer="/signatures/0"))
            else:
                checks.append((each, (key, opened.pae, opened.signature)))
        return checks

    async def _refuse_bad_signatures(self, checks: Sequence[tuple[QueuedEvent, _Check]]) -> None:
        loop = asyncio.get_running_loop()
        chunks = [checks[at : at + CHUNK_EVENTS] for at in range(0, len(checks), CHUNK_EVENTS)]
        verified = await asyncio.gather(
            *(loop.run_in_executor(self._executor, _verify, [check for _, check in chunk]) for chunk in chunks)
        )
        for chunk, (results, seconds) in zip(chunks, verified, strict=True):
            self._metrics.signature_seconds.inc(seconds)
            for (pending, _), is_good in zip(chunk, results, strict=True):
                if not is_good:
                    words = f"The signature was not made by {pending.opened.key_id} over these bytes"
                    pending.settle(BadSignatureRefusal(words, pointer="/signatures/0"))


def _verify(checks: Sequence[_Check]) -> tuple[list[bool], float]:
    """Check signatures in a thread of the pool; return the results and the seconds taken."""
    started = time.perf_counter()
    return [is_signature(*check) for check in checks], time.perf_counter() - started
