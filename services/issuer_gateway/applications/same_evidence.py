"""Evidence that one application shows twice. It is no credential of this log, so it is known by what was sent alone.

Only within an application: what would know it again in another is a mark of whose it is, and none is kept.
"""

from collections.abc import Sequence

from proto.wire.applications import CountedPlace, Dossier
from services.issuer_gateway.applications.evidence import OpenedItem, file_in, opened_item
from services.issuer_gateway.keys.keystore import DataKey
from services.issuer_gateway.store.applications import EvidenceDecision, SealedEvidence


def counted_beside(
    key: DataKey, items: Sequence[SealedEvidence], made: Sequence[EvidenceDecision]
) -> dict[int, tuple[CountedPlace, ...]]:
    """Return by the numbers of evidence where in the same application the very same counts, by the last decisions."""
    unknown = [item for item in items if item.credential_id is None]
    last = {each.number: each.decision for each in made}
    counting = {item.number for item in unknown if last.get(item.number) in {"full", "partial"}}
    if not counting:
        return {}
    sent = {item.number: _sent(opened_item(key, item)) for item in unknown}
    return {
        item.number: tuple(
            CountedPlace(application_id=item.application_id, number=number)
            for number in sorted(counting - {item.number})
            if sent[number] == sent[item.number]
        )
        for item in unknown
    }


def _sent(opened: OpenedItem) -> bytes | Dossier | None:
    return opened.dossier or file_in(opened.sent)
