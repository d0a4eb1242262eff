"""Mirrors and witnesses of a ledger whose database becomes an earlier state, on which others append, while it runs.

What was published is in the process's own memory then, and the database holds other entries in their places.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from proto.ids import Origin, TreeSize
from proto.log.checkpoint import OpenedCheckpoint, open_checkpoint
from proto.log.note_key import parse_vkey
from proto.log.policy import PolicyWitness
from services.edge.log import Log
from services.ledger.metrics import PublishingMetrics
from services.ledger.mirrors.folder_mirror import FolderMirror
from services.ledger.mirrors.mirror import MirrorConflictFault, UnlikePublishedProblem, copy_growth, keep_mirror
from services.ledger.publishing.publication import Publication, Published
from services.ledger.witnesses.asked_witness import AskedWitness
from services.ledger.witnesses.witness_client import WitnessClient
from services.ledger.witnesses.witness_metrics import WitnessMetrics
from services.ledger.witnesses.witness_proofs import Proofs
from services.persistence import postgres
from services.persistence.postgres import Pool
from tests.support.database_copies import copied, execute, on
from tests.support.databases import Database, MakeDatabase
from tests.support.ledgers import Registrar, RunningLedger, running_ledger, until
from tests.support.witnesses import Served, running_witness

ENTRIES = 300
SHOWN = TreeSize(2)


class Histories:
    """Two databases of one log of the same size: what was published, and what others appended to an earlier state."""

    def __init__(self, ledger: RunningLedger, first: bytes, last: bytes, published: Pool, other: Pool) -> None:
        self.ledger, self.published, self.other = ledger, published, other
        self.verifier = parse_vkey(ledger.verifier_key)
        self.first, self.last = self._opened(first), self._opened(last)

    def _opened(self, note: bytes) -> OpenedCheckpoint:
        return open_checkpoint(note, self.verifier)

    def shown(self, opened: OpenedCheckpoint) -> Published:
        checkpoint = opened.checkpoint
        return Published(size=checkpoint.size, root_hash=checkpoint.root_hash, note=opened.encoded)


@contextlib.asynccontextmanager
async def reading(database: Database) -> AsyncIterator[Pool]:
    pool = await postgres.create_pool(database.running_url, application_name="test")
    try:
        yield pool
    finally:
        await postgres.close_pool(pool)


@pytest.fixture
async def histories(make_database: MakeDatabase, tmp_path: Path) -> AsyncIterator[Histories]:
    async with running_ledger(make_database, tmp_path / "ledger", Registrar()) as ledger:
        college = await ledger.admit("college")
        first = await ledger.published(SHOWN)
        await ledger.stop()
        async with copied(ledger) as earlier:
            await ledger.start()
            await ledger.submit(ledger.registrar.issues(college, ENTRIES))
            last = await ledger.published(SHOWN + ENTRIES)
            await ledger.stop()
            keyless = RunningLedger(ledger.config, ledger.database, ledger.registrar, ledger.session)
            on(keyless, earlier)
            keyless.config = replace(keyless.config, port=0, log_key_file=None, state_folder=None)
            await keyless.start()
            await keyless.submit(ledger.registrar.issues(college, ENTRIES, "other"))
            await keyless.stop()
            async with reading(ledger.database) as published, reading(earlier) as other:
                yield Histories(ledger, first, last, published, other)


def metrics() -> PublishingMetrics:
    return PublishingMetrics(CollectorRegistry())


def offering(served: Served, ledger: RunningLedger) -> Callable[[Proofs], AskedWitness]:
    """Return what asks the witness as the publisher of this ledger does, with proofs of either database."""

    def asked(proofs: Proofs) -> AskedWitness:
        return AskedWitness(
            PolicyWitness(name="w", key=served.key.verifier, url=served.url),
            WitnessClient(ledger.session, served.url, timeout_seconds=5.0),
            log_key=parse_vkey(ledger.verifier_key),
            prover=proofs,
            metrics=WitnessMetrics(CollectorRegistry()),
            log=Log("ledger", ledger.log),
        )

    return asked


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


async def test_a_mirror_takes_nothing_of_a_database_that_does_not_hold_what_was_published(
    histories: Histories, tmp_path: Path
) -> None:
    mirror = FolderMirror(tmp_path / "mirror", histories.verifier)
    await copy_growth(mirror, histories.published, TreeSize(0), histories.shown(histories.first))
    before = files(mirror.folder)
    with pytest.raises(UnlikePublishedProblem, match="Nothing is mirrored until they are back"):
        await copy_growth(mirror, histories.other, SHOWN, histories.shown(histories.last))
    await is_delayed(mirror, histories)
    assert files(mirror.folder) == before, "no byte of the other history lies in an immutable place"

    tile = "UPDATE tile SET hashes = set_byte(hashes, 100, get_byte(hashes, 100) # 255) WHERE level = 0"
    altered = ("ALTER TABLE tile DISABLE TRIGGER ALL", tile, "ALTER TABLE tile ENABLE TRIGGER ALL")
    await execute(histories.ledger.database, "CREATE TABLE kept AS SELECT * FROM tile", *altered)
    with pytest.raises(UnlikePublishedProblem):  # the right edge alone is as it was signed
        await copy_growth(mirror, histories.published, SHOWN, histories.shown(histories.last))
    assert not (mirror.folder / "tile/entries/000").exists()
    same = "(tile.level, tile.tile_index) = (kept.level, kept.tile_index)"
    back = f"UPDATE tile SET hashes = kept.hashes FROM kept WHERE {same}"
    await execute(histories.ledger.database, altered[0], back, altered[2], "DROP TABLE kept")

    await copy_growth(mirror, histories.published, SHOWN, histories.shown(histories.last))
    shown = await mirror.published()
    assert shown is not None
    assert shown.size == SHOWN + ENTRIES
    await refuses_to_start(mirror, histories)


async def is_delayed(mirror: FolderMirror, histories: Histories) -> None:
    """The process that mirrors waits: one that ended would forget, until its next start, how much was published."""
    publication, stopping = Publication(histories.verifier, metrics()), asyncio.Event()
    publication.set(histories.last.encoded)
    log = Log("ledger", histories.ledger.log)
    keeping = asyncio.create_task(keep_mirror(mirror, histories.other, publication, stopping, log))

    async def is_told() -> bool | None:
        return b"mirror_delayed" in histories.ledger.log.getvalue() or None

    await until(is_told, "the log of the ledger says why nothing is mirrored")
    assert not keeping.done()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


async def refuses_to_start(mirror: FolderMirror, histories: Histories) -> None:
    """A process that begins on the earlier database, beside a mirror that shows more, is told so and ends."""
    before, publication = files(mirror.folder), Publication(histories.verifier, metrics())
    publication.set(histories.first.encoded)  # as the earlier database shows it
    log = Log("ledger", histories.ledger.log)
    with pytest.raises(MirrorConflictFault, match="an earlier state"):
        await keep_mirror(mirror, histories.other, publication, asyncio.Event(), log)
    assert files(mirror.folder) == before


async def test_a_witness_cosigns_nothing_by_proofs_of_another_history_and_is_not_taken_for_a_liar(
    histories: Histories, tmp_path: Path
) -> None:
    ledger = histories.ledger
    async with running_witness("w", tmp_path, histories.verifier) as served:
        offer = offering(served, ledger)
        assert await offer(Proofs(histories.published)).cosignature(histories.first) is not None
        asked = offer(Proofs(histories.other))
        assert await asked.cosignature(histories.last) is None
        assert asked.stopped is None
        assert b"does not hold the tree that was signed" in ledger.log.getvalue()
        shown = await WitnessClient(ledger.session, served.url, timeout_seconds=5.0).last_cosigned(
            Origin(histories.verifier.name)
        )
        assert shown is not None
        assert open_checkpoint(shown, histories.verifier).checkpoint.size == SHOWN
        assert await offer(Proofs(histories.published)).cosignature(histories.last) is not None
