"""Documents under their learners' keys, in the transaction that issues them. Knows no events.

If we crash before the COMMIT, a fresh learner's key may be left over: it opens nothing, and belongs to nobody.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from proto.ids import CredentialId, LearnerId
from proto.problem import BusyProblem
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.domain import places_at_hand
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.learner_keys import LearnerKeys
from services.issuer_gateway.store import credentials, document_parts, status_lists
from services.issuer_gateway.store.learners import StoredLearner, get_or_add
from services.persistence.postgres import Connection


async def learners_for(connection: Connection, tenant: Tenant, refs: Sequence[str]) -> dict[str, StoredLearner]:
    """Return the institution's learners of these names, made where they are new, and keep them from being erased."""
    wanted = [StoredLearner(learner_id=LearnerId(str(uuid.uuid4())), ref=ref) for ref in dict.fromkeys(refs)]
    return await get_or_add(connection, tenant.institution_id, wanted)


async def store(
    learner_keys: LearnerKeys,
    connection: Connection,
    tenant: Tenant,
    items: Sequence[PreparedAward],
    learners: Mapping[str, StoredLearner],
) -> datetime:
    """Store documents under their learners' keys, and their places; their events are in the outbox already.

    Returns when: the transaction's time.
    """
    keys = await learner_keys.made(learner.learner_id for learner in learners.values())
    rows: list[credentials.NewCredential] = []
    places: list[tuple[CredentialId, places_at_hand.Given]] = []
    for item in items:
        learner = learners[item.award.learner.ref]
        key = keys[learner.learner_id]
        if key is None:
            raise BusyProblem("The learner is being erased; send this again for a new one")
        assert item.place is not None, "what was prepared dry is not stored"
        places.append((item.credential_id, item.place))
        rows.append(
            credentials.NewCredential(
                credential_id=item.credential_id,
                institution_id=tenant.institution_id,
                learner_id=learner.learner_id,
                achievement_id=item.achievement.achievement_id,
                revision=item.achievement.revision,
                event_id=item.event_id,
                commitment=item.commitment,
                ects_hundredths=item.award.earned_hundredths(item.achievement.achievement),
                components=item.components,
                part_digest=item.part.digest,
                sealed_document=key.seal(item.to_seal, "document", item.credential_id),
                api_key_id=item.api_key_id,
            )
        )
    await document_parts.keep(connection, {item.part.digest: item.part.stored for item in items})
    created_at = await credentials.add(connection, rows)
    # If we crash or are undone from here on, these places are lost: they may be in a transaction that comes to be.
    places_at_hand.stored(place for _, place in places)
    await status_lists.add_places(connection, [_stored_place(name, place) for name, place in places])
    return created_at


def _stored_place(credential_id: CredentialId, place: places_at_hand.Given) -> status_lists.Place:
    return status_lists.Place(
        credential_id=credential_id, institution_id=place.institution_id, number=place.number, index=place.index
    )
