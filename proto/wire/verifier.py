"""Bodies of the verifier's HTTP: the verify answer of DESIGN 4 and what goes with it. Decides nothing.

Times are moments, hashes and ids lower-case hex, credits integers in hundredths of ECTS (`ects_hundredths`).
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from proto.event_fields import KeyPurpose
from proto.ids import CredentialId, Did, EventId, KeyId, LeafIndex, Origin, TreeSize
from proto.lifecycle import StateName
from proto.moment import Moment
from proto.wire.content import Content, Texts
from proto.wire.ledger import Body
from proto.wire.quality import QualityFinding
from proto.wire.statements import EndorsementFacts, StandingDecisionFacts

Verdict = Literal["valid", "invalid", "indeterminate"]
CheckName = Literal[
    "document", "proof", "signature", "inclusion", "issuer", "status", "period", "components", "freshness"
]
Result = Literal["valid", "invalid", "unknown", "not_applicable"]
ShownState = Literal[StateName, "unknown"]
"""`unknown` stands where nothing is on record against a credential, and records that may lack it cannot tell."""
ChangeKind = Literal["issued", "revoked", "suspended", "reinstated"]


class Check(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What one check found: a result, a stable code for machines, and one sentence for a person.

    `cause` is what exactly was found, for whoever mends it: in English, whatever language the sentence is in.
    """

    check: CheckName
    result: Result
    code: str
    detail: str
    cause: str = ""


