"""Every code that a check can give, with its English sentence; words for its values. Pure.

Other languages are files beside this one, with the same codes and values.
"""

from collections.abc import Mapping
from types import MappingProxyType

from proto.documents.agreement import Field
from proto.moment import Moment

PRESENTATION_NOTE = (
    "Of a presentation, only the credentials in it are judged: not its own signature, and not who presents it."
)
SENTENCES: Mapping[str, str] = MappingProxyType(
    {
        # document
        "no-document": "Only the credential's id was given, so there is no document to compare with the log.",
        "document-matches": "The document is exactly the one that the institution put on record.",
        "document-unreadable": "This breaks the rules for credentials, so nothing in it can be relied on.",
        "document-older-model": (
            "This is a credential of the older data model (VC 1.1). Such credentials are not judged here: whether it "
            "is genuine, this verifier does not say."
        ),
        "document-newer-model": (
            "This is a credential of a newer data model than this verifier knows (VC 2.0, Open Badges 3.0). It is not "
            "judged here: ask a newer verifier, or whoever issued it."
        ),
        "document-europass": (
            "This is a European Digital Credential. Its seal is not judged here: the European Union's own viewer does "
            "that."
        ),
        "document-learner-record": (
            "This is a comprehensive learner record (CLR), which holds several credentials. Records are not judged "
            "here: send the credentials in it, each by itself."
        ),
        "document-open-badges-2": (
            "This is a badge of an older standard (Open Badges 2). Such badges are not judged here: whether it is "
            "genuine, its platform can say."
        ),
        "document-enveloped": (
            "This is an envelope with a signed token inside (an enveloped credential). Tokens are not judged here: ask "
            "for the credential with a proof inside of it."
        ),
        "document-signed-outside": (
            "This is a signature with a document inside (JWS or JAdES), not a credential with a proof inside of it. "
            "Such signatures are not judged here."
        ),
        "document-names-no-issuer": (
            "The document names no issuer, so that there is nobody whose word it could be; more is not judged."
        ),
        "document-malformed": (
            "The document does not follow the data model of credentials (VC 2.0), so it is not judged."
        ),
        "document-differs": "The document and the institution's own entry disagree about: {fields}.",
        "document-not-on-log": (
            "The institution is known, but no credential with exactly this content is on record: the document was "
            "altered, or it has not been published yet."
        ),
        "document-not-found": (
            "No credential with exactly this content was found, but the records are not up to date enough to be sure."
        ),
        "document-not-yet-on-log": "At the time that was asked about, this credential was not on record.",
        "document-issuer-unknown": (
            "The institution that the document names is not on this register, so nothing can be said about it here."
        ),
        # proof
        "proof-absent": "The document carries no signature of its own; it is recognised by its content.",
        "proof-holds": "The document's own signature was made with a key of the institution.",
        "proof-wrong": (
            "The document's own signature does not hold: the document or the signature was altered, another key "
            "signed, or the signature is not as it must be."
        ),
        "proof-key-unknown": "The document's own signature was made with a key that the register does not know.",
        "proof-key-purpose": "The document's own signature was made with a key that may not sign documents.",
        "proof-key-compromised": "The key of the document's own signature had been reported stolen by then.",
        "proof-not-checked": "The document's own signature could not be checked.",
        "proof-of-others": (
            "The document carries signatures of others only, and none of its institution's: ask the holder for the "
            "copy that the institution gave out."
        ),
        "proof-names-no-key": "The document's own signature names no key, so it could not be checked.",
        "proof-not-judged": "Signatures of a document of this kind are not judged here.",
        "proof-holds-outside": (
            "The document was signed with the key that its issuer is named after, and not altered since. Who holds "
            "that key, and whether it may award anything, nobody vouches for here."
        ),
        "proof-absent-outside": "The document carries no signature, so anybody may have written it.",
        "proof-key-of-another": "The document was signed with a key that is not its issuer's.",
        "proof-key-elsewhere": "The issuer's key stands on a website, which this verifier does not ask.",
        # signature
        "signature-verified": "The institution's signature of the entry was checked when it was read from the log.",
        "signature-key-missing": "The key that signed the entry is missing from this verifier's records.",
        "no-entry": "There is no entry on the log to check.",
        # inclusion
        "inclusion-proven": "A mathematical proof shows that the entry is part of the public log.",
        "inclusion-wrong": "The entry could not be proven to be part of the public log.",
        "inclusion-unknown": "This verifier's records are incomplete, so the proof could not be made.",
        # issuer
        "issuer-in-scope": "{issuer} was on the register, and entitled to award this, when it issued the credential.",
        "issuer-not-admitted": "The institution was not on the register when the credential was issued.",
        "issuer-out-of-scope": "{issuer} was not entitled to award this when it issued the credential.",
        "issuer-missing": "The institution is missing from this verifier's records.",
        "issuer-key-by-registrar": (
            "{issuer} was on the register, and entitled to award this, when it issued the credential. The key that "
            "signed was added by the registrar, not by the institution itself."
        ),
        "issuer-since-suspended": (
            "{issuer} was entitled to award this when it issued the credential. It has been suspended since; "
            "credentials that it issued before stay what they were."
        ),
        "issuer-since-closed": (
            "{issuer} was entitled to award this when it issued the credential. It has been closed since; credentials "
            "that it issued before stay what they were."
        ),
        # status
        "status-active": "The credential has been neither revoked nor suspended.",
        "status-revoked": "The credential was revoked, with effect from {since}: {reason}.",
        "status-suspended": "The credential is suspended since {since}: {reason}.",
        "status-void": "The credential was signed with a key that had been stolen by then, so it never held.",
        "status-open": "Nobody can know yet whether the credential will be revoked before {at}.",
        "status-stale": (
            "By {time}, nothing was on record against the credential. Whether it was revoked or suspended since, "
            "records that are not up to date cannot tell: ask again later, or another verifier."
        ),
        "status-unread": (
            "This verifier has not read the whole log yet, so a revocation may be missing from its records: ask again "
            "later, or another verifier."
        ),
        "status-unknown": "This verifier's records are incomplete, so the status could not be determined.",
        "status-not-stated": "The document does not say where its status stands, so a revocation could not be seen.",
        "status-elsewhere": (
            "The document's status stands in a list elsewhere, which this verifier does not fetch: it may be revoked."
        ),
        "status-list-clear": (
            "The status list that was sent along was signed by the issuer, says so from {since} on, and has not marked "
            "the credential. Whether a newer list has, this verifier does not ask."
        ),
        "status-list-set": "The issuer's own status list has marked the credential: {purpose}.",
        "status-list-refused": "The status list that was sent along cannot be relied on.",
        "status-not-read": "The document's status is of a kind that is not read here.",
        "status-entry-wrong": "What the document says about its status cannot be right.",
        # period
        "period-within": "The credential is within its period of validity, which ends on {until}.",
        "period-clock": (
            "Whether the credential is over, this verifier cannot tell: its clock and the times on the log contradict "
            "each other."
        ),
        "period-open": "The credential is within its period of validity, which has no end.",
        "period-not-begun": "The credential is valid from {since} only.",
        "period-over": "The credential was valid until {until}.",
        "period-unreadable": "The document's own dates could not be read.",
        # components
        "components-none": "The credential is not made of other credentials.",
        "components-hold": "All {count} credentials that this one is made of still hold.",
        "components-stale": (
            "By {time}, all credentials that this one is made of held. Whether they still do, records that are not up "
            "to date cannot tell."
        ),
        "components-unread": (
            "This verifier has not read the whole log yet, so it cannot tell whether the credentials that this one is "
            "made of still hold."
        ),
        "components-impaired": (
            "Of the {count} credentials that this one is made of, {fallen} fell away: {remaining} of {declared} ECTS "
            "credits still hold."
        ),
        "components-open": (
            "Nobody can know yet whether the credentials that this one is made of will still hold at {at}."
        ),
        "components-unknown": "A credential that this one is made of is missing from this verifier's records.",
        # freshness
        "fresh-witnessed": "Independent witnesses confirmed the state of the log {age} ago.",
        "fresh-log": "The log was read {age} ago; that nothing newer exists is the log's own word.",
        "stale": "The records are {age} old, which is too old to rely on.",
        "never-fresh": "This verifier has not read the whole log yet.",
        "clock-behind": (
            "This verifier's clock and the times on the log contradict each other; nothing can be confirmed."
        ),
        "log-faulty": "The log was found to be faulty, so nothing can be confirmed.",
        "log-unknown-rules": "The log follows newer rules than this verifier knows, so nothing can be confirmed.",
    }
)

