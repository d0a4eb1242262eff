"""Bodies of applications for recognition: a person's evidence, an office's decisions with reasons, appeals, precedents.

What names a person, and what was written, lies sealed under the applicant's key at rest (DESIGN 8, 11).
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from proto.documents.fields import EmailField, LearnerRef, ShortText
from proto.event_fields import EctsField, EqfField, UriField
from proto.events import Record
from proto.ids import ApplicationId, CredentialId, Did, EventId
from proto.moment import Moment
from proto.wire.agreements import AgreementGrounds
from proto.wire.content import Content, Texts
from proto.wire.id_fields import Slug
from proto.wire.verifier import Answer

EVIDENCE_MAX = 16
FILE_CHARACTERS_MAX = 4_194_304
"""Of one file in base64: three megabytes."""

ApplicationState = Literal["open", "decided", "withdrawn", "lapsed"]
RecognitionDecision = Literal["full", "partial", "refused"]
ReasonCode = Literal[
    "outcomes-differ",
    "level-too-low",
    "workload-too-small",
    "assessment-not-shown",
    "quality-not-assured",
    "too-old",
    "not-authentic",
    "not-the-applicants",
    "counted-already",
    "limit-reached",
    "other",
]
StatementText = Annotated[str, Meta(min_length=1, max_length=4_000)]


class Dossier(Record, frozen=True, kw_only=True):
    """Prior learning without a credential: what was learned, where that can be seen."""

    title: ShortText
    description: StatementText
    url: UriField | None = None


class EvidenceSent(Record, frozen=True, kw_only=True):
    """One piece of evidence: a credential as JSON, a file that holds one in base64, or a dossier."""

    document: dict[str, Any] | None = None
    file: Annotated[str, Meta(min_length=4, max_length=FILE_CHARACTERS_MAX, description="base64")] | None = None
    dossier: Dossier | None = None

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.document, self.file, self.dossier)) != 1:
            raise ValueError("A piece of evidence is one of document, file and dossier")


class Applicant(Record, frozen=True, kw_only=True):
    """Who applies, and what they say for themselves."""

    given_name: ShortText
    family_name: ShortText
    email: EmailField | None = None
    statement: StatementText | None = None


class ApplicationBody(Applicant, frozen=True, kw_only=True):
    """`POST /v1/recognition-applications`: somebody asks an institution to count what others taught.

    `programme` is a public programme of the institution. On the log a decision is put only where `publish` asks for it:
    it tells every later reader where somebody applied.
    """

    institution: Slug
    programme: UriField
    publish: Annotated[bool, Meta(description="Put what is recognised on the public log")] = False
    evidence: Annotated[tuple[EvidenceSent, ...], Meta(min_length=1, max_length=EVIDENCE_MAX)]


class ApplicationMade(Record, frozen=True, kw_only=True):
    """An application that was taken. `link` and its last part `secret` are shown this once."""

    application_id: ApplicationId
    state: ApplicationState
    created_at: Moment
    due_at: Moment
    link: str
    secret: str


class DecisionAnswer(Record, frozen=True, kw_only=True):
    """A decision on one piece of evidence, with its reasons; `round` 2 is the one after an appeal.

    `under` is the standing decision that decided at once, `agreement` the agreement that did. `recognition` is the
    event on the log, where there is one. `assessor` is who assessed prior learning; only the office reads it.
    """

    round: int
    decision: RecognitionDecision
    ects_hundredths: int | None = None
    eqf_level: int | None = None
    reasons: tuple[ReasonCode, ...] = ()
    text: str | None = None
    decided_at: Moment
    under: EventId | None = None
    recognition: EventId | None = None
    assessor: str | None = None
    agreement: AgreementGrounds | None = None


class ItemSeen(Record, frozen=True, kw_only=True):
    """A piece of evidence as its applicant sees it."""

    number: int
    title: str
    verdict: Literal["valid", "invalid", "indeterminate"] | None = None
    decisions: tuple[DecisionAnswer, ...] = ()
    appeal: str | None = None
    may_appeal: bool = False


class ApplicationSeen(Record, frozen=True, kw_only=True):
    """What the applicant sees by the secret link."""

    state: ApplicationState
    institution: str
    legal_name: str
    programme: str
    programme_title: str | None = None
    publish: bool
    created_at: Moment
    due_at: Moment
    items: tuple[ItemSeen, ...] = ()
    is_erased: bool = False


class AppealBody(Record, frozen=True, kw_only=True):
    """`POST /v1/application-links/{secret}/items/{number}/appeal`: why the decision should be another."""

    text: StatementText


class Precedent(Record, frozen=True, kw_only=True):
    """How a like case was decided: here (`own`), or by an institution on the public log.

    `count` is how many; of own ones the last decision counts, without naming any applicant, and `public_count` is how
    many of these are on the public log, which are not told as public ones too. `is_standing`: decided once for all, by
    a standing decision that is in force. `programme_title`: how whoever has the programme calls it, where that is known
    (not said in lists).
    """

    scope: Literal["own", "public"]
    institution: Did
    institution_name: str | None = None
    programme: str | None = None
    programme_title: Texts | None = None
    decision: RecognitionDecision
    ects_hundredths: int | None = None
    eqf_level: int | None = None
    is_standing: bool = False
    count: int
    public_count: int = 0
    last_at: Moment


PrecedentsKnown = Literal["known", "unknown", "not-asked"]
HoldsNow = Literal["holds", "does-not-hold", "unknown", "not-asked"]


class CountedPlace(Record, frozen=True, kw_only=True):
    """Where a credential counts: an application, and the number of the evidence in it.

    Or `recognition`, an event on the log that came of no application here, or of one that was erased since.
    """

    application_id: ApplicationId | None = None
    number: int | None = None
    recognition: EventId | None = None


class ItemAnswer(Record, frozen=True, kw_only=True):
    """A piece of evidence as the office sees it.

    `answer` is what a verifier said of it when it came, null where nothing could be asked; `stated` is what the
    document says, which is proven only where the answer says so; `credential_id` names a credential on this log.
    `public_precedents`: whether a verifier was asked just now for public decisions on the achievement; where it could
    not answer, or was not up to date (`unknown`), and in lists (`not-asked`), those stand here that came with `answer`.
    `holds_now` is whether the credential on this log holds now, as a verifier was asked just now too: it may have been
    revoked since it was shown, and `answer` stays as it was. `counted_in` is where the office has recognised this
    credential, a part of it, or a stack that holds one of these, towards the programme already (not said in lists):
    whatever decides at once leaves it to a person, who counts it once more only by saying so (`despite_counted`).
    """

    number: int
    title: str
    dossier: Dossier | None = None
    answer: Answer | None = None
    stated: Content | None = None
    credential_id: CredentialId | None = None
    achievement: str | None = None
    achievement_issuer: str | None = None
    decisions: tuple[DecisionAnswer, ...] = ()
    appeal: str | None = None
    precedents: tuple[Precedent, ...] = ()
    public_precedents: PrecedentsKnown = "not-asked"
    holds_now: HoldsNow = "not-asked"
    counted_in: tuple[CountedPlace, ...] = ()


class ProgrammeLimits(Record, frozen=True, kw_only=True):
    """What the recipe of a programme, where it is an achievement of the institution, lets count of others' credits."""

    outside_hundredths_max: int | None = None
    outside_share_max: str | None = None
    eqf_level_min: int | None = None
    age_days_max: int | None = None


