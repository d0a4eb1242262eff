"""Which credentials a bundle is about: the one that it names, and its parts at all levels. Pure; judges nothing."""

from collections.abc import Iterable

from proto import events
from proto.bundles.bundle import BundledEntry
from proto.envelope import open_envelope
from proto.ids import CredentialId
from proto.problem import Problem


def concerned(credential_id: CredentialId, entries: Iterable[BundledEntry]) -> frozenset[CredentialId]:
    """Return the credential and all parts that stacks among these entries say it has.

    Events that are about other credentials too are judged for these alone (DESIGN 9). What cannot be opened names none:
    it is a fault wherever it is replayed.
    """
    components: dict[CredentialId, set[CredentialId]] = {}
    for item in entries:
        try:
            opened = open_envelope(item.entry.envelope)
        except Problem:
            continue
        if isinstance(opened.event, events.CredentialStacked | events.CredentialStackedV2):
            components.setdefault(opened.credential_ids[0], set()).update(opened.event.components)
    found, waiting = {credential_id}, [credential_id]
    while waiting:
        new = components.get(waiting.pop(), set()) - found
        found |= new
        waiting += new
    return frozenset(found)
