"""Bodies of the issuer gateway's HTTP about how long an institution keeps what. Knows form and limits."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from proto.event_fields import UriField
from proto.events import Record

Days = Annotated[int, Meta(ge=1, le=36_500)]
AuditDays = Annotated[int, Meta(ge=30, le=36_500)]
RULES_MAX = 256


class RetentionRule(Record, frozen=True, kw_only=True):
    """How long is kept what belongs to an achievement, named by its URI; without one, to every other achievement.

    What is left out is kept for as long as the gateway keeps it where nobody says otherwise; documents, for ever.
    """

    achievement: UriField | None = None
    document_days: Days | None = None
    """Days from the issuing on. A learner's documents go together, once none of them has to be kept any more."""
    application_days: Days | None = None
    """Days from the last decision on an application with evidence of the achievement."""
    dossier_days: Days | None = None
    """The same for evidence of no proven achievement, such as a dossier of prior learning. Where several days hold for
    one application, the fewest count."""


class RetentionRules(Record, frozen=True, kw_only=True):
    """`GET` and `PUT /v1/retention`: the rules of an institution, and how long its audit trail is kept."""

    rules: Annotated[tuple[RetentionRule, ...], Meta(max_length=RULES_MAX)] = ()
    audit_days: AuditDays | None = None
    """Days that an entry of the audit trail is kept; for ever where it is left out."""

    def __post_init__(self) -> None:
        _check_once(self.rules)


class RetentionChange(Record, frozen=True, kw_only=True):
    """`PATCH /v1/retention`: what is said anew; whatever is not named here stays as somebody else has said it.

    A rule takes the place of the one of the same achievement, and one without any days takes it away.
    """

    rules: Annotated[tuple[RetentionRule, ...], Meta(max_length=RULES_MAX)] = ()
    audit_days: AuditDays | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        _check_once(self.rules)


def _check_once(rules: tuple[RetentionRule, ...]) -> None:
    named = [rule.achievement for rule in rules]
    if len(set(named)) < len(named):
        raise ValueError("There is one rule for an achievement at most, and one for all others")