class HistoryItem(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was said of a credential: what, by whom, received by the log when, and in effect from when.

    `is_void` says that it does not count, because the key that said it was compromised.
    """

    kind: ChangeKind
    by: Did
    received_at: Moment
    effective_at: Moment
    index: LeafIndex
    reason: str | None = None
    replaced_by: CredentialId | None = None
    is_void: bool = False


class Status(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The effective state, since when, why, and everything that was said; credits that still hold in hundredths.

    `state` is `active` only where that is certain: else `unknown`, and all the rest as it was known last.
    """

    state: ShownState
    since: Moment
    ects_hundredths_remaining: int
    reason: str | None = None
    replaced_by: CredentialId | None = None
    history: tuple[HistoryItem, ...] = ()


class CredentialFacts(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What the log says of a credential; no personal data."""

    credential_id: CredentialId
    issuer: Did
    achievement: str
    ects_hundredths: int
    valid_from: Moment
    issued_at: Moment
    """When the log received the issue."""
    index: LeafIndex
    event_id: EventId
    eqf_level: int | None = None
    valid_until: Moment | None = None
    """The first moment at which it is valid no more."""
    components: tuple[CredentialId, ...] = ()
    valid_from_day: str | None = None
    valid_until_day: str | None = None
    """The first and the last day on which it is valid, as the document that was sent writes them."""


class AccreditationFacts(Body, frozen=True, kw_only=True, omit_defaults=True):
    """Who answers for the institution's quality, as the registrar wrote it.

    `register` is what this verifier's copy of the quality register has of the report that `url` names.
    """

    body: str
    url: str
    until: Moment | None = None
    register: QualityFinding | None = None


class ScopeFacts(Body, frozen=True, kw_only=True):
    """What the institution may do on this log."""

    eqf_min: int
    eqf_max: int
    ects_hundredths_max: int
    may_issue: bool
    may_stack: bool
    may_recognise: bool


class StandingItem(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The registrar suspended, reinstated or closed the institution."""

    kind: Literal["suspended", "reinstated", "closed"]
    received_at: Moment
    successor: Did | None = None


class IssuerFacts(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What the log says of an institution, not what a document says of itself.

    `state` is its standing now, `unknown` where it would be active by records that may lack what was said since;
    `answers_now` is who answers for its credentials, itself or its successor.
    """

    did: Did
    state: Literal["active", "suspended", "closed", "not_admitted", "unknown"]
    legal_name: str = ""
    country: str = ""
    admitted_at: Moment | None = None
    scope: ScopeFacts | None = None
    accreditation: AccreditationFacts | None = None
    history: tuple[StandingItem, ...] = ()
    answers_now: Did | None = None
    is_signing_key_from_registrar: bool = False
    """The key that signed this credential was added by the registrar, not by the institution itself."""


class KeyFacts(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One key of an institution: added by whom, usable from when, retired or condemned since when.

    `state` is `unknown` where it would be usable by records that may lack what was said since.
    """

    key_id: KeyId
    purpose: KeyPurpose
    public_key: str
    added_at: Moment
    added_by: Did
    usable_from: Moment
    state: Literal["usable", "delayed", "retired", "compromised", "void", "unknown"]
    invalid_from: Moment | None = None


class StackNode(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A credential in a stack and what of it still counts; `parts` are its components, each the same.

    `title` is what the institution that awarded it calls the achievement now, by language: from a catalogue that is
    read here, and only under an address that the register gives to it. All else is of the log, which holds no titles.
    """

    credential_id: CredentialId
    issuer: Did
    achievement: str
    ects_hundredths: int
    ects_hundredths_remaining: int
    state: ShownState
    since: Moment
    issuer_name: str = ""
    eqf_level: int | None = None
    title: Texts = msgspec.field(default_factory=dict)
    parts: "tuple[StackNode, ...]" = ()


class RecognitionFacts(Body, frozen=True, kw_only=True, omit_defaults=True):
    """An institution counts the credential towards a programme of its own.

    `under` is the standing decision that it follows, `replaces` the recognition in whose place it came. `state` is
    `unknown` where it would be live by records that may lack what was said since.
    """

    event_id: EventId
    recogniser: Did
    recogniser_name: str
    decision: Literal["full", "partial"]
    ects_hundredths: int
    programme: str
    received_at: Moment
    state: Literal["live", "withdrawn", "void", "unknown"]
    eqf_level: int | None = None
    under: EventId | None = None
    replaces: EventId | None = None


class AsOf(Body, frozen=True, kw_only=True):
    """Which state of which log the answer rests on, and how old it is.

    `time_source` `witnesses`: independent witnesses vouch for `time`; `log`: it is the log's own word. `time` and
    `age_seconds` are null where the projection never caught up with the log. `imported`: the records began with a
    signed snapshot of another verifier, and are still being derived again from the log. `pinned`: the log's beginning
    was held against a pin of the verifier's; where it was not, whoever holds the log's key could have begun it anew.
    """

    origin: Origin
    size: TreeSize
    root_hash: str
    time: Moment | None
    time_source: Literal["witnesses", "log"]
    age_seconds: float | None
    imported: bool = False
    pinned: bool = False


class Question(Body, frozen=True, kw_only=True, omit_defaults=True):
    """For which moment was asked, and by the knowledge of which moment; absent `known_at`: by all that is known."""

    at: Moment
    known_at: Moment | None = None


class Today(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What holds now, by all that is known; said before everything else where another moment is asked about.

    `checks` are those that decide the verdict: none where it is `valid`.
    """

    verdict: Verdict
    at: Moment
    state: ShownState | None = None
    since: Moment | None = None
    reason: str | None = None
    replaced_by: CredentialId | None = None
    checks: tuple[Check, ...] = ()


class Answer(Body, frozen=True, kw_only=True, omit_defaults=True):
    """The verify answer (DESIGN 4). `verdict` is `valid` only if every applicable check is `valid`.

    Where a moment is asked about (`at`, `known_at`), `today` comes first, and everything else is about that moment.
    `content` is what the document says, where it is proven to be the one that its institution put on the log: the
    institution's statements, while everything else here is what the log says. No check rests on `endorsements` and
    `standing_decisions` (those on its achievement); of the latter the newest 256 are looked at.
    """

    today: Today | None = None
    verdict: Verdict
    checks: tuple[Check, ...]
    question: Question
    as_of: AsOf
    credential: CredentialFacts | None = None
    status: Status | None = None
    issuer: IssuerFacts | None = None
    stack: StackNode | None = None
    recognitions: tuple[RecognitionFacts, ...] = ()
    endorsements: tuple[EndorsementFacts, ...] = ()
    standing_decisions: tuple[StandingDecisionFacts, ...] = ()
    content: Content | None = None


class AnswerLine(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One document's outcome where a list was sent: `answer`, or `problem` where it could not be read (RFC 9457).

    `POST /v1/verifications` answers a document with an `Answer`, and a list with a list of these in the order sent.
    """

    index: int
    answer: Answer | None = None
    problem: dict[str, Any] | None = None
    note: str = ""
    """What is not judged of what the document came in; for people."""


class VerificationLine(Body, frozen=True, kw_only=True, omit_defaults=True):
    """One document's outcome where NDJSON was sent: `answer`, or `problem` where it could not be read (RFC 9457).

    `line` is the 1-based number of the sender's line, and `status` what the document alone would have been answered.
    """

    line: int
    status: int
    answer: Answer | None = None
    problem: dict[str, Any] | None = None


class StackAnswer(Body, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /v1/stacks/{id}`: the tree with what of each part still counts; `verdict` and checks as for a credential."""

    today: Today | None = None
    verdict: Verdict
    checks: tuple[Check, ...]
    question: Question
    as_of: AsOf
    stack: StackNode


Lang = Annotated[str, Meta(max_length=35, description="Language of sentences: en, de, es or fr")] | None


class LanguageQuery(Body, frozen=True, kw_only=True):
    """`?lang=`: the language of sentences; without it, `Accept-Language` counts."""

    lang: Lang = None


class TimeQuery(LanguageQuery, frozen=True, kw_only=True):
    """`?at=&known_at=`: RFC 3339 times with an offset, or bare days: noon (UTC) of `at`, the end of `known_at`."""

    at: (
        Annotated[
            str,
            Meta(max_length=64, description="When should it hold? RFC 3339, or a day: its noon (UTC); default: now"),
        ]
        | None
    ) = None
    known_at: (
        Annotated[
            str,
            Meta(
                max_length=64,
                description="By what the log said up to when? RFC 3339, or a day: its end (UTC); default: all",
            ),
        ]
        | None
    ) = None


Dimension = Literal["issuer", "country", "eqf_level", "month"]


class StatisticsRow(Body, frozen=True, kw_only=True):
    """What was done on the log by one group; of `issuer`, `country`, `eqf_level`, `month` those by which was grouped.

    Credentials and stacks count where they were first issued, and in the month in which the log received them; what
    became of them (revoked, suspended, reinstated) is counted as an act, in its own month. Recognitions count for the
    institution that recognised. `eqf_level` is null where none is stated. A stack's credits are those of its parts.
    """

    issuer: Did | UnsetType = UNSET
    legal_name: str | UnsetType | None = UNSET
    country: str | UnsetType | None = UNSET
    eqf_level: int | UnsetType | None = UNSET
    month: str | UnsetType = UNSET
    credential_count: int = 0
    ects_hundredths: int = 0
    stack_count: int = 0
    stacked_ects_hundredths: int = 0
    revocation_count: int = 0
    suspension_count: int = 0
    reinstatement_count: int = 0
    recognition_count: int = 0
    recognised_ects_hundredths: int = 0
    withdrawal_count: int = 0


class StatisticsAnswer(Body, frozen=True, kw_only=True):
    """Counts over the whole log as far as it is known here, in the order of the groups; `total` is that of all rows."""

    by: tuple[Dimension, ...]
    rows: tuple[StatisticsRow, ...]
    total: StatisticsRow
    as_of: AsOf
    freshness: Check