FIELDS: Mapping[Field, str] = MappingProxyType(
    {
        "issuer": "the institution",
        "achievement": "the achievement",
        "credits": "the credits",
        "EQF level": "the EQF level",
        "valid from": "the beginning of validity",
        "valid until": "the end of validity",
        "components": "the components",
    }
)
"""What document and event may say differently, in words; both come from the institution, so neither wins."""
REASONS: Mapping[str, str] = MappingProxyType(
    {
        "error": "it was issued in error",
        "superseded": "it was replaced by another credential",
        "withdrawn": "the institution withdrew it",
        "invalidated": "it was declared invalid",
        "legal-order": "by order of an authority",
        "key-compromise": "a signing key was stolen",
    }
)
PURPOSES: Mapping[str, str] = MappingProxyType(
    {
        "revocation": "it is revoked",
        "suspension": "it is suspended",
        "refresh": "a newer one has taken its place",
        "message": "the issuer has something to say about it",
    }
)
"""What a mark of a status list means, by its purpose (Bitstring Status List 1.0 section 2.1)."""
OTHER_PURPOSE = "for a purpose that is not known here"
STATES: Mapping[str, str] = MappingProxyType(
    {
        "active": "active",
        "suspended": "suspended",
        "revoked": "revoked",
        "void": "void",
        "expired": "expired",
        "not_yet_valid": "not yet valid",
        "impaired": "impaired",
        "unknown": "not known",
    }
)

DURATIONS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "second": ("second", "seconds"),
        "minute": ("minute", "minutes"),
        "hour": ("hour", "hours"),
        "day": ("day", "days"),
    }
)


def when(moment: Moment) -> str:
    """Return a moment as people read it: `2026-03-01 10:00 UTC`."""
    return f"{moment[:10]} {moment[11:16]} UTC"
