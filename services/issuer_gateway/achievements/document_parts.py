"""What documents of an achievement have in common, made and judged once for all awards of a revision, and stored once.

Knows no award. What documents share names no learner, so it lies open, under its digest, and a document is sealed with
empty places for it. The credential id is over the whole document: whoever puts another part there is found out.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from proto.documents.checked_part import CheckedPart
from proto.documents.claims_root import achievement_claim
from proto.documents.open_badge import Fixed, fixed_of
from proto.documents.vc import check_credential, check_shared
from services.crypto.json_ld_contexts import known_contexts
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store.achievements import StoredAchievement

PARTS_MAX = 1_024
_ENCODE = msgspec.json.Encoder().encode
_DECODE = msgspec.json.Decoder(Fixed).decode


def without_part(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document of ours with empty places for what it shares with others."""
    subject = {**document["credentialSubject"], "achievement": None}
    return {**document, "@context": None, "issuer": None, "credentialSchema": None, "credentialSubject": subject}


def with_part(document: Mapping[str, Any], stored: bytes | None) -> dict[str, Any]:
    """Return the whole document; one that was stored whole is taken as it is."""
    if stored is None:
        return dict(document)
    fixed = _DECODE(stored)
    subject = {**document["credentialSubject"], "achievement": fixed.achievement}
    shared = {"@context": fixed.context, "issuer": fixed.issuer, "credentialSchema": fixed.schema}
    return {**document, **shared, "credentialSubject": subject}


class AchievementPart:
    """What documents of a revision share: how it is `stored` and under which `digest`, and the `claim` that it is."""

    __slots__ = ("_checked", "claim", "digest", "fixed", "stored", "tenant")

    def __init__(self, tenant: Tenant, fixed: Fixed) -> None:
        self.tenant = tenant
        self.fixed = fixed
        self.stored = _ENCODE(fixed)
        self.digest = hashlib.sha256(self.stored).digest()
        self.claim = achievement_claim(fixed.achievement)
        self._checked: CheckedPart | None = None

    def check(self, document: Mapping[str, Any]) -> None:
        """Raise as `check_credential`; what is shared is looked through within the first document that has no fault."""
        if self._checked is None:
            self._checked = check_shared(document, contexts=known_contexts())
        else:
            check_credential(document, contexts=known_contexts(), part=self._checked)

    def is_of(self, tenant: Tenant) -> bool:
        """Tell whether the institution is named now as it was when this was made."""
        if self.tenant is not tenant:
            if self.tenant.issuer != tenant.issuer:
                return False
            self.tenant = tenant  # which is read anew for each part of a list, and asked for each of its rows
        return True


class AchievementParts:
    """The parts in use; at most `PARTS_MAX` are kept. A revision never changes, so none of them grows old."""

    def __init__(self) -> None:
        self._parts: OrderedDict[tuple[str, str, int], AchievementPart] = OrderedDict()

    def of(self, tenant: Tenant, stored: StoredAchievement) -> AchievementPart:
        """Return the part of a revision under the institution's present name, made now unless it is kept."""
        name = tenant.institution_id, stored.achievement_id, stored.revision
        part = self._parts.get(name)
        if part is None or not part.is_of(tenant):
            part = self._parts[name] = AchievementPart(tenant, fixed_of(tenant.issuer, stored.achievement))
            if len(self._parts) > PARTS_MAX:
                self._parts.popitem(last=False)
        self._parts.move_to_end(name)
        return part
