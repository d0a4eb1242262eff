"""An institution as its gateway knows it, and an achievement of it, without a gateway."""

import uuid
from typing import Any

import msgspec

from proto.ids import AchievementId, InstitutionId
from proto.wire.gateway import AchievementRequest
from proto.wire.institutions import InstitutionRequest
from services.command.demo_walk import EXAMPLES
from services.issuer_gateway.domain.awarding import achievement_from
from services.issuer_gateway.domain.tenant import Tenant, tenant_from
from services.issuer_gateway.store.achievements import StoredAchievement
from tests.support.statements import ACCREDITATION, SCOPE, secret_key


def tenant_of(slug: str, legal_name: str, *, public_url: str = "https://gateway.example", **fields: Any) -> Tenant:
    """Return an institution of a gateway at that address; its id follows from its name."""
    request = InstitutionRequest(
        slug=slug,
        legal_name=legal_name,
        country="NL",
        recovery_public_key=secret_key("recovery").public_key,
        scope=SCOPE,
        accreditation=ACCREDITATION,
        **fields,
    )
    institution_id = InstitutionId(str(uuid.uuid5(uuid.NAMESPACE_URL, slug)))
    return tenant_from(request, institution_id=institution_id, public_url=public_url)


def stored_achievement(tenant: Tenant) -> StoredAchievement:
    """Return one of the examples as an achievement of the institution, in its first revision."""
    content = msgspec.json.decode((EXAMPLES / "achievements" / "data-literacy.json").read_bytes())
    del content["uri"]
    name, achievement = achievement_from(
        msgspec.convert(content, AchievementRequest), tenant, fresh_id=AchievementId("literacy")
    )
    return StoredAchievement(achievement_id=name, revision=1, achievement=achievement)
