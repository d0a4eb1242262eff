"""What documents say of achievements, made and judged once for all awards of a revision. Knows no award."""

from collections import OrderedDict
from typing import Any

from proto.open_badge import achievement_part
from services.issuer_gateway.domain.tenancy import Tenant
from services.issuer_gateway.store.achievements import StoredAchievement

PARTS_MAX = 1_024


class Part:
    """`credentialSubject.achievement` of a revision; never changed. `is_known` once a whole document had no fault."""

    __slots__ = ("content", "is_known")

    def __init__(self, content: dict[str, Any]) -> None:
        self.content = content
        self.is_known = False

    @property
    def known(self) -> dict[str, Any] | None:
        """What need not be looked through again."""
        return self.content if self.is_known else None


class AchievementParts:
    """The parts in use; at most `PARTS_MAX` are kept. A revision never changes, so none of them grows old."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[str, str, int], Part] = OrderedDict()

    def of(self, tenant: Tenant, stored: StoredAchievement) -> Part:
        """Return the part of a revision, made now unless it is kept."""
        name = tenant.institution_id, stored.achievement_id, stored.revision
        part = self._parts.get(name)
        if part is None:
            part = self._parts[name] = Part(achievement_part(stored.achievement))
            if len(self._parts) > PARTS_MAX:
                self._parts.popitem(last=False)
        self._parts.move_to_end(name)
        return part
