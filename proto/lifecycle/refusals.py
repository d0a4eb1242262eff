"""Why the log refuses an event: one class per rule of DESIGN 3.6, each final or retryable. Raised by `decide` only.

A refusal is not remembered and never sinks the other events of its batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from proto.ids import CredentialId
from proto.problem import Problem, UnavailableProblem
from proto.sentence import Sentence


class Refusal(Problem):
    """The root of refusals by a rule; `is_final` False means the same event may be admitted later."""

    slug = "refused"
    title = "The log's rules refuse this event"
    status = 422
    is_family = True
    rule: ClassVar[str] = "general"
    is_final: bool = True

    def __init__(
        self,
        detail: str | Sentence,
        *,
        pointer: str | None = None,
        members: Mapping[str, Any] | None = None,
        is_final: bool | None = None,
    ) -> None:
        """Take the words; `is_final` where it differs from that of the class."""
        if is_final is not None:
            self.is_final = is_final
        super().__init__(
            detail, pointer=pointer, members={"rule": self.rule, "final": self.is_final} | dict(members or {})
        )


class CredentialsRefusal(Refusal):
    """An event about many credentials is refused as a whole; `refused` names every id that breaks a rule, and its code.

    Final if the refusal of any of them is: the same event can then never be admitted.
    """

    slug = "credentials-refused"
    title = "Some of the event's credentials may not be in it"
    rule = "whole-or-not-at-all"

    @classmethod
    def of(cls, refused: Sequence[tuple[CredentialId, Refusal]], *, pointer: str) -> "CredentialsRefusal":
        """Return the refusal of an event of which these credentials, at least one, were refused."""
        return cls(
            f"{len(refused)} of the event's credentials break a rule, so none of it is admitted; of the first of them: "
            f"{refused[0][1].detail}. Leave out what `refused` names, and sign the rest anew",
            pointer=pointer,
            members={"refused": [_named(credential_id, refusal) for credential_id, refusal in refused]},
            is_final=any(refusal.is_final for _, refusal in refused),
        )


def _named(credential_id: CredentialId, refusal: Refusal) -> dict[str, Any]:
    more = {name: value for name, value in refusal.members.items() if name in _NAMED_MEMBERS}
    return {"credential_id": credential_id, "code": refusal.slug, "final": refusal.is_final} | more


_NAMED_MEMBERS = frozenset({"state", "held_by"})


class RulesVersionRefusal(Refusal):
    """The rules in force at this index do not have this type of event: not yet, or, which is final, no more."""

    slug = "rules-version"
    title = "The rules in force do not have this type of event"
    rule = "general.rules-version"
    is_final = False


class UnknownRulesProblem(UnavailableProblem):
    """No judgement, and so no refusal: the rules in force are of a version that this software does not have."""

    slug = "unknown-rules"
    title = "The rules in force are not known to this version"


class UnknownPredecessorProblem(UnknownRulesProblem):
    """No judgement, and so no refusal: the log continues another, whose final state was not loaded."""

    slug = "unknown-predecessor"
    title = "The log continues another log, which must be known first"


class WrongLogRefusal(Refusal):
    """The event is meant for another log."""

    slug = "wrong-log"
    title = "The event is meant for another log"
    rule = "general.log"


class AlreadyOnLogRefusal(Refusal):
    """The event is on the log; a ledger answers with the first answer instead of this."""

    slug = "already-on-log"
    title = "The event is already on the log"
    status = 409
    rule = "general.event-id-new"


class TooOldRefusal(Refusal):
    """`at` lies too far behind `received_at`."""

    slug = "event-too-old"
    title = "The event's time lies too far in the past"
    rule = "general.at"


class AheadOfTimeRefusal(Refusal):
    """`at` lies too far ahead of `received_at`."""

    slug = "event-ahead-of-time"
    title = "The event's time lies in the future"
    rule = "general.at"
    is_final = False


class UnknownKeyRefusal(Refusal):
    """No such key is on the log (yet)."""

    slug = "unknown-key"
    title = "The signing key is not on the log"
    status = 403
    rule = "general.key"
    is_final = False


class BadSignatureRefusal(Refusal):
    """The signature does not verify under the key."""

    slug = "bad-signature"
    title = "The signature does not verify"
    status = 403
    rule = "general.signature"


class RetiredKeyRefusal(Refusal):
    """The key was retired, or what added it is void."""

    slug = "key-retired"
    title = "The signing key may not sign any more"
    status = 403
    rule = "general.key"


class DelayedKeyRefusal(Refusal):
    """The key was added by the registrar and still waits out its public delay."""

    slug = "key-delayed"
    title = "The signing key may not sign yet"
    status = 403
    rule = "general.key-delay"
    is_final = False


class KeyPurposeRefusal(Refusal):
    """The key has another purpose."""

    slug = "key-purpose"
    title = "The signing key has another purpose"
    status = 403
    rule = "general.key-purpose"


class UnknownIssuerRefusal(Refusal):
    """Speaker, subject or successor is not admitted (yet)."""

    slug = "unknown-issuer"
    title = "The institution is not admitted"
    rule = "general.speaker"
    is_final = False


class SuspendedSpeakerRefusal(Refusal):
    """The speaker is suspended."""

    slug = "speaker-suspended"
    title = "The institution is suspended"
    status = 403
    rule = "general.speaker"
    is_final = False


class ClosedIssuerRefusal(Refusal):
    """The speaker, subject or successor is closed."""

    slug = "issuer-closed"
    title = "The institution is closed"
    status = 403
    rule = "general.speaker"


class NotAllowedRefusal(Refusal):
    """Somebody else may say this, the speaker may not."""

    slug = "not-allowed"
    title = "The speaker may not say this"
    status = 403
    rule = "who-may"


class OutOfScopeRefusal(Refusal):
    """The institution's scope does not reach this far."""

    slug = "out-of-scope"
    title = "This lies outside the institution's scope"
    status = 403
    rule = "who-may.scope"


