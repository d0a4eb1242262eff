"""What is said on the log, in English, by the type of event without its version; other languages are files.

A value that a sentence does not need is not in it; every sentence is whole, so that it can be translated.
"""

from collections.abc import Mapping

SAID: Mapping[str, str] = {
    "log-opened": "The registrar opened the log.",
    "issuer-admitted": "The registrar admitted {subject} ({country}) to the register.",
    "issuer-scope-changed": "The registrar changed what {subject} may do.",
    "issuer-key-added": "A key was added for {subject}.",
    "issuer-key-retired/rotated": "A key of {subject} was retired: it signs no more.",
    "issuer-key-retired/compromised": "A key of {subject} was reported stolen.",
    "issuer-suspended": "The registrar suspended {subject}: it may not issue until it is reinstated.",
    "issuer-reinstated": "The registrar reinstated {subject}.",
    "issuer-closed": "The registrar closed {subject}.",
    "issuer-closed/succeeded": "The registrar closed {subject}; {successor} answers for its credentials.",
    "credential-issued": "{speaker} issued a credential of {ects} ECTS.",
    "credential-issued/no-credits": "{speaker} issued a credential that states no credits.",
    "credential-stacked": "{speaker} issued a credential of {ects} ECTS, made of this many others: {count}.",
    "credentials-issued": "{speaker} issued credentials of {ects} ECTS each, this many: {count}.",
    "credentials-issued/no-credits": "{speaker} issued credentials that state no credits, this many: {count}.",
    "credential-revoked": "{speaker} revoked a credential: {reason}.",
    "credentials-revoked": "{speaker} revoked credentials, this many: {count}; {reason}.",
    "credential-suspended": "{speaker} suspended a credential: {reason}.",
    "credential-reinstated": "{speaker} reinstated a credential.",
    "credential-recognised/full": "{speaker} recognised a credential in full, with {ects} ECTS.",
    "credential-recognised/partial": "{speaker} recognised a credential in part, with {ects} ECTS.",
    "recognition-withdrawn": "{speaker} withdrew a recognition.",
    "achievement-recognised/full": "{speaker} decided to recognise in full what {other} awards for an achievement.",
    "achievement-recognised/partial": "{speaker} decided to recognise in part what {other} awards for an achievement.",
    "achievement-recognition-withdrawn": "{speaker} withdrew a decision to recognise an achievement.",
    "endorser-invited/joint-award": "{speaker} invited {other} to award an achievement jointly.",
    "endorser-invited/quality": "{speaker} invited {other} to vouch for the quality of an achievement.",
    "endorser-uninvited": "{speaker} withdrew an invitation to endorse.",
    "credential-endorsed/joint-award": "{speaker} stands by a credential as the one that awards it jointly.",
    "credential-endorsed/quality": "{speaker} vouches for the quality behind a credential.",
    "endorsement-withdrawn": "{speaker} withdrew an endorsement.",
    "rules-activated": "The registrar put version {version} of the rules in force, from entry {index} on.",
}
OTHER = "{speaker} said something of the kind {kind}."
"""For a type of event that has no sentence of its own yet."""
