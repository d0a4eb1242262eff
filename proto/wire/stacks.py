"""Bodies about what can be stacked: advice for a learner, and the sum of chosen parts before anything is signed."""

from proto.events import Record
from proto.ids import AchievementUri, CredentialId, Did
from proto.stacking import UnmetCode
from proto.wire.content import Texts


class NamedAchievement(Record, frozen=True, kw_only=True):
    """An achievement, with what the catalogue of whoever awards it calls it, where that is known here."""

    achievement: AchievementUri
    title: Texts | None = None
    institution_name: str | None = None


class UnmetAnswer(Record, frozen=True, kw_only=True):
    """A condition that does not hold: a stable code, a sentence for a person, the credentials that it concerns.

    `achievements` are those that would meet it: the one that is required, or what of a group is not given.
    """

    code: UnmetCode
    detail: str
    credentials: tuple[CredentialId, ...] = ()
    achievements: tuple[NamedAchievement, ...] = ()


class PartAnswer(Record, frozen=True, kw_only=True):
    """One credential: what it carries, what it adds to the sum, and why it cannot count, where it cannot.

    Credits are in hundredths of ECTS. `is_proposed` says whether it is one of the parts of which the sum is made.
    """

    credential_id: CredentialId
    achievement: AchievementUri
    issuer: Did
    ects_hundredths: int
    counted_hundredths: int
    is_proposed: bool
    title: Texts | None = None
    institution_name: str | None = None
    unmet: tuple[UnmetAnswer, ...] = ()


class StackPreview(Record, frozen=True, kw_only=True):
    """What parts make of a stack, and what is missing; nothing is missing where `can_be_stacked`.

    `declared_hundredths` are the credits of the stack, `counted_hundredths` what counts of its parts,
    `outside_hundredths` what of that is other institutions', `outside_given_hundredths` what theirs carry in all.
    """

    can_be_stacked: bool
    declared_hundredths: int
    counted_hundredths: int
    outside_hundredths: int
    outside_given_hundredths: int
    parts: tuple[PartAnswer, ...]
    unmet: tuple[UnmetAnswer, ...]


class StackAdvice(Record, frozen=True, kw_only=True):
    """What a learner can make, or nearly: an achievement with a recipe, who offers it, and what is missing."""

    achievement: AchievementUri
    title: Texts
    institution: Did
    institution_name: str
    preview: StackPreview


class StackAdvicePage(Record, frozen=True, kw_only=True):
    """Some of the achievements that are made of others, over all institutions here, in an order that pages follow.

    `credential_count` are the credentials that were looked at: the learner's, and those that were named besides.
    """

    credential_count: int
    stacks: tuple[StackAdvice, ...]
    next_cursor: str | None = None
