"""What can be said on the log: one frozen record per event type, its limits, encoding and strict decoding.

Pure. Knows the form of an event and nothing of who may say it when (that is `proto.lifecycle`). No field holds personal
data, and none is free text about a person (DESIGN 3.3). Optional fields that are absent are omitted, never null.
"""

import msgspec

from proto.canonical import DECODE_ERRORS, canonical_struct
from proto.event_days import check_days
from proto.events.credential_events import (
    GROUP_MAX,
    CredentialIssued,
    CredentialIssuedV2,
    CredentialReinstated,
    CredentialRevoked,
    CredentialsIssued,
    CredentialsRevoked,
    CredentialStacked,
    CredentialStackedV2,
    CredentialSuspended,
)
from proto.events.endorsement_events import (
    CredentialEndorsed,
    EndorsementWithdrawn,
    EndorserInvited,
    EndorserRole,
    EndorserUninvited,
)
from proto.events.institution_events import (
    IssuerAdmitted,
    IssuerAdmittedV2,
    IssuerClosed,
    IssuerKeyAdded,
    IssuerKeyAddedV2,
    IssuerKeyRetired,
    IssuerReinstated,
    IssuerScopeChanged,
    IssuerSuspended,
    LogOpened,
    RulesActivated,
)
from proto.events.recognition_events import (
    AchievementRecognised,
    AchievementRecognitionWithdrawn,
    CredentialRecognised,
    CredentialRecognisedV2,
    Decision,
    RecognitionWithdrawn,
)
from proto.events.records import (
    DEFAULT_PARAMETERS,
    Accreditation,
    EventBase,
    KeyRecord,
    KeyRecordV2,
    Parameters,
    Predecessor,
    Record,
    Scope,
)
from proto.expected import in_words
from proto.located import located
from proto.problem import InvalidProblem, MalformedProblem

__all__ = [
    "DEFAULT_PARAMETERS",
    "EVENT_BYTES_MAX",
    "EVENT_TYPES",
    "GROUP_MAX",
    "Accreditation",
    "AchievementRecognised",
    "AchievementRecognitionWithdrawn",
    "Admission",
    "AnyRecognition",
    "CredentialEndorsed",
    "CredentialIssued",
    "CredentialIssuedV2",
    "CredentialRecognised",
    "CredentialRecognisedV2",
    "CredentialReinstated",
    "CredentialRevoked",
    "CredentialStacked",
    "CredentialStackedV2",
    "CredentialSuspended",
    "CredentialsIssued",
    "CredentialsRevoked",
    "Decision",
    "EndorsementWithdrawn",
    "EndorserInvited",
    "EndorserRole",
    "EndorserUninvited",
    "Event",
    "EventBase",
    "Issue",
    "IssuerAdmitted",
    "IssuerAdmittedV2",
    "IssuerClosed",
    "IssuerEvent",
    "IssuerKeyAdded",
    "IssuerKeyAddedV2",
    "IssuerKeyRetired",
    "IssuerReinstated",
    "IssuerScopeChanged",
    "IssuerSuspended",
    "KeyAddition",
    "KeyRecord",
    "KeyRecordV2",
    "LogOpened",
    "Parameters",
    "Predecessor",
    "RecognitionWithdrawn",
    "Record",
    "Revocation",
    "RulesActivated",
    "Scope",
    "Stack",
    "StatementEvent",
    "Transition",
    "UnknownEventTypeProblem",
    "Withdrawal",
    "decode",
    "encode",
    "invalid",
]

EVENT_BYTES_MAX = 42_000

