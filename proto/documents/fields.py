"""The fields of achievements, awards and learners: their forms and limits. Knows no record.

Each carries its limits, so that decoding checks them and OpenAPI shows them.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta

from proto.documents.vocabulary import ESCO_PATTERN, ISCED_F_PATTERN, LANGUAGE_PATTERN
from proto.event_fields import CredentialIdField
from proto.ids import AchievementUri

WORKLOAD_HOURS_MAX = 20_000
_DATE = r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
_TIME = r"([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"

Language = Annotated[str, Meta(pattern=LANGUAGE_PATTERN, max_length=35, description="BCP 47 language tag")]
ShortText = Annotated[str, Meta(min_length=1, max_length=300)]
LongText = Annotated[str, Meta(min_length=1, max_length=10_000)]
Title = Annotated[dict[Language, ShortText], Meta(min_length=1, max_length=24, description="Text by language")]
Text = Annotated[dict[Language, LongText], Meta(min_length=1, max_length=24, description="Text by language")]
CodeText = Annotated[str, Meta(min_length=1, max_length=100)]
AnyUri = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9+.-]{1,30}:[!-~]{1,490}\Z", max_length=500)]
DateField = Annotated[str, Meta(pattern=rf"^{_DATE}\Z", max_length=10, description="YYYY-MM-DD")]
DayOrTimeField = Annotated[
    str,
    Meta(
        pattern=rf"^{_DATE}(T{_TIME})?\Z",
        max_length=40,
        description="A day, YYYY-MM-DD, in the institution's time zone, or RFC 3339 with an offset",
    ),
]
EscoField = Annotated[str, Meta(pattern=ESCO_PATTERN, max_length=120)]
IscedField = Annotated[str, Meta(pattern=ISCED_F_PATTERN, max_length=4, description="ISCED-F 2013, 2 to 4 digits")]
LearnerRef = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._~@-]*(/[A-Za-z0-9][A-Za-z0-9._~@-]*)*\Z",
        max_length=128,
        description="Letters, digits and . _ ~ @ - /; first, and behind each slash, a letter or a digit",
    ),
]
# Enumerations of Open Badges 3.0, each extensible by `ext:`.
IDENTIFIER_TYPES = (
    "name|sourcedId|systemId|productId|userName|accountId|emailAddress|nationalIdentityNumber|isbn|issn|lisSourcedId"
    "|oneRosterSourcedId|sisSourcedId|ltiContextId|ltiDeploymentId|ltiToolId|ltiPlatformId|ltiUserId|identifier"
)
RESULT_TYPES = (
    "GradePointAverage|LetterGrade|Percent|PerformanceLevel|PredictedScore|RawScore|Result|RubricCriterion"
    "|RubricCriterionLevel|RubricScore|ScaledScore|Status"
)
ALIGNMENT_TYPES = "ceasn:Competency|ceterms:Credential|CFItem|CFRubric|CFRubricCriterion|CFRubricCriterionLevel|CTDL"
_EXTENSION = "ext:[A-Za-z0-9._-]{1,60}"
IdentifierText = Annotated[str, Meta(min_length=1, max_length=500)]
ResultStatus = Literal["Completed", "Enrolled", "Failed", "InProgress", "OnHold", "Provisional", "Withdrew"]
IdentifierType = Annotated[str, Meta(pattern=rf"^({IDENTIFIER_TYPES}|{_EXTENSION})\Z", max_length=64)]
ResultType = Annotated[str, Meta(pattern=rf"^({RESULT_TYPES}|{_EXTENSION})\Z", max_length=64)]
AlignmentType = Annotated[str, Meta(pattern=rf"^({ALIGNMENT_TYPES}|{_EXTENSION})\Z", max_length=64)]
AwardedField = Annotated[
    AchievementUri,
    Meta(
        pattern=r"^(https?://[!-~]{1,490}|[a-z0-9](-?[a-z0-9]){0,62})\Z",
        max_length=500,
        description="URI of the achievement, or the institution's own short id of it",
    ),
]
PrerequisiteIds = Annotated[
    tuple[CredentialIdField, ...],
    Meta(max_length=16, description="Credentials of other institutions that meet the entry requirements, by id"),
]
PrerequisiteDocuments = Annotated[
    tuple[dict[str, Any], ...], Meta(max_length=16, description="The same by document, whose holder is compared")
]
OnRepeat = Literal["replace", "repeat"]
OnRepeatField = Annotated[
    OnRepeat,
    Meta(
        description="Where the learner was awarded the same achievement before, with other content: `replace` revokes "
        "the earlier credential, which then names this one, `repeat` lets both hold. Without it the award is refused"
    ),
]
_NO_SPACE = r"[^@\s\x00-\x1f\x7f-\x9f\ufeff]"  # written out where readers' ideas of \s differ (Python, ECMA-262)
EmailField = Annotated[str, Meta(pattern=rf"^{_NO_SPACE}{{1,64}}@{_NO_SPACE}{{1,255}}\Z", max_length=320)]
