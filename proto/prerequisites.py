"""What a learner must hold before an achievement is awarded, judged over what is held. Knows no log, no learner.

Element 12 of Annex I (2022/C 243/02) states prerequisites in words; this states them so that they can be enforced.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta

from proto.event_fields import AchievementField, DidField
from proto.events import Record
from proto.ids import AchievementUri, Did
from proto.stacking import Group

ACHIEVEMENTS_MAX = 16
GROUPS_MAX = 8

MissingCode = Literal["prerequisite-missing", "prerequisite-not-active", "prerequisite-issuer"]


class EntryRequirements(Record, frozen=True, kw_only=True):
    """What must be held, valid, when the credential is issued: every achievement, and of each group as many as it says.

    Achievements are named by their URIs; those of other institutions count where the award names the credential.
    """

    achievements: Annotated[tuple[AchievementField, ...], Meta(max_length=ACHIEVEMENTS_MAX)] = ()
    groups: Annotated[tuple[Group, ...], Meta(max_length=GROUPS_MAX)] = ()
    accepted_issuers: Annotated[
        tuple[DidField, ...], Meta(max_length=64, description="Who must have issued them, where not anybody")
    ] = ()

    def __post_init__(self) -> None:
        if not self.named:
            raise ValueError("Entry requirements name at least one achievement, or are left out")
        if len(set(self.named)) != len(self.named):
            raise ValueError("An achievement is required in two places: each may stand in one group or by itself")

    @property
    def named(self) -> tuple[AchievementUri, ...]:
        """Every achievement that is named."""
        return (*self.achievements, *(uri for group in self.groups for uri in group.achievements))


class Held(NamedTuple):
    """A credential of the learner: what it is for, who issued it, and its state by the log."""

    achievement: AchievementUri
    issuer: Did
    state: str


class Missing(NamedTuple):
    """A requirement that is not met: a stable code, what is wrong and what to do, and the achievements it names."""

    code: MissingCode
    detail: str
    achievements: tuple[AchievementUri, ...]


def missing_prerequisites(
    required: EntryRequirements, held: Sequence[Held], *, titles: Mapping[AchievementUri, str] | None = None
) -> tuple[Missing, ...]:
    """Return every requirement that what is held leaves unmet; empty means that the achievement may be awarded.

    Only a credential whose state is exactly `active` counts. `titles` are names for people, where they are known.
    """
    judged = _Judged(required, held, titles or {})
    return (*judged.by_achievement(), *judged.by_group())


class _Judged:
    def __init__(self, required: EntryRequirements, held: Sequence[Held], titles: Mapping[AchievementUri, str]) -> None:
        self._required = required
        self._held = held
        self._titles = titles
        self._good = {item.achievement for item in held if self._counts(item)}

    def _counts(self, item: Held) -> bool:
        return item.state == "active" and self._is_accepted(item)

    def _is_accepted(self, item: Held) -> bool:
        return not self._required.accepted_issuers or item.issuer in self._required.accepted_issuers

    def by_achievement(self) -> Iterator[Missing]:
        for uri in self._required.achievements:
            if uri not in self._good:
                yield self._missing(uri)

    def by_group(self) -> Iterator[Missing]:
        for group in self._required.groups:
            found = len(self._good.intersection(group.achievements))
            if found < group.needed:
                named = ", ".join(self._named(uri) for uri in group.achievements if uri not in self._good)
                detail = f"{group.name}: {found} of {group.needed} that are needed are held; still possible: {named}"
                yield Missing("prerequisite-missing", detail, group.achievements)

    def _missing(self, uri: AchievementUri) -> Missing:
        some = [item for item in self._held if item.achievement == uri]
        name = self._named(uri)
        refused = next((item for item in some if item.state == "active"), None)
        if refused is not None:
            return Missing("prerequisite-issuer", f"{name}: one issued by {refused.issuer} is not accepted", (uri,))
        if some:
            states = ", ".join(dict.fromkeys(item.state.replace("_", " ") for item in some))
            return Missing("prerequisite-not-active", f"{name}: the learner's credential is {states}", (uri,))
        return Missing("prerequisite-missing", f"{name}: the learner holds no credential of it", (uri,))

    def _named(self, uri: AchievementUri) -> str:
        title = self._titles.get(uri)
        return f"{title} ({uri})" if title else uri
