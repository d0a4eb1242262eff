"""Bodies of the issuer gateway's HTTP about its audit trail. Knows form and limits."""

import msgspec

from proto.audit_trail import Hash


class AuditTrailEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where an audit trail ends: the last entry's number and hash, and those of the last that retention took away."""

    number: int
    hash: Hash
    purged_number: int
    purged_hash: Hash
