"""SQL of learners: who they are to an institution, and what is left of one who was erased. Their keys lie elsewhere."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from proto.ids import InstitutionId, LearnerId
from services.issuer_gateway.store import applications, imports, learner_applications, reminders
from services.persistence.postgres import Connection, Pool


class StoredLearner(msgspec.Struct, frozen=True, kw_only=True):
    """A learner of an institution; the learner's key lies outside the database."""

    learner_id: LearnerId
    ref: str


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """A learner who was erased here, when, and how many documents that closes once the key is destroyed."""

    learner_id: LearnerId
    erased_at: datetime
    document_count: int


async def get_or_add(
    connection: Connection, institution_id: InstitutionId, wanted: Sequence[StoredLearner]
) -> dict[str, StoredLearner]:
    """Return the learners of these names, adding those that are not there, and keep them from being erased meanwhile.

    Names are distinct; they are locked in their order, so that two batches cannot wait for each other.
    """
    ordered = sorted(wanted, key=lambda learner: learner.ref)
    rows = await connection.fetch(
        """INSERT INTO learner (learner_id, institution_id, ref)
           SELECT learner_id, $1::uuid, ref FROM unnest($2::uuid[], $3::text[]) WITH ORDINALITY
               AS new (learner_id, ref, place)
           ORDER BY place
           ON CONFLICT (institution_id, ref) DO UPDATE SET ref = excluded.ref
           RETURNING learner_id::text, ref""",
        institution_id,
        [learner.learner_id for learner in ordered],
        [learner.ref for learner in ordered],
    )
    return {row["ref"]: StoredLearner(**dict(row)) for row in rows}


async def learner_id(connection: Connection | Pool, institution_id: InstitutionId, ref: str) -> LearnerId | None:
    """Return the id of the institution's learner of that name."""
    found: LearnerId | None = await connection.fetchval(
        "SELECT learner_id::text FROM learner WHERE institution_id = $1 AND ref = $2", institution_id, ref
    )
    return found


async def erase(connection: Connection, institution_id: InstitutionId, ref: str) -> Erased | None:
    """Forget the institution's name for a learner and which imports became their credentials; close the documents.

    What the institution said to be that learner's applications goes too. None if it has no learner of that name.
    """
    row = await connection.fetchrow(
        """UPDATE learner SET ref = NULL, sealed_key = NULL, erased_at = now()
           WHERE institution_id = $1 AND ref = $2 RETURNING learner_id::text, erased_at""",
        institution_id,
        ref,
    )
    if row is None:
        return None
    applicants = await learner_applications.applicants_of(connection, [row["learner_id"]])
    await connection.execute(
        "UPDATE learner SET ref = NULL, sealed_key = NULL, erased_at = now() WHERE learner_id = ANY($1::uuid[])",
        applicants,
    )
    await _forget(connection, [row["learner_id"], *applicants])
    count: int = await connection.fetchval("SELECT count(*) FROM credential WHERE learner_id = $1", row["learner_id"])
    return Erased(learner_id=row["learner_id"], erased_at=row["erased_at"], document_count=count)


async def lock_and_count(connection: Connection, learner_id: LearnerId) -> int:
    """Let nobody issue to a learner until the transaction ends; return how many credentials the learner has here."""
    await connection.execute("SELECT FROM learner WHERE learner_id = $1 FOR UPDATE", learner_id)
    count: int = await connection.fetchval("SELECT count(*) FROM credential WHERE learner_id = $1", learner_id)
    return count


async def to_destroy(connection: Connection | Pool, *, limit: int) -> list[LearnerId]:
    """Return learners who were erased, and whose key may still be there."""
    rows = await connection.fetch(
        """SELECT learner_id::text FROM learner WHERE erased_at IS NOT NULL AND key_destroyed_at IS NULL
           ORDER BY learner_id LIMIT $1""",
        limit,
    )
    return [row["learner_id"] for row in rows]


async def note_destroyed(connection: Connection | Pool, learner_ids: Sequence[LearnerId]) -> None:
    """Note that the keys of erased learners are destroyed."""
    await connection.execute(
        "UPDATE learner SET key_destroyed_at = now() WHERE learner_id = ANY($1::uuid[]) AND key_destroyed_at IS NULL",
        list(learner_ids),
    )


async def erase_again(connection: Connection | Pool, learner_ids: Sequence[LearnerId]) -> None:
    """Erase learners whose keys are destroyed, where this database is from before that."""
    await connection.execute(
        """UPDATE learner SET ref = NULL, sealed_key = NULL, erased_at = now(), key_destroyed_at = now()
           WHERE learner_id = ANY($1::uuid[]) AND erased_at IS NULL""",
        list(learner_ids),
    )
    await _forget(connection, learner_ids)


async def _forget(connection: Connection | Pool, learner_ids: Sequence[LearnerId]) -> None:
    """Take away what other tables hold of learners who are erased."""
    await imports.forget(connection, learner_ids)
    await applications.forget(connection, learner_ids)
    await reminders.forget(connection, learner_ids)


async def some_learners(connection: Connection | Pool, *, limit: int) -> list[LearnerId]:
    """Return some learners who were not erased: each has a key outside of the database."""
    rows = await connection.fetch("SELECT learner_id::text FROM learner WHERE erased_at IS NULL LIMIT $1", limit)
    return [LearnerId(row["learner_id"]) for row in rows]


async def keys_in_database(connection: Connection | Pool, *, limit: int) -> dict[LearnerId, bytes]:
    """Return sealed keys that an earlier version kept in the database."""
    rows = await connection.fetch(
        "SELECT learner_id::text, sealed_key FROM learner WHERE sealed_key IS NOT NULL ORDER BY learner_id LIMIT $1",
        limit,
    )
    return {row["learner_id"]: row["sealed_key"] for row in rows}


async def drop_keys(connection: Connection | Pool, learner_ids: Sequence[LearnerId]) -> None:
    """Forget keys that lie outside the database now."""
    await connection.execute(
        "UPDATE learner SET sealed_key = NULL WHERE learner_id = ANY($1::uuid[])", list(learner_ids)
    )
