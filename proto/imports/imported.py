"""What an import makes of a document of others, whatever its form: what was read, guessed, and had no place."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any, TypeVar

import msgspec

from proto import days
from proto.documents.credential import Achievement, Award, Learner
from proto.documents.wording import check_achievement, check_award, check_learner
from proto.events import Record, invalid
from proto.ids import AchievementUri
from proto.imports.identity import Identity
from proto.problem import InvalidProblem

LANGUAGE_UNKNOWN = "und"
"""Undetermined, in the words of BCP 47."""
_RFC_3339 = re.compile(r"^.{10}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})\Z")
_T = TypeVar("_T")


class Doubt(Record, frozen=True, kw_only=True):
    """Something that was read by a guess: where it stands, and what was made of it."""

    pointer: str
    detail: str


class ImportedIssuer(Record, frozen=True, kw_only=True):
    """Who issued the document, in its own words; nothing of it is proven."""

    id: str
    name: str | None = None
    country: str | None = None

    @property
    def identity(self) -> str:
        """What tells it from others: its URL or DID; an id of another kind may be any document's own, with its name."""
        if self.id.startswith(("https://", "http://", "did:")):
            return self.id
        return "\n".join((self.id, self.name or "", self.country or ""))


class Imported(Record, frozen=True, kw_only=True):
    """What became of a document: `unmapped` are JSON pointers to what has no place here, in the document's order.

    `identity` is whom it is about by its own words, whatever reference the institution gave.
    """

    achievement: Achievement
    award: Award
    issuer: ImportedIssuer
    identity: Identity
    unmapped: tuple[str, ...]
    doubtful: tuple[Doubt, ...]
    credential: dict[str, Any] | None = None
    """The credential itself, where the document is something that it came in."""
    is_sealed: bool = False
    """It came in a signature of a form that is not judged here."""


def written_time(text: str) -> str:
    """Return a time as it is written, or a day, whose zone is the institution's; raises `InvalidProblem` for neither.

    A time in another form than RFC 3339 comes back in UTC.
    """
    moment = days.end(text, UTC)
    return text if days.is_day(text) or _RFC_3339.match(text) else moment


def written_day(text: str) -> tuple[str, bool]:
    """Return the day of a time as it is written, whatever its zone, and whether it says no more than the day.

    Raises `InvalidProblem` for what is neither a day nor a time.
    """
    day, _, time = text.partition("T")
    try:
        date.fromisoformat(day)
        datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidProblem("It is neither a day, such as 2026-11-23, nor a time") from error
    return day, not time or time.startswith("00:00")


def made_uri(host: str, *names: str) -> AchievementUri:
    """Return a URI for an achievement that its source gives none: the same names are the same achievement."""
    return AchievementUri(f"https://{host}.invalid/{hashlib.sha256(msgspec.json.encode(names)).hexdigest()[:32]}")


def with_credits_of(achievement: Achievement, award: Award) -> Achievement:
    """Return the achievement with the credits of the award, where the document states none of the achievement's own."""
    if achievement.ects_hundredths or not award.ects_hundredths:
        return achievement
    return msgspec.structs.replace(achievement, ects_hundredths=award.ects_hundredths)


def converted(
    fields: Mapping[str, Any], kind: type[_T], *, pointer: str, refusal: type[InvalidProblem], within: str = "document"
) -> _T:
    """Return a record of what was read (None counts as absent), within its limits.

    Raises `refusal` with the JSON pointer to the object it came from, and the field that breaks a limit as `field`.
    """
    stated = {name: value for name, value in fields.items() if value is not None}
    try:
        found = msgspec.convert(msgspec.to_builtins(stated), kind)
        _check_readable(found)
    except msgspec.ValidationError as error:
        problem = invalid(error, within=f"{within} ({kind.__name__.lower()})")
        raise refusal(problem.detail, pointer=pointer, members={"field": problem.pointer}) from error
    except InvalidProblem as unreadable:
        raise refusal(unreadable.detail, pointer=pointer, members={"field": unreadable.pointer}) from unreadable
    return found


def _check_readable(found: Any) -> None:
    if isinstance(found, Achievement):
        check_achievement(found)
    elif isinstance(found, Learner):
        check_learner(found)
    elif isinstance(found, Award):
        check_award(found)
