"""Documents under their learners' keys, in the transaction that issues them. Knows no events.

If we crash before the COMMIT, a fresh learner's key may be left over: it opens nothing, and belongs to nobody.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime

import uuid_utils

from proto.ids import CredentialId, LearnerId
from proto.problem import BusyProblem
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.domain import places_at_hand
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import DataKey
from services.issuer_gateway.store import credentials, document_parts, status_lists
from services.issuer_gateway.store.learners import StoredLearner, get_or_add
from services.persistence.postgres import Connection
from services.persistence.postgres_behind import Behind

SEALED_AT_ONCE = 128
"""So many documents are sealed while those before them go to the database."""
_ROWS_AT_A_TIME = 16
"""After so many rows, what waits gets its turn, the database's answer too."""


async def learners_for(connection: Connection, tenant: Tenant, refs: Sequence[str]) -> dict[str, StoredLearner]:
    """Return the institution's learners of these names, made where they are new, and keep them from being erased.

    Ids of new ones follow each other in time (RFC 9562, version 7), so their keys and rows lie together.
    """
    wanted = [StoredLearner(learner_id=LearnerId(str(uuid_utils.uuid7())), ref=ref) for ref in dict.fromkeys(refs)]
    return await get_or_add(connection, tenant.institution_id, wanted)


async def store(
    connection: Connection,
    tenant: Tenant,
    items: Sequence[PreparedAward],
    learners: Mapping[str, StoredLearner],
    keys: Mapping[LearnerId, DataKey | None],
) -> datetime:
    """Store documents under their learners' keys, and their places; their events are in the outbox already.

    Some are sealed while those before them are stored. Returns when: the transaction's time.
    """
    places: list[tuple[CredentialId, places_at_hand.Given]] = []
    async with Behind() as behind:
        await behind.begin(document_parts.keep(connection, {item.part.digest: item.part.stored for item in items}))
        for start in range(0, len(items), SEALED_AT_ONCE):
            rows = []
            for count, item in enumerate(items[start : start + SEALED_AT_ONCE]):
                if count % _ROWS_AT_A_TIME == 0:
                    await asyncio.sleep(0)
                learner = learners[item.award.learner.ref]
                rows.append(_sealed(item, tenant, learner, keys[learner.learner_id]))
                assert item.place is not None, "what was prepared dry is not stored"
                places.append((item.credential_id, item.place))
            await behind.begin(credentials.add(connection, rows))
        # If we crash from here on, or do not learn of our COMMIT, these places are lost: somebody may have them.
        places_at_hand.stored(place for _, place in places)
        await behind.begin(status_lists.add_places(connection, [_stored_place(name, place) for name, place in places]))
    return await credentials.added_at(connection)


def _stored_place(credential_id: CredentialId, place: places_at_hand.Given) -> status_lists.Place:
    return status_lists.Place(
        credential_id=credential_id, institution_id=place.institution_id, number=place.number, index=place.index
    )


def _sealed(
    item: PreparedAward, tenant: Tenant, learner: StoredLearner, key: DataKey | None
) -> credentials.NewCredential:
    if key is None:
        raise BusyProblem("The learner is being erased; send this again for a new one")
    return credentials.NewCredential(
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
