"""The English words of the lists' pages, by what they stand for; other languages have them in their files. Tables."""

from collections.abc import Mapping

from proto.event_fields import KeyPurpose
from proto.wire.register import FacetName

INSTITUTION_STATES: Mapping[str, str] = {
    "active": "admitted",
    "suspended": "suspended",
    "closed": "closed",
    "unknown": "not known",
}
STATE_WORDS: Mapping[str, str] = {
    "active": "It may do what its scope says.",
    "suspended": "It may not issue until the registrar reinstates it; what it issued before stays what it was.",
    "closed": "It speaks no more; what it issued before stays what it was.",
    "unknown": "It was admitted. Whether it has been suspended or closed since, these records cannot tell.",
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
    "unknown": "not known",
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
CATALOGUE_HEADING = "Achievements"
NO_ACHIEVEMENT = (
    "Nothing was awarded under this address, and no catalogue that this verifier reads describes it. Search for its "
    "title, or ask whoever gave you the address."
)
FACET_HEADINGS: Mapping[FacetName, str] = {
    "subject": "Subject",
    "level": "EQF level",
    "credits": "Credits",
    "language": "Language",
    "mode": "How one takes part",
    "skill": "Skill",
    "issuer": "Institution",
}
CREDITS: Mapping[str, str] = {
    "none": "no credits stated",
    "1": "up to 1 ECTS",
    "3": "more than 1, up to 3 ECTS",
    "6": "more than 3, up to 6 ECTS",
    "12": "more than 6, up to 12 ECTS",
    "30": "more than 12, up to 30 ECTS",
    "more": "more than 30 ECTS",
}
MODES: Mapping[str, str] = {
    "presential": "in person",
    "online": "online",
    "blended": "in part online",
    "work-based": "at work",
    "project-based": "in a project",
    "research-lab": "in a laboratory or by research",
    "volunteering": "as a volunteer",
    "personalised": "in a way of one's own",
}
SUBJECTS: Mapping[str, str] = {
    "00": "Generic programmes",
    "01": "Education",
    "02": "Arts and humanities",
    "03": "Social sciences, journalism and information",
    "04": "Business, administration and law",
    "05": "Natural sciences, mathematics and statistics",
    "06": "Information and communication technologies",
    "07": "Engineering, manufacturing and construction",
    "08": "Agriculture, forestry, fisheries and veterinary",
    "09": "Health and welfare",
    "10": "Services",
    "99": "Field not known",
}
"""The broad fields of ISCED-F 2013."""
ASSESSMENTS: Mapping[str, str] = {
    "written-exam": "written examination",
    "oral-exam": "oral examination",
    "marked-assignment": "marked assignment",
    "continuous": "continuous evaluation",
    "portfolio": "portfolio",
    "group-performance": "group performance",
    "practical": "practical assessment",
    "project-work": "project work",
    "quiz": "quiz",
    "problem-based": "problem-based assessment",
    "artefact": "artefact",
    "attendance": "attendance",
    "peer-review": "peer review",
    "peer-assessment": "peer assessment",
    "prior-learning": "recognition of prior learning",
}
CREDITS_DIFFER = "Credentials on the log have {lowest} to {highest} ECTS; the description says {described} ECTS."
LEVELS_DIFFER = "Credentials on the log have EQF level {awarded}; the description says {described}."
