"""SQL of how achievements of all institutions here are called: titles and scales by the addresses that they have."""

from collections.abc import Collection, Mapping

import msgspec

from proto.documents.credential import Achievement, GradingScheme
from proto.ids import AchievementUri, Did
from proto.wire.content import Texts
from services.issuer_gateway.domain.tenant import Tenant
from services.persistence.postgres import Connection, Pool

_DECODE = msgspec.json.Decoder(Achievement).decode
_DECODE_TENANT = msgspec.json.Decoder(Tenant).decode


class Described(msgspec.Struct, frozen=True, kw_only=True):
    """What the catalogue says of an achievement: its title by language, who awards it, its scales, the main first."""

    title: Texts
    issuer: Did
    institution_name: str
    schemes: tuple[GradingScheme, ...] = ()

    @property
    def name(self) -> str:
        """Its title in English, else in the first language that it has, and who awards it; for a sentence."""
        title = self.title.get("en") or next(iter(self.title.values()))
        return f"{title}, {self.institution_name}"


async def described(connection: Connection | Pool, uris: Collection[str]) -> Mapping[AchievementUri, Described]:
    """Return what the catalogue says of those of the achievements that an institution here describes as its own."""
    if not uris:
        return {}
    rows = await connection.fetch(
        """SELECT uri, content, record
           FROM unnest($1::text[]) AS asked (uri)
               JOIN achievement USING (uri)
               JOIN achievement_revision USING (institution_id, achievement_id, revision)
               JOIN institution USING (institution_id)""",
        sorted(set(uris)),
    )
    return {row["uri"]: _described(_DECODE(row["content"]), _DECODE_TENANT(row["record"])) for row in rows}


def schemes_of(achievement: Achievement) -> tuple[GradingScheme, ...]:
    """Return the scales that an achievement names, the main one first."""
    main = (achievement.grading_scheme,) if achievement.grading_scheme else ()
    return (*main, *achievement.further_grading_schemes)


def _described(achievement: Achievement, tenant: Tenant) -> Described:
    return Described(
        title=achievement.title,
        issuer=tenant.did,
        institution_name=tenant.legal_name,
        schemes=schemes_of(achievement),
    )