class ApplicationAnswer(Record, frozen=True, kw_only=True):
    """An application as the office sees it; what was written is null once it is erased.

    `learner` is the institution's own name for the learner whose application it is, where the office has said so.
    """

    application_id: ApplicationId
    state: ApplicationState
    programme: str
    publish: bool
    created_at: Moment
    due_at: Moment
    is_overdue: bool
    programme_title: str | None = None
    limits: ProgrammeLimits | None = None
    applicant: Applicant | None = None
    learner: str | None = None
    items: tuple[ItemAnswer, ...] = ()
    is_erased: bool = False


class WhoseApplication(Record, frozen=True, kw_only=True):
    """`PUT /v1/recognition-applications/{id}/learner`: whose application it is, by the institution's own name; or null.

    Then it is in that learner's export, and is erased with that learner.
    """

    learner: LearnerRef | None


class ApplicationPage(Record, frozen=True, kw_only=True):
    """Applications, those that are due first."""

    applications: tuple[ApplicationAnswer, ...]
    next_cursor: str | None = None


class DecisionBody(Record, frozen=True, kw_only=True):
    """`POST /v1/recognition-applications/{id}/items/{number}/decision`.

    In part counts `ects_hundredths`; what is not recognised in full has reasons from the list and words: the burden of
    proof lies with the office, and a refusal states its reasons (Lisbon Recognition Convention). What counts of prior
    learning names its `assessor`.
    """

    decision: RecognitionDecision
    ects_hundredths: EctsField | UnsetType = UNSET
    eqf_level: EqfField | UnsetType = UNSET
    reasons: Annotated[tuple[ReasonCode, ...], Meta(max_length=8)] = ()
    text: StatementText | UnsetType = UNSET
    assessor: (
        Annotated[ShortText, Meta(description="Who assessed prior learning, which counts by nothing else")] | UnsetType
    ) = UNSET
    despite_precedents: Annotated[bool, Meta(description="Said where a like case was decided otherwise before")] = False
    despite_status: Annotated[bool, Meta(description="Said where the credential does not hold any more")] = False
    despite_counted: Annotated[bool, Meta(description="Said where it counts towards the programme already")] = False


class UnlikeCases(Record, frozen=True, kw_only=True):
    """An achievement on which this office decided unlike: how often each way; its title where that is known here."""

    achievement: str
    achievement_issuer: str
    programme: str
    full: int
    partial: int
    refused: int
    title: Texts | None = None
    institution_name: str | None = None


class RecognitionReport(Record, frozen=True, kw_only=True):
    """How an office decides: open, overdue, decided and appealed pieces of evidence, and like cases decided unlike."""

    open_count: int
    overdue_count: int
    full_count: int
    partial_count: int
    refused_count: int
    appealed_count: int
    unlike: tuple[UnlikeCases, ...]
    at_once_count: int = 0
    """Decided by a standing decision."""
    changed_on_appeal_count: int = 0
    median_hours: int | None = None
    """From the application to its first decision by a person."""
    refused_percent: int | None = None
    """Of those that were decided; None where none was."""
