"""How achievements are called where their addresses would stand: as the catalogue of whoever awards them has it."""

from collections.abc import Collection, Mapping

from proto.documents.credential import Achievement
from proto.ids import AchievementUri
from proto.wire.stacks import NamedAchievement
from services.issuer_gateway.achievements.far_titles import FarTitles, ScaledAchievement
from services.issuer_gateway.store.achievement_titles import described
from services.persistence.postgres import Pool


class AchievementNames:
    """Titles by the addresses of achievements: this gateway's own catalogue first, then what a verifier read of others.

    An address is one institution's, so each is described in one place.
    """

    def __init__(self, pool: Pool, far: FarTitles) -> None:
        self._pool = pool
        self._far = far

    async def of(self, uris: Collection[str]) -> dict[AchievementUri, NamedAchievement]:
        """Return the titles of those achievements that some institution describes as its own.

        May wait for a verifier, so nobody asks who holds a connection.
        """
        return {uri: each.named for uri, each in (await self.with_scales(uris)).items()}

    async def with_scales(self, uris: Collection[str]) -> dict[AchievementUri, ScaledAchievement]:
        """Return titles and scales of those achievements that some institution describes as its own; may wait, too."""
        found = {
            uri: ScaledAchievement(
                named=NamedAchievement(achievement=uri, title=each.title, institution_name=each.institution_name),
                owner=each.issuer,
                schemes=each.schemes,
            )
            for uri, each in (await described(self._pool, uris)).items()
        }
        return found | await self._far.with_scales({AchievementUri(uri) for uri in uris} - found.keys())

    async def of_named_by(self, achievement: Achievement) -> Mapping[AchievementUri, NamedAchievement]:
        """Return the titles of what an achievement asks for first, and of what it is made of."""
        required, recipe = achievement.entry_requirements, achievement.recipe
        uris: set[str] = set(required.named) if required else set()
        if recipe is not None:
            uris |= {*recipe.required_achievements, *(uri for group in recipe.groups for uri in group.achievements)}
        return await self.of(uris)
