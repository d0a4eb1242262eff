"""How programmes of any institution are called where their addresses would stand: as whoever has them says it."""

from collections.abc import Collection, Iterable

import msgspec

from proto.ids import Did
from proto.wire.applications import ItemAnswer
from proto.wire.content import Texts
from services.issuer_gateway.achievements.named_achievements import AchievementNames
from services.issuer_gateway.store import tenants
from services.persistence.postgres import Pool


class ProgrammeNames:
    """Titles by the addresses of programmes: those that institutions of this gateway state, else those of achievements.

    A programme may be an achievement, whose title its own catalogue has, here or elsewhere. A programme that another
    gateway's institution only states there is not known here.
    """

    def __init__(self, pool: Pool, names: AchievementNames) -> None:
        self._pool = pool
        self._names = names

    async def of(self, wanted: Collection[tuple[Did, str]]) -> dict[str, Texts]:
        """Return the titles of programmes, each of which is named with whose it is.

        May wait for a verifier, so nobody asks who holds a connection.
        """
        if not wanted:
            return {}
        found: dict[str, Texts] = {
            each.uri: {"und": each.title}
            for tenant in await tenants.by_dids(self._pool, {did for did, _ in wanted})
            for each in tenant.programmes or ()
            if (tenant.did, each.uri) in wanted
        }
        known = await self._names.of({uri for _, uri in wanted} - found.keys())
        return found | {str(uri): each.title for uri, each in known.items() if each.title}

    async def among_precedents(self, items: Iterable[ItemAnswer]) -> tuple[ItemAnswer, ...]:
        """Return evidence with the programmes of its precedents called by their titles; may wait, too."""
        shown = tuple(items)
        wanted = {
            (each.institution, each.programme)
            for item in shown
            for each in item.precedents
            if each.programme is not None
        }
        titles = await self.of(wanted)
        return tuple(
            msgspec.structs.replace(
                item,
                precedents=tuple(
                    msgspec.structs.replace(each, programme_title=titles.get(each.programme or ""))
                    for each in item.precedents
                ),
            )
            for item in shown
        )
