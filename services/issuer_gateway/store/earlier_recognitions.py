"""SQL of what an institution has recognised of a credential: in applications that were not erased, and on the log.

The same learning is counted once, so a stack counts as its parts do: of credentials it is asked with all their kin.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

import asyncpg

from proto.ids import ApplicationId, CredentialId, Did, InstitutionId
from proto.lifecycle import Book, Needs, Recognition, is_live
from proto.wire.applications import CountedPlace
from services.issuer_gateway.store import followed_log, locks
from services.persistence import postgres_states
from services.persistence.postgres import Connection

_PLACES_MAX = 100
_COUNTING = """
    SELECT item.credential_id, application_id::text, item.number
    FROM application_item AS item JOIN application USING (application_id)
    WHERE item.credential_id = ANY($2::bytea[]) AND institution_id = $1 AND programme = $3
        AND (SELECT decision FROM application_decision AS made
            WHERE made.application_id = item.application_id AND made.number = item.number
            ORDER BY round DESC LIMIT 1) IN ('full', 'partial')
    ORDER BY application.created_at, application_id, item.number LIMIT $4"""
"""By the last decision on it a credential counts towards a programme of an institution, in these applications."""


async def kin_of(
    connection: Connection, credential_ids: Collection[CredentialId]
) -> Mapping[CredentialId, frozenset[CredentialId]]:
    """Return by credential what holds some of the same learning, as the log is followed.

    That is itself, its parts of all levels, and every stack that holds one of these.
    """
    if not credential_ids:
        return {}
    book = Book()
    await postgres_states.load(connection, book, Needs(credentials=set(credential_ids)))
    pairs = [(each, part) for each in credential_ids for part in (each, *_parts_of(book, each))]
    rows = await connection.fetch(
        """WITH RECURSIVE holding (asked, kin) AS (
               SELECT * FROM unnest($1::bytea[], $2::bytea[])
               UNION SELECT asked, stack_id FROM holding JOIN stack_part ON part_id = kin)
           SELECT asked, kin FROM holding""",
        _raw(asked for asked, _ in pairs),
        _raw(part for _, part in pairs),
    )
    found: dict[CredentialId, set[CredentialId]] = defaultdict(set)
    for row in rows:
        found[_id(row["asked"])].add(_id(row["kin"]))
    return {each: frozenset(kin) for each, kin in found.items()}


def _parts_of(book: Book, credential_id: CredentialId) -> Iterable[CredentialId]:
    known = book.credential(credential_id)
    return {part for life in known.lives for part in life.parts} if known else ()


async def lock(
    connection: Connection, institution_id: InstitutionId, credential_ids: Collection[CredentialId], programme: str
) -> None:
    """Let nobody else decide on these credentials, or their kin, towards a programme until the transaction ends."""
    kin = {each for found in (await kin_of(connection, credential_ids)).values() for each in found}
    await locks.lock(connection, (locks.digest_of("counts", institution_id, each, programme) for each in kin))


async def counts_already(
    connection: Connection, institution_id: InstitutionId, own: Did, credential_id: CredentialId, programme: str
) -> bool:
    """Tell whether a credential, or its kin, counts towards a programme already.

    By the last decision on it in an application, or by a recognition of the institution's that holds on the log.
    """
    kin = (await kin_of(connection, [credential_id]))[credential_id]
    found = await connection.fetchval(_COUNTING, institution_id, _raw(kin), programme, 1)
    if found is not None:
        return True
    return any(each.programme == programme for each in await _on_log(connection, own, kin))


async def counted_in(
    connection: Connection, own: Did, application_id: ApplicationId
) -> Mapping[int, tuple[CountedPlace, ...]]:
    """Return by the numbers of an application's evidence where else it, or its kin, counts towards its programme.

    Of very many places the first are told. A recognition on the log that came of an application is told as that.
    """
    shown = await connection.fetch(
        """SELECT number, credential_id, institution_id, programme
           FROM application_item JOIN application USING (application_id)
           WHERE application_id = $1 AND credential_id IS NOT NULL ORDER BY number""",
        application_id,
    )
    if not shown:
        return {}
    kin = await kin_of(connection, [_id(row["credential_id"]) for row in shown])
    every = {each for found in kin.values() for each in found}
    counting = await _in_applications(connection, shown[0]["institution_id"], shown[0]["programme"], every)
    said = await _said_by_themselves(connection, own, shown[0]["programme"], every)
    found: dict[int, tuple[CountedPlace, ...]] = {}
    for row in shown:
        same = kin[_id(row["credential_id"])]
        itself = CountedPlace(application_id=application_id, number=row["number"])
        places = (place for credential_id, place in (*counting, *said) if credential_id in same and place != itself)
        found[row["number"]] = tuple(places)
    return found


async def _in_applications(
    connection: Connection, institution_id: InstitutionId, programme: str, credential_ids: Collection[CredentialId]
) -> list[tuple[CredentialId, CountedPlace]]:
    """Return where credentials count in applications to an institution, the first first."""
    rows = await connection.fetch(_COUNTING, institution_id, _raw(credential_ids), programme, _PLACES_MAX)
    return [(_id(row["credential_id"]), _place(row)) for row in rows]


async def _said_by_themselves(
    connection: Connection, own: Did, programme: str, credential_ids: Collection[CredentialId]
) -> list[tuple[CredentialId, CountedPlace]]:
    """Return what holds on the log of credentials and came of no application that is still there."""
    on_log = [each for each in await _on_log(connection, own, credential_ids) if each.programme == programme]
    if not on_log:
        return []
    rows = await connection.fetch(
        """SELECT recognition FROM application_item AS item JOIN application_decision USING (application_id, number)
           WHERE item.credential_id = ANY($1::bytea[]) AND recognition IS NOT NULL""",
        _raw(each.credential_id for each in on_log),
    )
    known = {row["recognition"].hex() for row in rows}
    return [
        (each.credential_id, CountedPlace(recognition=each.stamp.event_id))
        for each in on_log
        if each.stamp.event_id not in known
    ]


async def _on_log(connection: Connection, own: Did, credential_ids: Collection[CredentialId]) -> list[Recognition]:
    """Return the institution's recognitions of these credentials that hold on the log, as it is followed."""
    book = Book()
    await postgres_states.load_log(connection, book)
    await postgres_states.load(connection, book, Needs(recognised={(each, own) for each in credential_ids}))
    made = [each for each in book.recognitions.values() if each is not None]
    speakers = {stamp.speaker for each in made for stamp in (each.stamp, *each.withdrawals)}
    await followed_log.load_issuers(connection, book, speakers)
    return [each for each in made if is_live(book, each)]


def _place(row: asyncpg.Record) -> CountedPlace:
    return CountedPlace(application_id=ApplicationId(row["application_id"]), number=row["number"])


def _raw(credential_ids: Iterable[CredentialId]) -> list[bytes]:
    return [bytes.fromhex(each) for each in credential_ids]


def _id(raw: bytes) -> CredentialId:
    return CredentialId(raw.hex())
