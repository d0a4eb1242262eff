"""Terms of the Dutch profile of Open Badges (educredentials) and what they are read as. Data, no behaviour.

Its schema has closed lists for assessment, participation and supervision, its credits are `ECTS`, its hours `SBU`.
"""

from proto.documents.vocabulary import AssessmentType, ParticipationMode, Supervision

CONTEXT_ENDING = "/educredential.json"
ASSESSMENT: dict[str, AssessmentType] = {
    "testing": AssessmentType.WRITTEN_EXAM,
    "application of a skill": AssessmentType.PRACTICAL,
    "portfolio": AssessmentType.PORTFOLIO,
    "recognition of prior learning": AssessmentType.PRIOR_LEARNING,
}
PARTICIPATION: dict[str, tuple[ParticipationMode, ...]] = {
    "online": (ParticipationMode.ONLINE,),
    "onsite or blended": (ParticipationMode.PRESENTIAL, ParticipationMode.BLENDED),
    "volunteering": (ParticipationMode.VOLUNTEERING,),
    "work experience": (ParticipationMode.WORK_BASED,),
    "personalized learning activities": (ParticipationMode.PERSONALISED,),
}
SUPERVISION: dict[str, Supervision] = {
    "unsupervised with no identity verification": Supervision.UNSUPERVISED,
    "supervised with no identity verification": Supervision.SUPERVISED,
    "online with identity verification": Supervision.SUPERVISED_ONLINE_CHECKED,
    "onsite with identity verification": Supervision.SUPERVISED_ONSITE_CHECKED,
}
UNCHECKED = {Supervision.UNSUPERVISED, Supervision.SUPERVISED}
SUPERVISED_ONLINE = "supervised online"
"""A kind of supervision of which `identityChecked` says whether the identity was checked."""
