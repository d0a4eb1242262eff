"""How achievements are called where their addresses would stand: as the catalogue of whoever awards them has it."""

from collections.abc import Collection, Mapping

from proto.documents.credential import Achievement
from proto.ids import AchievementUri
from proto.wire.stacks import NamedAchievement
from services.issuer_gateway.store.achievement_titles import described
from services.persistence.postgres import Connection, Pool


async def named(connection: Connection | Pool, uris: Collection[str]) -> dict[AchievementUri, NamedAchievement]:
    """Return the titles of those achievements that an institution of this gateway describes as its own."""
    found = await described(connection, uris)
    return {
        uri: NamedAchievement(achievement=uri, title=each.title, institution_name=each.institution_name)
        for uri, each in found.items()
    }


async def named_by(
    connection: Connection | Pool, achievement: Achievement
) -> Mapping[AchievementUri, NamedAchievement]:
    """Return the titles of what an achievement asks for first, and of what it is made of."""
    required, recipe = achievement.entry_requirements, achievement.recipe
    uris: set[str] = set(required.named) if required else set()
    if recipe is not None:
        uris |= {*recipe.required_achievements, *(uri for group in recipe.groups for uri in group.achievements)}
    return await named(connection, uris)