Admission = IssuerAdmitted | IssuerAdmittedV2
KeyAddition = IssuerKeyAdded | IssuerKeyAddedV2
IssuerEvent = (
    Admission | IssuerScopeChanged | KeyAddition | IssuerKeyRetired | IssuerSuspended | IssuerReinstated | IssuerClosed
)
"""What changes an institution's own state."""
Stack = CredentialStacked | CredentialStackedV2
Issue = CredentialIssued | CredentialIssuedV2 | CredentialsIssued | Stack
Revocation = CredentialRevoked | CredentialsRevoked
Transition = Revocation | CredentialSuspended | CredentialReinstated
AnyRecognition = CredentialRecognised | CredentialRecognisedV2
Withdrawal = RecognitionWithdrawn | AchievementRecognitionWithdrawn | EndorserUninvited | EndorsementWithdrawn
StatementEvent = (
    CredentialRecognised
    | CredentialRecognisedV2
    | RecognitionWithdrawn
    | AchievementRecognised
    | AchievementRecognitionWithdrawn
    | EndorserInvited
    | EndorserUninvited
    | CredentialEndorsed
    | EndorsementWithdrawn
)
"""What stands until it is withdrawn, and its withdrawals."""
Event = (
    LogOpened
    | IssuerAdmitted
    | IssuerAdmittedV2
    | IssuerScopeChanged
    | IssuerKeyAdded
    | IssuerKeyAddedV2
    | IssuerKeyRetired
    | IssuerSuspended
    | IssuerReinstated
    | IssuerClosed
    | CredentialIssued
    | CredentialStacked
    | CredentialIssuedV2
    | CredentialStackedV2
    | CredentialsIssued
    | CredentialRevoked
    | CredentialsRevoked
    | CredentialSuspended
    | CredentialReinstated
    | CredentialRecognised
    | CredentialRecognisedV2
    | RecognitionWithdrawn
    | AchievementRecognised
    | AchievementRecognitionWithdrawn
    | EndorserInvited
    | EndorserUninvited
    | CredentialEndorsed
    | EndorsementWithdrawn
    | RulesActivated
)
ISSUE_TYPES = tuple(str(kind.__struct_config__.tag) for kind in Issue.__args__)
"""The names of the types by which credentials are issued."""
EVENT_TYPES: dict[str, type[EventBase]] = {str(kind.__struct_config__.tag): kind for kind in Event.__args__}

_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class _Typed(msgspec.Struct, frozen=True):
    """What an event of any version says of itself."""

    type: str


_TYPE_DECODER = msgspec.json.Decoder(_Typed)


class UnknownEventTypeProblem(InvalidProblem):
    """An event type that this version of the software does not know; a follower stops here rather than guess."""

    slug = "unknown-event-type"
    title = "The event type is not known to this version"


def encode(event: Event) -> bytes:
    """Return the canonical bytes of an event: the payload that is signed, hashed and stored (DESIGN 3.2)."""
    return canonical_struct(event)


def decode(payload: bytes) -> Event:
    """Return the event in `payload`, with every field within its limits.

    Raises `UnknownEventTypeProblem`, `InvalidProblem` (with a JSON pointer) or `MalformedProblem`. Whether the bytes
    are canonical is for `proto.envelope` to check, by encoding again.
    """
    if len(payload) > EVENT_BYTES_MAX:
        raise MalformedProblem(f"An event has at most {EVENT_BYTES_MAX} bytes; this one has {len(payload)}")
    try:
        event = _DECODER.decode(payload)
    except msgspec.ValidationError as error:
        _refuse_unknown_type(payload)
        raise invalid(error, within="event") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedProblem(f"The event is not JSON: {error}") from error
    except RecursionError as error:
        raise MalformedProblem("The event is nested too deep") from error
    check_days(event)
    return event


def invalid(error: msgspec.ValidationError, *, within: str) -> InvalidProblem:
    """Return msgspec's finding as a problem whose `pointer` is the RFC 6901 pointer to the nearest named parent."""
    found = located(error)
    return InvalidProblem(f"In the {within}: {in_words(found.detail)}", pointer=found.pointer)


def _refuse_unknown_type(payload: bytes) -> None:
    try:
        kind = _TYPE_DECODER.decode(payload).type
    except DECODE_ERRORS:
        return
    if kind not in EVENT_TYPES:
        raise UnknownEventTypeProblem(
            f"No event type {kind[:60]!r} is known; known are {', '.join(sorted(EVENT_TYPES))}"
        )
