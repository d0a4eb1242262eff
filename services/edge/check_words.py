"""What pages call a verdict's checks and their results, in English: an office reads what a verifier's page says."""

from collections.abc import Mapping

from proto.wire.verifier import CheckName, Result

CHECK_NAMES: Mapping[CheckName, str] = {
    "document": "The document is as it was issued",
    "proof": "The document's own signature holds",
    "signature": "Signed by the institution",
    "inclusion": "Part of the public log",
    "issuer": "The institution may award it",
    "status": "Neither revoked nor suspended",
    "period": "Within its period of validity",
    "components": "All of its parts hold",
    "freshness": "The records are recent",
}
CHECK_RESULTS: Mapping[Result, str] = {
    "valid": "yes",
    "invalid": "no",
    "unknown": "not known",
    "not_applicable": "does not apply",
}
