"""Offline bundles (`proto.bundles.bundle`), made from the log's own states, entries and tiles. Speaks no SQL.

What is handed out was verified as whoever receives it will: a ledger whose database was altered hands out nothing.
"""

import asyncio
from collections.abc import Sequence

import msgspec
from aiohttp import web

from proto.bundles.bundle import (
    BUNDLE_ENTRIES_MAX,
    MEDIA_TYPE,
    Bundle,
    BundledEntry,
    BundlePart,
    bundled,
    encode_bundle,
)
from proto.bundles.check import FaultyBundleProblem, check_bundle, require_faultless
from proto.bundles.scope import by_log, entries_about
from proto.ids import CredentialId, LeafIndex, TreeSize
from proto.lifecycle import ROUNDS_MAX, Book, credential_needs
from proto.log import entry as entries
from proto.log.policy import Policy
from proto.log.tile_proof import inclusion_proof, tiles_for_inclusion
from proto.problem import MalformedProblem, NotFoundProblem, Problem
from proto.wire.paths import CredentialPath
from services.clients.log_client import LogAnswerProblem, LogProblem, LogUnreachableProblem
from services.edge import Media, Reply, Route
from services.ledger import store
from services.ledger.http.proof_routes import NotPublishedProblem
from services.ledger.http.read_routes import NO_STORE
from services.ledger.publishing.publication import Published
from services.ledger.service import LEDGER
from services.ledger.succession.predecessor_logs import InheritedBundleProblem, OlderLogs
from services.persistence import postgres_states
from services.persistence.postgres import Pool

OLDER_LOGS_SECONDS = 15.0


class BundleTooLargeProblem(Problem):
    """More entries belong into the bundle than one may hold."""

    slug = "bundle-too-large"
    title = "The bundle would be too large"
    status = 422


class UnprovenBundleProblem(Problem):
    """What the database returned is not what the log signed; the member `faults` says where."""

    slug = "bundle-unproven"
    title = "The bundle could not be verified, so it is not handed out"
    status = 500


async def bundle(request: web.Request, *, path: CredentialPath) -> Reply:
    """Return all that shows offline that a credential is authentic, verified before it is handed out."""
    ledger = request.app[LEDGER]
    published = ledger.publication.now
    book = await _book_about(ledger.pool, path.credential_id)
    if book.credential(path.credential_id) is None:
        raise NotFoundProblem("No credential of this id is on the log")
    try:
        async with asyncio.timeout(OLDER_LOGS_SECONDS):
            parts, indices = await _found(ledger.older_logs, book, path.credential_id, published)
    except TimeoutError as error:
        raise LogUnreachableProblem(
            f"The logs that this one continues did not answer within {OLDER_LOGS_SECONDS:g} seconds: ask again"
        ) from error
    latest = LeafIndex(published.size - 1)
    found = await _bundled(ledger.pool, sorted({*indices, latest}), published)
    made = Bundle(
        media_type=MEDIA_TYPE,
        credential_id=path.credential_id,
        predecessors=parts or msgspec.UNSET,
        checkpoint=published.note.decode(),
        entries=tuple(found[: len(indices)]),
        latest=found[-1] if len(found) > len(indices) else msgspec.UNSET,
    )
    data = await asyncio.to_thread(_verified, made, ledger.policy)
    return Reply(data, headers={**NO_STORE, "Content-Type": MEDIA_TYPE})


async def _found(
    older_logs: OlderLogs, book: Book, credential_id: CredentialId, published: Published
) -> tuple[tuple[BundlePart, ...], list[LeafIndex]]:
    """Return the parts of the logs that this one continues, and the indices of its own entries."""
    log = book.opened_log()
    older, openings = await older_logs.before(log.predecessor, log.first_stamp)
    size = TreeSize(log.first_stamp + published.size)
    counted = entries_about(book, credential_id, size, openings=openings)
    if not counted:
        raise NotPublishedProblem("The credential is on the log, and its issue is not published yet: ask again shortly")
    if len(counted) > BUNDLE_ENTRIES_MAX:
        raise BundleTooLargeProblem(f"{len(counted)} entries belong into it; at most {BUNDLE_ENTRIES_MAX} are bundled")
    *earlier, indices = by_log(counted, [*(stamp.index for stamp in openings), log.first_stamp])
    return await older_logs.parts(older, earlier), indices


def _verified(made: Bundle, policy: Policy) -> bytes:
    """Return a bundle's bytes after checking it as its receiver will; a large one takes a while.

    Raises `BundleTooLargeProblem` where nobody would read it: events about many credentials are large.
    """
    try:
        data = encode_bundle(made)
        require_faultless(check_bundle(made, policy))
    except MalformedProblem as problem:
        words = f"{problem.detail}. Ask for the bundles of its components one by one"
        raise BundleTooLargeProblem(words) from problem
    except FaultyBundleProblem as problem:
        raise UnprovenBundleProblem(problem.detail, members=problem.members) from problem
    return data


async def _book_about(pool: Pool, credential_id: CredentialId) -> Book:
    """Return a book with the credential, its parts, and all who said something about them."""
    book = Book()
    async with pool.acquire() as connection:
        await postgres_states.load_log(connection, book)
        for _ in range(ROUNDS_MAX + 1):
            missing = credential_needs(book, (credential_id,))
            if missing.is_empty:
                break
            await postgres_states.load(connection, book, missing)
    return book


async def _bundled(pool: Pool, indices: Sequence[LeafIndex], published: Published) -> list[BundledEntry]:
    """Return these entries, each with its inclusion proof in the published tree."""
    wanted = {tile for index in indices for tile in tiles_for_inclusion(index, published.size)}
    tiles = await store.tiles(pool, wanted)
    stored = await store.entries_at(pool, indices)
    return [
        bundled(entries.decode(found.data), inclusion_proof(found.index, published.size, tiles)) for found in stored
    ]


_DESCRIPTION = """The entry that issued the credential and those that it rests on (opening of the log, admission of the
issuer, addition of keys, parts of a stack), what was said against any of it, each with its inclusion proof, and one
signed checkpoint. Where the log continues others, what stands on them comes with their last checkpoints
(`CREDENTIFY_LEDGER_PREDECESSORS`). `credentify verify --offline` reads it. It shows that a credential is authentic as
of the time of the checkpoint, and can never show that it still holds."""


def bundle_routes() -> list[Route]:
    """Return the one route of bundles."""
    return [
        Route(
            "GET",
            "/v1/bundles/{credential_id}",
            bundle,
            operation="read_bundle",
            summary="All that shows offline that a credential is authentic",
            description=_DESCRIPTION,
            tag="log",
            path_parameters=CredentialPath,
            response={200: Media(MEDIA_TYPE, Bundle)},
            problems=(
                NotFoundProblem,
                NotPublishedProblem,
                BundleTooLargeProblem,
                InheritedBundleProblem,
                UnprovenBundleProblem,
                LogUnreachableProblem,
                LogAnswerProblem,
                LogProblem,
            ),
        )
    ]
