"""Words and fields of the MicroHE prototype and what they are read as. Data, no behaviour."""

from collections.abc import Mapping

from proto.documents.vocabulary import AssessmentType, ParticipationMode

ASSESSMENTS: Mapping[str, AssessmentType] = {
    "oral": AssessmentType.ORAL_EXAM,
    "written": AssessmentType.WRITTEN_EXAM,
    "portfolio": AssessmentType.PORTFOLIO,
    "project": AssessmentType.PROJECT_WORK,
    "quiz": AssessmentType.QUIZ,
    "assignment": AssessmentType.MARKED_ASSIGNMENT,
    "continuous": AssessmentType.CONTINUOUS,
    "peer": AssessmentType.PEER_ASSESSMENT,
    "practical": AssessmentType.PRACTICAL,
}
ANY_ASSESSMENT: Mapping[str, AssessmentType] = {"exam": AssessmentType.WRITTEN_EXAM}
"""What counts where none of the others does: an oral exam is no written one."""
MODES: Mapping[str, ParticipationMode] = {
    "online": ParticipationMode.ONLINE,
    "distance": ParticipationMode.ONLINE,
    "blended": ParticipationMode.BLENDED,
    "hybrid": ParticipationMode.BLENDED,
    "face": ParticipationMode.PRESENTIAL,
    "campus": ParticipationMode.PRESENTIAL,
    "presential": ParticipationMode.PRESENTIAL,
    "work-based": ParticipationMode.WORK_BASED,
    "work based": ParticipationMode.WORK_BASED,
    "project": ParticipationMode.PROJECT_BASED,
}
FURTHER: Mapping[str, str] = {
    "eduCredType": "Type of credential",
    "creditSystem": "Credit system",
    "creditSysTitle": "Title of the credit system",
    "creditSysDef": "Definition of the credit system",
    "creditSysValue": "Value of a credit point",
    "creditSysIssuer": "Issuer of the credit system",
    "creditSysRefNum": "Reference number in the credit system",
    "numCreditPoints": "Credit points",
    "canConsistOf": "Can consist of",
    "consistsOf": "Consists of",
    "waysToAcquire": "Ways to acquire it",
    "relatedOccupation": "Related occupation",
    "recognition": "Recognition",
    "awardingActivity": "Awarding activity",
    "awardingMethod": "Awarding method",
    "homePage": "Home page",
    "landingPage": "Landing page",
    "supplDoc": "Supplementary document",
    "replaces": "Replaces",
    "replacedBy": "Replaced by",
    "changeNote": "Note on changes",
    "historyNote": "Note on history",
    "field": "Subject",
}
"""Fields that tell people more of the achievement, and have no field of ours: what each is called in a text."""
LANGUAGES: Mapping[str, str] = {
    "bulgarian": "bg", "croatian": "hr", "czech": "cs", "danish": "da", "dutch": "nl", "english": "en",
    "estonian": "et", "finnish": "fi", "french": "fr", "german": "de", "greek": "el", "hungarian": "hu", "irish": "ga",
    "italian": "it", "latvian": "lv", "lithuanian": "lt", "maltese": "mt", "norwegian": "no", "polish": "pl",
    "portuguese": "pt", "romanian": "ro", "slovak": "sk", "slovenian": "sl", "spanish": "es", "swedish": "sv",
    "turkish": "tr", "ukrainian": "uk",
}  # fmt: skip  # a table of pairs, read across
