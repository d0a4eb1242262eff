"""Bodies of the issuer gateway's HTTP about institutions, their settings and keys (DESIGN 4). Knows form and limits."""

from typing import Annotated, Literal, get_args

from msgspec import UNSET, Meta, UnsetType

from proto.documents.annex_i import AnnexGate
from proto.documents.credential import Identifier
from proto.documents.fields import EmailField, ShortText
from proto.event_fields import (
    AchievementField,
    CountryField,
    DidField,
    KeyPurpose,
    NameField,
    PublicKeyField,
    UriField,
    UriPrefixField,
)
from proto.events import Accreditation, KeyRecord, Record, Scope
from proto.ids import ApiKeyId, Did, InstitutionId, KeyId
from proto.keys import PublicKey
from proto.moment import Moment
from proto.visible_text import name_fault_of
from proto.wire.id_fields import Slug

ApiScope = Literal[
    "achievements:write",
    "credentials:issue",
    "credentials:read",
    "credentials:revoke",
    "stacks:write",
    "recognitions:write",
    "learners:erase",
    "keys:manage",
    "audit:read",
]
API_SCOPES: tuple[ApiScope, ...] = get_args(ApiScope)
TimeZoneField = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9][A-Za-z0-9_+-]*){0,3}\Z",
        max_length=64,
        description="A time zone of the IANA database, such as Europe/Amsterdam",
    ),
]


PROGRAMMES_MAX = 64
GRADES_MAX, GRADE_CONDITIONS_MAX = 64, 256
DECIDE_DAYS_MAX, REMIND_DAYS_MAX, REMIND_DAYS = 3_650, 365, 7
"""Within how many days an institution may say that it decides, and how many before that it is reminded; where it says
nothing, `REMIND_DAYS`."""


class Programme(Record, frozen=True, kw_only=True):
    """A public programme towards which an institution recognises what others taught; its URI names no person."""

    uri: UriField
    title: ShortText


class InstitutionRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/institutions`: a new tenant; `recovery_public_key` is the public half of what `keygen` made for it.

    `uri_prefixes` are those under which the institution names its achievements and programmes elsewhere; the gateway's
    own prefix for it is always added.
    """

    slug: Slug
    legal_name: NameField
    country: CountryField
    recovery_public_key: PublicKeyField
    scope: Scope
    accreditation: Accreditation
    uri_prefixes: Annotated[tuple[UriPrefixField, ...], Meta(max_length=15)] = ()
    region: ShortText | None = None
    locality: ShortText | None = None
    url: UriField | None = None
    email: EmailField | None = None
    other_identifiers: Annotated[tuple[Identifier, ...], Meta(max_length=16)] = ()
    annex_gate: AnnexGate = "off"
    time_zone: TimeZoneField | UnsetType = UNSET

    def __post_init__(self) -> None:
        # `NameField` lets a final line feed pass, and must go on to do so: it reads what is on logs already.
        if any(name.endswith("\n") for name in (self.legal_name, self.accreditation.body)):
            raise ValueError("Leave out the line break after the name")
        for name in (self.legal_name, self.accreditation.body):
            if (fault := name_fault_of(name)) is not None:
                raise ValueError(f"The name {fault}")


class AdmissionRequest(Record, frozen=True, kw_only=True):
    """What the registrar's command signs as `issuer-admitted.v1`: the same fields, but for who says it and when."""

    subject: DidField
    legal_name: NameField
    country: CountryField
    uri_prefixes: Annotated[tuple[UriPrefixField, ...], Meta(min_length=1, max_length=16)]
    keys: Annotated[tuple[KeyRecord, ...], Meta(min_length=2, max_length=16)]
    scope: Scope
    accreditation: Accreditation


class InstitutionCreated(Record, frozen=True, kw_only=True):
    """The new tenant. `api_key` has every scope and is shown this once; `admission_request` goes to the registrar."""

    institution_id: InstitutionId
    slug: str
    did: Did
    api_key_id: ApiKeyId
    api_key: str
    admission_request: AdmissionRequest


class RegisteredKey(Record, frozen=True, kw_only=True):
    """A key of an institution as the log has it; `compromised_from` where it was condemned."""

    key_id: KeyId
    purpose: KeyPurpose
    public_key: PublicKey
    state: Literal["active", "waiting", "rotated", "compromised"]
    added_at: Moment
    usable_from: Moment
    compromised_from: Moment | None = None


class Institution(Record, frozen=True, kw_only=True):
    """An institution of this gateway; `state`, `scope`, `accreditation` and `keys` are what the followed log says."""

    slug: str
    did: Did
    legal_name: str
    country: str
    uri_prefixes: tuple[str, ...]
    state: Literal["not-admitted", "admitted", "suspended", "closed"]
    url: str | None = None
    successor: Did | None = None
    programmes: tuple[Programme, ...] = ()
    scope: Scope | None = None
    accreditation: Accreditation | None = None
    keys: tuple[RegisteredKey, ...] = ()


class InstitutionPage(Record, frozen=True, kw_only=True):
    """Some institutions in the order of their slugs; `next_cursor` is there if more follow."""

    institutions: tuple[Institution, ...]
    next_cursor: str | None = None


class GradeCondition(Record, frozen=True, kw_only=True):
    """A standing decision of the institution on this achievement decides at once only for these grades.

    `grades` are the values of the awarding institution's scheme, the best first, as its documents write them; `least`
    is the last of them that will do. Of other grades, of none, and of several a person decides. It is the office's own
    and on no log.
    """

    achievement_issuer: DidField
    achievement: AchievementField
    programme: UriField
    grades: Annotated[tuple[ShortText, ...], Meta(min_length=1, max_length=GRADES_MAX)]
    least: ShortText

    def __post_init__(self) -> None:
        if len(set(self.grades)) != len(self.grades) or self.least not in self.grades:
            raise ValueError("Each grade stands once in `grades`, the best first, and `least` is one of them")


class SettingsRequest(Record, frozen=True, kw_only=True):
    """`PUT /v1/settings`: what is not stated stays as it is.

    `annex_gate`: what becomes of credentials that lack mandatory elements of Annex I (2022/C 243/02). `time_zone`: the
    zone of days that are written without a time. `programmes`: those towards which it takes applications for
    recognition, on its page and by the API; with none it takes none. Before they were ever stated the API takes them
    towards any programme under a prefix of the institution, and there is no page. `put_programmes` and
    `remove_programmes` change these alone, by their addresses: all others stay, whoever changes them at the same time.
    `grade_conditions`: the grades that its standing decisions ask for; those that are sent take the place of all
    before. `decide_within_days`: within how many days it decides on applications for recognition, and on appeals, that
    come from now on; null: as the gateway has it. `remind_days_before`: how many days before that it is reminded; 0:
    only once the day is past.
    """

    annex_gate: AnnexGate | UnsetType = UNSET
    time_zone: TimeZoneField | UnsetType = UNSET
    programmes: Annotated[tuple[Programme, ...], Meta(max_length=PROGRAMMES_MAX)] | UnsetType = UNSET
    put_programmes: Annotated[tuple[Programme, ...], Meta(max_length=PROGRAMMES_MAX)] | UnsetType = UNSET
    remove_programmes: Annotated[tuple[UriField, ...], Meta(max_length=PROGRAMMES_MAX)] | UnsetType = UNSET
    grade_conditions: Annotated[tuple[GradeCondition, ...], Meta(max_length=GRADE_CONDITIONS_MAX)] | UnsetType = UNSET
    decide_within_days: Annotated[int, Meta(ge=1, le=DECIDE_DAYS_MAX)] | UnsetType | None = UNSET
    remind_days_before: Annotated[int, Meta(ge=0, le=REMIND_DAYS_MAX)] | UnsetType = UNSET

    def __post_init__(self) -> None:
        if all(getattr(self, name) is UNSET for name in self.__struct_fields__):
            raise ValueError(f"State one of {', '.join(self.__struct_fields__)}")
        conditions = () if self.grade_conditions is UNSET else self.grade_conditions
        named = [(each.achievement_issuer, each.achievement, each.programme) for each in conditions]
        if len(set(named)) != len(named):
            raise ValueError("Of one achievement and programme there is one condition")
        self._check_programmes()

    def _check_programmes(self) -> None:
        """Raise `ValueError` where a programme is stated twice, or all of them beside those that change."""
        changed = [*(each.uri for each in self.put_programmes or ()), *(self.remove_programmes or ())]
        if self.programmes is not UNSET and changed:
            raise ValueError("State all `programmes`, or those that change: not both")
        uris = [*(each.uri for each in self.programmes or ()), *changed]
        if len(set(uris)) != len(uris):
            raise ValueError("Each programme is stated once")


class InstitutionSettings(Record, frozen=True, kw_only=True):
    """The institution's own settings; `annex_gate_in_force` is the stricter of its own and the gateway's.

    Without a `time_zone` of its own it writes days in UTC. Without `decide_within_days` it decides as the gateway does,
    within `decide_within_days_in_force`.
    """

    annex_gate: AnnexGate
    annex_gate_in_force: AnnexGate
    time_zone: str | UnsetType = UNSET
    programmes: tuple[Programme, ...] | UnsetType = UNSET
    grade_conditions: tuple[GradeCondition, ...] = ()
    decide_within_days: int | UnsetType = UNSET
    decide_within_days_in_force: int
    remind_days_before: int


class SigningKeyRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/signing-keys`: what the new key signs: events, or documents and status lists."""

    purpose: Literal["event", "assertion"]


class ApiKeyRequest(Record, frozen=True, kw_only=True):
    """`POST /v1/keys`: a new API key; its scopes are among those of the key that asks for it."""

    name: Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]+\Z", min_length=1, max_length=100)]
    scopes: Annotated[tuple[ApiScope, ...], Meta(min_length=1, max_length=len(API_SCOPES))]


class ApiKey(Record, frozen=True, kw_only=True):
    """An API key without its secret; `revoked_at` is there once it works no more."""

    api_key_id: ApiKeyId
    name: str
    scopes: tuple[ApiScope, ...]
    created_at: Moment
    revoked_at: Moment | None = None


class ApiKeyCreated(Record, frozen=True, kw_only=True):
    """A new API key with its secret, which is shown this once."""

    key: ApiKey
    api_key: str


class ApiKeyList(Record, frozen=True, kw_only=True):
    """All API keys of the institution, the oldest first."""

    keys: tuple[ApiKey, ...]
