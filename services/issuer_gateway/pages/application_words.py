"""What states, decisions and reasons of applications for recognition are called; each has its translations. Pure."""

from collections.abc import Mapping

APPLICATION_STATES: Mapping[str, str] = {
    "open": "Waiting for the institution",
    "decided": "Decided",
    "withdrawn": "Withdrawn or erased",
    "lapsed": "Closed: it was kept as long as it may be",
}
DECISIONS: Mapping[str, str] = {
    "full": "Recognised in full",
    "partial": "Recognised in part",
    "refused": "Not recognised",
}
EVIDENCE_VERDICTS: Mapping[str, str] = {
    "valid": "It was found genuine and in force when you sent it.",
    "invalid": "It could not be relied on when you sent it: it was altered, revoked, or is of nobody known.",
    "indeterminate": "Whether it is genuine could not be found out; a person looks at it.",
}
REASON_WORDS: Mapping[str, str] = {
    "outcomes-differ": "What you have learned differs from what the programme asks for",
    "level-too-low": "Its level is lower than the programme's",
    "workload-too-small": "It was less work than the programme asks for",
    "assessment-not-shown": "It does not show how you were assessed",
    "quality-not-assured": "Nobody who can be asked answers for its quality",
    "too-old": "It is too long ago",
    "not-authentic": "It could not be found genuine",
    "not-the-applicants": "It does not show that it is yours",
    "counted-already": "The same was counted already",
    "limit-reached": "The programme counts no more credits from elsewhere",
    "other": "Another reason, given in words",
}
FAULTS: Mapping[str, str] = {
    "programme": "Choose the programme for which it should count.",
    "given_name": "Write your given name, in at most 300 characters.",
    "family_name": "Write your family name, in at most 300 characters.",
    "email": "That is no mail address. Write one such as mia@uni.example, or leave it empty.",
    "statement": "Say it in at most 4000 characters, all of which can be seen.",
    "files": "Choose at least one file, or say below what you learned without a document.",
    "files-many": "Send at most {count} documents in one application.",
    "files-large": "File {number} is larger than 3 MB. Send a smaller one.",
    "files-kind": "File {number} is no JSON, PDF, PNG or SVG. Ask whoever gave you the document for one of these.",
    "files-kept": "Your files are too large to be kept here: choose them again.",
    "dossier_title": "Say in a few words what you learned, in at most 300 characters.",
    "dossier_description": "Say what you learned and where that can be seen, in at most 4000 characters.",
    "dossier_url": "Write an address that begins with https://, or leave it empty.",
    "wait": "So much was sent from where you are that it takes no more now. Try again in an hour.",
    "full": "So many applications wait there that it takes no more now. Try again later, or ask the institution.",
}
"""What is wrong with a field of the form that applies, in words that say what to do; of some fields several things."""
