"""Which credentials an event is about: the ids that it says, or that follow from what it says. Knows no rule."""

from proto import events
from proto.ids import CredentialId, committed_credential_id, committed_credential_ids

BATCH_IDS_MAX = 16_384
"""Credentials that one transaction, of a ledger or of a follower, is about at most (DESIGN 9: limits count ids)."""


ENTRY_BYTES_PER_ID = 89
"""Bytes of an entry that each id takes at least: 67 of canonical JSON, in base64. So bytes bound ids too."""


def credential_ids(event: events.Event) -> tuple[CredentialId, ...]:
    """Return the credentials that an event issues, changes, recognises or endorses, in its own order.

    The parts of a stack are not among them. Of an issue of rules version 2 they are computed from issuer and commitment
    (DESIGN 9).
    """
    match event:
        case events.CredentialIssuedV2() | events.CredentialStackedV2():
            return (committed_credential_id(event.issuer, event.commitment),)
        case events.CredentialsIssued():
            return committed_credential_ids(event.issuer, event.commitments)
        case events.CredentialsRevoked():
            return event.credential_ids
        case (
            events.CredentialIssued()
            | events.CredentialStacked()
            | events.CredentialRevoked()
            | events.CredentialSuspended()
            | events.CredentialReinstated()
            | events.CredentialRecognised()
            | events.CredentialRecognisedV2()
            | events.CredentialEndorsed()
        ):
            return (event.credential_id,)
        case _:
            return ()
