"""SQL of what of an institution's decisions on an achievement is on the log: each is kept here and said there."""

from collections.abc import Sequence

import msgspec

from proto.ids import ApplicationId, EventId, InstitutionId
from proto.lifecycle import Book, Needs, is_live
from proto.wire.applications import RecognitionDecision
from services.issuer_gateway.store import followed_log
from services.issuer_gateway.store.applications import SealedEvidence
from services.issuer_gateway.store.like_cases import EvidencePlace
from services.persistence import postgres_states
from services.persistence.postgres import Connection

PUBLISHED_MAX = 500
"""So many published decisions on one achievement are looked at, the newest."""


class PublishedDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that is on the log; `is_last` unless it was decided anew since, which the log is still to say."""

    application_id: ApplicationId
    programme: str
    decision: RecognitionDecision
    ects_hundredths: int | None
    eqf_level: int | None
    recognition: EventId
    is_last: bool


async def of_evidence(
    connection: Connection, institution_id: InstitutionId, items: Sequence[SealedEvidence]
) -> dict[EvidencePlace, list[PublishedDecision]]:
    """Return what the log holds of this institution's decisions on the achievements of pieces of evidence.

    Those of their own applications too. What was withdrawn on the log is left out; what the log is known to have taken
    and is not followed yet is not.
    """
    asked = {(item.achievement, item.achievement_issuer) for item in items if item.achievement is not None}
    if not asked:
        return {}
    rows = await connection.fetch(
        """SELECT asked.achievement, asked.issuer, found.*
           FROM unnest($2::text[], $3::text[]) AS asked (achievement, issuer) CROSS JOIN LATERAL (
               SELECT item.application_id::text, application.programme, made.decision, made.ects_hundredths,
                   made.eqf_level, made.recognition, NOT EXISTS (
                       SELECT FROM application_decision AS anew WHERE anew.application_id = made.application_id
                           AND anew.number = made.number AND anew.round > made.round) AS is_last
               FROM application JOIN application_item AS item USING (application_id)
                   JOIN application_decision AS made USING (application_id, number)
               WHERE application.institution_id = $1 AND item.of_institution = $1
                   AND item.achievement = asked.achievement AND item.achievement_issuer = asked.issuer
                   AND made.recognition IS NOT NULL
               ORDER BY made.decided_at DESC LIMIT $4) AS found""",
        institution_id,
        [achievement for achievement, _ in asked],
        [issuer for _, issuer in asked],
        PUBLISHED_MAX,
    )
    gone = await _gone(connection, {EventId(row["recognition"].hex()) for row in rows})
    published: dict[tuple[str | None, str | None], list[PublishedDecision]] = {}
    for row in rows:
        fields = {name: row[name] for name in PublishedDecision.__struct_fields__}
        each = PublishedDecision(**(fields | {"recognition": EventId(row["recognition"].hex())}))
        if each.recognition not in gone:
            published.setdefault((row["achievement"], row["issuer"]), []).append(each)
    return {
        (item.application_id, item.number): published.get((item.achievement, item.achievement_issuer), [])
        for item in items
    }


async def _gone(connection: Connection, recognitions: set[EventId]) -> set[EventId]:
    """Return which of these do not count any more, as the log is followed."""
    if not recognitions:
        return set()
    book = Book()
    await postgres_states.load_log(connection, book)
    await postgres_states.load(connection, book, Needs(recognitions=recognitions))
    followed = [each for name in recognitions if (each := book.recognition(name)) is not None]
    speakers = {stamp.speaker for each in followed for stamp in (each.stamp, *each.withdrawals)}
    await followed_log.load_issuers(connection, book, speakers)
    return {each.stamp.event_id for each in followed if not is_live(book, each)}
