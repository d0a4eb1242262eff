"""SQL of how many applications wait and how they were decided. Reads what is in clear only."""

from typing import Any

from proto.ids import InstitutionId
from services.persistence.postgres import Connection, Pool


async def counts(connection: Connection | Pool, institution_id: InstitutionId) -> dict[str, Any]:
    """Return how many pieces of evidence are open, overdue and appealed, how many were decided each way, and how fast.

    `median_hours` is that of first decisions by persons, from the application on; None where there is none.
    """
    row = await connection.fetchrow(
        # The office's decisions are read once, and not looked up for each piece of evidence.
        """WITH made AS MATERIALIZED (
               SELECT application_id, number, max(decision) FILTER (WHERE round = 1) AS first_decision,
                   max(decision) FILTER (WHERE round = 2) AS second_decision,
                   bool_or(api_key_id IS NULL) FILTER (WHERE round = 1) AS is_first_by_rule,
                   max(decided_at) FILTER (WHERE round = 1) AS first_decided_at
               FROM application_decision WHERE of_institution = $1 GROUP BY application_id, number)
           SELECT count(*) FILTER (WHERE state = 'open' AND open_now) AS open_count,
               count(*) FILTER (WHERE state = 'open' AND open_now AND due_at < now()) AS overdue_count,
               count(*) FILTER (WHERE decision = 'full') AS full_count,
               count(*) FILTER (WHERE decision = 'partial') AS partial_count,
               count(*) FILTER (WHERE decision = 'refused') AS refused_count,
               count(*) FILTER (WHERE sealed_appeal IS NOT NULL) AS appealed_count,
               count(*) FILTER (WHERE is_first_by_rule) AS at_once_count,
               count(*) FILTER (WHERE decision <> first_decision) AS changed_on_appeal_count,
               floor(percentile_cont(0.5) WITHIN GROUP (ORDER BY hours) FILTER (WHERE NOT is_first_by_rule))::integer
                   AS median_hours
           FROM (SELECT state, due_at, coalesce(second_decision, first_decision) AS decision, sealed_appeal,
                     first_decision,
                     first_decision IS NULL OR (sealed_appeal IS NOT NULL AND second_decision IS NULL) AS open_now,
                     coalesce(is_first_by_rule, false) AS is_first_by_rule,
                     extract(epoch FROM first_decided_at - application.created_at) / 3600 AS hours
                 FROM application JOIN application_item AS item USING (application_id)
                     LEFT JOIN made USING (application_id, number)
                 WHERE institution_id = $1 AND item.of_institution = $1) AS items""",
        institution_id,
    )
    assert row is not None, "an aggregate has a row"
    return dict(row)
