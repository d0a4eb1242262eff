"""The English words of the lists' pages, by what they stand for; other languages have them in their files. Tables."""

from collections.abc import Mapping

from proto.event_fields import KeyPurpose

INSTITUTION_STATES: Mapping[str, str] = {"active": "admitted", "suspended": "suspended", "closed": "closed"}
STATE_WORDS: Mapping[str, str] = {
    "active": "It may do what its scope says.",
    "suspended": "It may not issue until the registrar reinstates it; what it issued before stays what it was.",
    "closed": "It speaks no more; what it issued before stays what it was.",
}
SCOPE_WORDS: Mapping[str, tuple[str, str]] = {
    "may_issue": ("It may issue credentials.", "It may issue no credentials."),
    "may_stack": ("It may stack credentials.", "It may stack no credentials."),
    "may_recognise": ("It may recognise credentials of others.", "It may recognise no credentials of others."),
}
"""What an institution may do, and that it may not."""
PURPOSES: Mapping[KeyPurpose, str] = {
    "event": "Key for entries of the log",
    "assertion": "Key for documents",
    "recovery": "Recovery key",
    "form": "Key for other forms of documents",
}
KEY_STATES: Mapping[str, str] = {
    "usable": "in use",
    "delayed": "not usable yet",
    "retired": "retired",
    "compromised": "reported stolen",
    "void": "void",
}
HISTORY: Mapping[str, str] = {
    "admitted": "Admitted to the register",
    "scope_changed": "Its scope was changed",
    "suspended": "Suspended",
    "reinstated": "Reinstated",
    "closed": "Closed",
}
COMPARED_WORDS: Mapping[str, str] = {
    "same": "it was shown the same log",
    "ahead": "it was shown more than is known here; it is compared once that is",
    "failed": "it did not answer, or showed what the log did not sign",
    "not_yet": "not compared yet",
}
NO_INSTITUTION = "No institution of this identifier is on the register. Search for its name."
LOG_HEADING = "The log"