class AlreadyExistsRefusal(Refusal):
    """Credential, institution, key, log or recognition exists already."""

    slug = "already-exists"
    title = "This exists already"
    status = 409
    rule = "if.new"


class UnknownCredentialRefusal(Refusal):
    """The event names a credential that the log does not know (yet)."""

    slug = "unknown-credential"
    title = "The credential is not on the log"
    rule = "if.exists"
    is_final = False


class UnknownRecognitionRefusal(Refusal):
    """The event names a recognition that the log does not know (yet)."""

    slug = "unknown-recognition"
    title = "The recognition is not on the log"
    rule = "if.exists"
    is_final = False


class UnknownStatementRefusal(Refusal):
    """The event names a standing decision, an invitation or an endorsement that the log does not know (yet)."""

    slug = "unknown-statement"
    title = "What the event names is not on the log"
    rule = "if.exists"
    is_final = False


class StatementStateRefusal(Refusal):
    """The standing decision, invitation or endorsement does not stand any more."""

    slug = "statement-state"
    title = "What the event names does not stand any more"
    status = 409
    rule = "if.state"


class NotInvitedRefusal(Refusal):
    """No invitation that stands lets the speaker endorse this credential in this role (yet)."""

    slug = "not-invited"
    title = "The institution is not invited to endorse this"
    status = 403
    rule = "who-may.invited"
    is_final = False


class CredentialStateRefusal(Refusal):
    """The credential's state does not allow it; `state` says which it is."""

    slug = "credential-state"
    title = "The credential's state does not allow this"
    status = 409
    rule = "if.state"


class IssuerStateRefusal(Refusal):
    """The institution's or key's state does not allow it."""

    slug = "issuer-state"
    title = "The institution's state does not allow this"
    status = 409
    rule = "if.state"


class EffectiveTimeRefusal(Refusal):
    """`effective_at`, `invalid_from` or a validity period lies outside its bounds."""

    slug = "effective-time"
    title = "A time lies outside its bounds"
    rule = "if.time"


class StackRefusal(Refusal):
    """The parts do not make this stack."""

    slug = "stack"
    title = "The components do not make this stack"
    rule = "if.components"


class LimitRefusal(Refusal):
    """A bound of the log's parameters is reached."""

    slug = "limit"
    title = "A limit of this log is reached"
    rule = "if.limit"


class FieldRefusal(Refusal):
    """A field contradicts another one."""

    slug = "field"
    title = "The event contradicts itself"
    rule = "if.fields"
