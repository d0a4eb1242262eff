"""What the recipes of programmes, which are achievements of the institution, let count of credits from elsewhere."""

from collections.abc import Collection

from proto.ids import InstitutionId
from proto.wire.applications import ProgrammeLimits
from services.issuer_gateway.store import achievements
from services.persistence.postgres import Connection, Pool

_NAMES = ProgrammeLimits.__struct_fields__


async def limits(
    connection: Connection | Pool, institution_id: InstitutionId, programmes: Collection[str]
) -> dict[str, ProgrammeLimits]:
    """Return the limits of those programmes that have a recipe."""
    found = await achievements.by_uris(connection, institution_id, sorted(programmes))
    return {
        asked: ProgrammeLimits(**{name: getattr(each.achievement.recipe, name) for name in _NAMES})
        for asked, each in found.items()
        if each.achievement.recipe is not None
    }
