"""What institutions say of others' credentials and achievements, as bodies: what holds, and nothing else. Pure.

No check and no verdict rests on any of it (DESIGN 9).
"""

from collections.abc import Iterable

from proto.lifecycle import Book, Endorsement, Life, StandingDecision, Statement, holds, is_in_force
from proto.moment import Moment
from proto.wire.statements import EndorsementFacts, StandingDecisionFacts
from services.verifier.verdict.facts import name_of
from services.verifier.verdict.staleness import live_state


def endorsement_facts(
    book: Book, statements: Iterable[Statement], known_at: Moment | None, *, is_certain: bool
) -> tuple[EndorsementFacts, ...]:
    """Return the endorsements that hold by what was known at `known_at`, in the order of the log.

    `is_certain` tells whether the records lack nothing; where they may, none is said to be live.
    """
    return tuple(
        EndorsementFacts(
            event_id=item.stamp.event_id,
            endorser=item.endorser,
            endorser_name=name_of(book, item.endorser, known_at),
            role=item.role,
            invitation=item.invitation,
            received_at=item.stamp.received_at,
            state=live_state(is_certain=is_certain),
        )
        for item in statements
        if isinstance(item, Endorsement) and holds(book, item, known_at=known_at)
    )


def decision_facts(
    book: Book, statements: Iterable[Statement], life: Life, *, at: Moment, known_at: Moment | None, is_certain: bool
) -> tuple[StandingDecisionFacts, ...]:
    """Return the standing decisions on the credential's achievement that are in force at `at`, the newest first.

    `is_certain` as for endorsements.
    """
    return tuple(
        StandingDecisionFacts(
            event_id=item.stamp.event_id,
            recogniser=item.recogniser,
            recogniser_name=name_of(book, item.recogniser, known_at),
            decision=item.decision,
            ects_hundredths=item.ects_hundredths,
            programme=item.programme,
            valid_from=item.valid_from,
            valid_until=item.valid_until,
            covers=_covers(item, life),
            state=live_state(is_certain=is_certain),
            eqf_level=item.eqf_level,
            ects_hundredths_min=item.ects_hundredths_min,
            eqf_level_min=item.eqf_level_min,
            description_digest=item.description_digest,
        )
        for item in statements
        if isinstance(item, StandingDecision)
        and (item.achievement_issuer, item.achievement) == (life.issuer, life.achievement)
        and is_in_force(book, item, at, known_at=known_at)
    )


def _covers(decision: StandingDecision, life: Life) -> bool:
    has_credits = life.ects_hundredths >= (decision.ects_hundredths_min or 0)
    return has_credits and (life.eqf_level or 0) >= (decision.eqf_level_min or 0)
