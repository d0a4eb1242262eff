"""The gateway's achievements, catalogue and ESCO's skills, as calls."""

from collections.abc import AsyncIterator
from typing import Any

from proto.documents.credential import Achievement
from proto.ids import AchievementId
from proto.wire.esco import EscoFoundList, EscoLoaded
from proto.wire.gateway import AchievementAnswer, AchievementPage, AchievementRequest, CataloguePage
from services.clients.http_client import HttpClient
from services.clients.pages import every_page

Json = dict[str, Any]


class AchievementCalls(HttpClient):
    """Calls about what can be achieved."""

    async def describe(self, achievement: AchievementRequest | Json, *, key: str | None = None) -> AchievementAnswer:
        """Describe an achievement."""
        return await self.call("POST", "/v1/achievements", AchievementAnswer, send=achievement, key=key)

    async def describe_anew(
        self, achievement_id: AchievementId, achievement: AchievementRequest | Json, *, key: str | None = None
    ) -> AchievementAnswer:
        """Describe an achievement anew, as its next revision."""
        path = f"/v1/achievements/{achievement_id}"
        return await self.call("PUT", path, AchievementAnswer, send=achievement, key=key)

    async def achievements(self, *, cursor: str | None = None, limit: int | None = None) -> AchievementPage:
        """Return a page of the institution's achievements."""
        return await self.call("GET", "/v1/achievements", AchievementPage, query={"cursor": cursor, "limit": limit})

    async def all_achievements(self) -> AsyncIterator[AchievementAnswer]:
        """Yield all of the institution's achievements."""
        async for page in every_page(lambda cursor: self.achievements(cursor=cursor)):
            for item in page.achievements:
                yield item

    async def achievement(self, achievement_id: AchievementId) -> AchievementAnswer:
        """Return an achievement of the institution, with what the Annex I check says of it."""
        return await self.call("GET", f"/v1/achievements/{achievement_id}", AchievementAnswer)

    async def public_achievement(self, slug: str, achievement_id: AchievementId) -> Achievement:
        """Return what an achievement's URI stands for."""
        return await self.call("GET", f"/issuers/{slug}/achievements/{achievement_id}", Achievement)

    async def achievement_page(self, slug: str, achievement_id: AchievementId) -> bytes:
        """Return the page (HTML) on which a learner asks for an achievement."""
        return await self.request_bytes("GET", f"/issuers/{slug}/achievements/{achievement_id}/page")

    async def catalogue(
        self, *, q: str | None = None, cursor: str | None = None, limit: int | None = None
    ) -> CataloguePage:
        """Return a page of what can be achieved at any institution."""
        return await self.call("GET", "/v1/catalogue", CataloguePage, query={"q": q, "cursor": cursor, "limit": limit})

    async def find_skills(self, q: str, *, language: str | None = None, limit: int | None = None) -> EscoFoundList:
        """Return skills of ESCO by what was typed so far."""
        query = {"q": q, "language": language, "limit": limit}
        return await self.call("GET", "/v1/esco/skills", EscoFoundList, query=query)

    async def load_skills(self, pieces: AsyncIterator[bytes], *, language: str = "en") -> EscoLoaded:
        """Load the official CSV of ESCO's skills (operator), as it comes."""
        path, query = "/v1/esco/skills", {"language": language}
        return await self.send_stream(path, EscoLoaded, pieces, media_type="text/csv", query=query, method="PUT")
