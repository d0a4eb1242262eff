"""Bodies of the verifier's lists: institutions, what they award and recognise, the log itself. Decides nothing.

Counts are of acts on the log, each counted once in its day or month; credits are in hundredths of ECTS.
"""

from typing import Literal

from proto.documents.credential import Achievement
from proto.events import Decision
from proto.ids import CredentialId, Did, EventId, LeafIndex, Origin, TreeSize
from proto.moment import Moment
from proto.wire.content import Texts
from proto.wire.ledger import Body
from proto.wire.quality import QualityFinding
from proto.wire.statements import LiveState
from proto.wire.verifier import AccreditationFacts, AsOf, Check, IssuerFacts, KeyFacts, ScopeFacts

RegisterState = Literal["active", "suspended", "closed", "unknown"]
"""How an institution stands now; `unknown` where it would be active by records that may lack what was said since."""


class ActCounts(Body, frozen=True, kw_only=True):
    """What was done on the log: credentials, stacks, what became of them, and recognitions of them.

    What was said with a key that was condemned afterwards stays counted.
    """

    credential_count: int = 0
    stack_count: int = 0
    revocation_count: int = 0
    suspension_count: int = 0
    reinstatement_count: int = 0
    recognition_count: int = 0
    withdrawal_count: int = 0


class IssuerSummary(Body, frozen=True, kw_only=True):
    """An institution in a list: what the register says of it now, and how much it has issued."""

    did: Did
    legal_name: str
    country: str
    state: RegisterState
    admitted_at: Moment | None
    accreditation: AccreditationFacts | None
    answers_now: Did | None
    credential_count: int
    ects_hundredths: int
    stack_count: int
    recognition_count: int


class IssuerPage(Body, frozen=True, kw_only=True):
    """`GET /v1/issuers`: institutions in the order of their names; `next_cursor` asks for more, null: these are all."""

    issuers: tuple[IssuerSummary, ...]
    next_cursor: str | None
    as_of: AsOf
    freshness: Check


class ProfileFacts(Body, frozen=True, kw_only=True, omit_defaults=True):
    """What the registrar said of an institution at one time: admitted, or its scope changed.

    `is_void` says that it does not count, because the key that said it was compromised.
    """

    kind: Literal["admitted", "scope_changed"]
    received_at: Moment
    legal_name: str
    country: str
    uri_prefixes: tuple[str, ...]
    scope: ScopeFacts
    accreditation: AccreditationFacts
    is_void: bool = False


class AwardedAchievement(Body, frozen=True, kw_only=True):
    """An achievement that an institution has awarded, by the log alone: how often, with which credits and levels.

    `first_at` and `last_at` are when the log received the first and the last issue. `recognition_count` counts
    recognitions of these credentials by others.
    """

    achievement: str
    issuer: Did
    issuer_name: str
    counts: ActCounts
    ects_hundredths_min: int
    ects_hundredths_max: int
    eqf_levels: tuple[int, ...]
    first_at: Moment
    last_at: Moment
    title: Texts | None = None
    """As a catalogue that this verifier reads has it; the log holds no title."""


class AwardedPage(Body, frozen=True, kw_only=True):
    """`GET /v1/awards`: what was awarded, in the order of the addresses."""

    awards: tuple[AwardedAchievement, ...]
    next_cursor: str | None
    as_of: AsOf
    freshness: Check


class RecognisedAchievement(Body, frozen=True, kw_only=True):
    """An institution counts credentials of an achievement of another's: how often, and how often no more.

    `ects_hundredths` is the sum of what the recognitions count, withdrawn ones too.
    """

    recogniser: Did
    recogniser_name: str
    achievement: str
    issuer: Did
    issuer_name: str
    recognition_count: int
    withdrawal_count: int
    ects_hundredths: int
    title: Texts | None = None
    """Of the achievement, as a catalogue that this verifier reads has it."""


