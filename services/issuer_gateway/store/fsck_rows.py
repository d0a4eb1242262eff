"""SQL of the gateway's check: reads everything in chunks, within the caller's snapshot. Judges nothing."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncpg

from proto.events import ISSUE_TYPES
from services.persistence.postgres import Connection

ROWS_PER_READ = 500


async def outbox_rows(connection: Connection) -> AsyncIterator[asyncpg.Record]:
    """Yield every outbox row with where the projection has its event."""
    async for row in connection.cursor(
        """SELECT event_id, institution_id::text, did, event_type, ARRAY(
                   SELECT outbox_stream.stream FROM outbox_stream
                   WHERE outbox_stream.outbox_id = outbox.outbox_id ORDER BY 1) AS streams,
               envelope, state, leaf_index, leaf_hash,
               received_at, followed_index, ended_log
           FROM outbox JOIN institution USING (institution_id)
           LEFT JOIN event AS followed (followed_id, followed_index) ON followed_id = event_id
           ORDER BY outbox_id""",
        prefetch=ROWS_PER_READ,
    ):
        yield row


async def credential_rows(connection: Connection) -> AsyncIterator[asyncpg.Record]:
    """Yield every credential with when its learner was erased, and its event's row and envelope."""
    async for row in connection.cursor(
        """SELECT credential_id, did, learner_id::text, sealed_document, document_part.content AS part, erased_at,
               event_id, state, event_type, envelope, commitment, EXISTS (
                   SELECT FROM outbox_stream
                   WHERE outbox_stream.outbox_id = outbox.outbox_id AND outbox_stream.stream = credential_id
               ) AS is_in_stream
           FROM credential JOIN institution USING (institution_id) JOIN learner USING (learner_id)
           LEFT JOIN document_part ON digest = part_digest
           LEFT JOIN outbox USING (event_id) ORDER BY credential_id""",
        prefetch=ROWS_PER_READ,
    ):
        yield row


async def readable_credentials(connection: Connection) -> AsyncIterator[Mapping[str, Any]]:
    """Yield every credential of learners who were not erased, with its envelope; each learner's by age."""
    async for row in connection.cursor(
        """SELECT credential_id, did, slug, learner_id::text, ref, sealed_document, document_part.content AS part,
               envelope
           FROM credential JOIN institution USING (institution_id) JOIN learner USING (learner_id)
           JOIN outbox USING (event_id)
           LEFT JOIN document_part ON digest = part_digest
           WHERE erased_at IS NULL AND state <> 'refused'
           ORDER BY learner_id, credential.created_at, credential_id""",
        prefetch=ROWS_PER_READ,
    ):
        yield dict(row)


async def secret_rows(connection: Connection) -> list[asyncpg.Record]:
    """Return every sealed secret key."""
    return await connection.fetch("SELECT key_id, sealed FROM secret_key ORDER BY key_id")


async def counts(connection: Connection) -> dict[str, Any]:
    """Return what must agree by number: issues in the outbox without a credential, holes in the followed log."""
    row = await connection.fetchrow(
        """SELECT
               (SELECT count(*) FROM outbox JOIN outbox_stream USING (outbox_id)
                LEFT JOIN credential ON credential.credential_id = outbox_stream.stream
                    AND credential.event_id = outbox.event_id
                WHERE event_type = ANY($1::text[]) AND state <> 'refused'
                    AND credential.credential_id IS NULL AND NOT EXISTS (
                        SELECT FROM said_again JOIN credential AS given ON given.credential_id = outbox_stream.stream
                        WHERE said_again.event_id = outbox.event_id)) AS issues_without_document,
               (SELECT count(*) FROM event) AS followed_events,
               (SELECT count(DISTINCT leaf_index) FROM event) AS followed_indices,
               (SELECT coalesce(max(leaf_index) + 1, 0) FROM event) AS followed_size""",
        list(ISSUE_TYPES),
    )
    assert row is not None, "counts are one row"
    return dict(row)


async def status_pages(connection: Connection) -> AsyncIterator[list[asyncpg.Record]]:
    """Yield every place on status lists in pages, with whether its list waits to be derived anew."""
    after = b""
    while page := await connection.fetch(
        """SELECT credential_id, did, is_set, review <> reviewed AS is_waiting, state = 'refused' AS is_refused
           FROM status_place JOIN credential USING (credential_id) JOIN outbox USING (event_id)
           JOIN status_list ON status_list.institution_id = status_place.institution_id AND number = list_number
           JOIN institution ON institution.institution_id = status_place.institution_id
           WHERE credential_id > $1 ORDER BY credential_id LIMIT $2""",
        after,
        ROWS_PER_READ,
    ):
        yield page
        after = page[-1]["credential_id"]


async def wish_rows(connection: Connection) -> AsyncIterator[asyncpg.Record]:
    """Yield what lies sealed of requests, applicants and awards to be claimed, of learners who were not erased."""
    async for row in connection.cursor(
        """SELECT purpose, name, learner_id::text, sealed FROM (
               SELECT 'request' AS purpose, request_id::text AS name, learner_id, sealed_content AS sealed FROM request
               UNION ALL SELECT 'request-reason', request_id::text, learner_id, sealed_reason FROM request
               UNION ALL SELECT 'claim-award', claim_id::text, learner_id, sealed_award FROM claim
               UNION ALL SELECT 'application', application_id::text, learner_id, sealed_applicant FROM application
               UNION ALL SELECT 'share-terms', link_id::text, learner_id, sealed_terms FROM holder_link) AS found
           JOIN learner USING (learner_id) WHERE sealed IS NOT NULL AND erased_at IS NULL ORDER BY purpose, name""",
        prefetch=ROWS_PER_READ,
    ):
        yield row