class DecisionFacts(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A standing decision in force now: an institution counts what another awards for an achievement (DESIGN 9).

    `state` is `unknown` where it would be live by records that may lack what was said since.
    `description_digest` is that of the description which it meant, as whoever decided states it.
    """

    event_id: EventId
    recogniser: Did
    recogniser_name: str
    issuer: Did
    issuer_name: str
    achievement: str
    decision: Decision
    ects_hundredths: int
    programme: str
    valid_from: Moment
    valid_until: Moment
    state: LiveState
    title: Texts | None = None
    eqf_level: int | None = None
    ects_hundredths_min: int | None = None
    eqf_level_min: int | None = None
    description_digest: str | None = None


class RecognisedPage(Body, frozen=True, kw_only=True):
    """`GET /v1/recognitions`: who recognises credentials of what, in the order of who recognises, and of what."""

    recognitions: tuple[RecognisedAchievement, ...]
    next_cursor: str | None
    as_of: AsOf
    freshness: Check


class LookAlike(Body, frozen=True, kw_only=True):
    """Another institution of the register, whose name looks the same."""

    did: Did
    legal_name: str


class IssuerAnswer(Body, frozen=True, kw_only=True):
    """`GET /v1/issuers/{did}`: what the register says, the keys, what was done, and how old the knowledge is.

    `achievements`, `recognises` and `recognised_by` hold the first of what `/v1/awards` and `/v1/recognitions` list.
    """

    issuer: IssuerFacts
    keys: tuple[KeyFacts, ...]
    as_of: AsOf
    freshness: Check
    successor_name: str | None = None
    look_alikes: tuple[LookAlike, ...] = ()
    """Others whose names look the same, whatever letters they are written with; its successor is not among them."""
    uri_prefixes: tuple[str, ...] = ()
    profiles: tuple[ProfileFacts, ...] = ()
    counts: ActCounts = ActCounts()
    ects_hundredths: int = 0
    """Of its credentials; a stack's are those of its parts."""
    achievements: tuple[AwardedAchievement, ...] = ()
    recognises: tuple[RecognisedAchievement, ...] = ()
    recognised_by: tuple[RecognisedAchievement, ...] = ()
    decisions: tuple[DecisionFacts, ...] = ()
    """Its standing decisions that are in force now, the newest first."""
    has_more: tuple[Literal["achievements", "recognises", "recognised_by", "decisions"], ...] = ()
    """Which of these lists are longer than what stands here."""


class WitnessFacts(Body, frozen=True, kw_only=True):
    """A witness of the log's newest checkpoint that is known here.

    `is_known`: this verifier has its key, so that its word was checked; `cosigned_at` is the time that it vouched for,
    null where the checkpoint carries nothing of it. What a key that is not known here has signed, was not checked.
    """

    name: str
    is_known: bool
    cosigned_at: Moment | None = None
    lag_seconds: float | None = None


class ComparedFacts(Body, frozen=True, kw_only=True):
    """Another verifier or a mirror with which this one compares what the log shows; `state` is what was found last.

    `same`: the trees are of one history, up to `size` entries; `ahead`: it showed more than is known here, which is
    compared once it is; `failed`: it did not answer, or showed what the log did not sign.
    """

    address: str
    state: Literal["same", "ahead", "failed", "not_yet"]
    size: TreeSize | None = None
    compared_at: Moment | None = None


class DayCount(Body, frozen=True, kw_only=True):
    """Entries of one day (UTC), and how many the log had at its end."""

    day: str
    entries: int
    size: TreeSize


class EntryFacts(Body, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of the log: what was said, by whom, about whom, and one sentence for a person.

    `credential_ids` are the first of those that it is about; `credential_count` says how many there are.
    """

    index: LeafIndex
    event_id: EventId
    kind: str
    received_at: Moment
    text: str
    speaker: Did
    speaker_name: str
    subject: Did | None = None
    subject_name: str | None = None
    achievement: str | None = None
    achievement_title: Texts | None = None
    """As a catalogue that this verifier reads has it; the log holds no title."""
    ects_hundredths: int | None = None
    credential_count: int = 0
    credential_ids: tuple[CredentialId, ...] = ()


class LogAnswer(Body, frozen=True, kw_only=True):
    """`GET /v1/log/summary`: how large the log is, how it grew, who vouches for it, and what was said last.

    `days` are those on which something was said, the last 400 at most; `kinds` counts entries by the type of event.
    """

    origin: Origin
    log_key: str
    registrar: Did | None
    predecessor: Origin | None
    opened_at: Moment | None
    checkpoint_size: TreeSize | None
    kinds: dict[str, int]
    days: tuple[DayCount, ...]
    is_witnessed: bool
    """Whether this verifier asks for a quorum of witnesses at all."""
    quorum_at: Moment | None
    witnesses: tuple[WitnessFacts, ...]
    compared: tuple[ComparedFacts, ...]
    newest: tuple[EntryFacts, ...]
    as_of: AsOf
    freshness: Check


FacetName = Literal["issuer", "level", "credits", "language", "mode", "subject", "skill"]
"""`credits` in bands: `none`, else up to so many ECTS (`1`, `3`, `6`, `12`, `30`), or `more`; `subject` by the broad
fields of ISCED-F 2013, `skill` by its ESCO address, `issuer` by the DID."""


class FacetValue(Body, frozen=True, kw_only=True, omit_defaults=True):
    """A value of a facet and how many achievements have it; `label` is its name where the value is an address."""

    value: str
    achievement_count: int
    label: str = ""


class DescribedAchievement(Body, frozen=True, kw_only=True):
    """How a catalogue describes an achievement, and when it was read there.

    The log holds no description: this is the institution's word, as its gateway's catalogue has it. What counts for one
    credential is its own document. `digest` is the SHA-256 of `achievement` in canonical JSON (RFC 8785).
    """

    catalogue: str
    read_at: Moment
    digest: str
    achievement: Achievement


class AchievementSummary(Body, frozen=True, kw_only=True):
    """An achievement in a list: what a catalogue says of it (`title` null: none does), and how often it was awarded."""

    achievement: str
    issuer: Did | None
    issuer_name: str | None
    title: Texts | None
    language: str | None
    ects_hundredths_min: int
    ects_hundredths_max: int
    eqf_levels: tuple[int, ...]
    credential_count: int
    recognition_count: int


class CatalogueFacts(Body, frozen=True, kw_only=True):
    """A catalogue that describes achievements here: where it is read, when it was last, and how many it describes."""

    catalogue: str
    read_at: Moment
    achievement_count: int


class AchievementPage(Body, frozen=True, kw_only=True):
    """`GET /v1/achievements`: in the order of their titles; `facets` count what the other facets leave to choose."""

    achievements: tuple[AchievementSummary, ...]
    achievement_count: int
    facets: dict[FacetName, tuple[FacetValue, ...]]
    catalogues: tuple[CatalogueFacts, ...]
    next_cursor: str | None
    as_of: AsOf
    freshness: Check


class AchievementFacts(Body, frozen=True, kw_only=True):
    """`GET /v1/achievements/{uri}`: what is on record under an achievement's address, and what describes it.

    `owner` is whose addresses begin so, by the register. `awards` and `recognitions` are of the log; `has_more`: these
    are the first of what `/v1/awards` and `/v1/recognitions` list.
    """

    achievement: str
    owner: Did | None
    owner_name: str | None
    description: DescribedAchievement | None
    awards: tuple[AwardedAchievement, ...]
    recognitions: tuple[RecognisedAchievement, ...]
    decisions: tuple[DecisionFacts, ...]
    has_more: bool
    as_of: AsOf
    freshness: Check
    quality: tuple[QualityFinding, ...] = ()
    """What this verifier's copy of the quality register has, in the order of the description's `quality_assurance`."""
