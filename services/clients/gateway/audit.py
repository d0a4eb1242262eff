"""The audit trail and retention as calls."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from proto.audit_trail import AuditEntry
from proto.wire.audit import AuditTrailEnd
from proto.wire.retention import RetentionChange, RetentionRules
from services.clients.http_client import HttpClient

Json = dict[str, Any]
_DECODE = msgspec.json.Decoder(AuditEntry).decode


class AuditCalls(HttpClient):
    """Calls of whoever may read the audit trail."""

    async def audit_trail(self, *, after: int = 0, limit: int | None = None) -> bytes:
        """Return a page of the trail as it is to be kept: JSON, one entry a line, behind the entry of a number."""
        query = {"after": str(after)} | ({"limit": str(limit)} if limit is not None else {})
        return await self.request_bytes("GET", "/v1/audit-trail", query=query)

    async def whole_audit_trail(self, *, after: int = 0) -> AsyncIterator[bytes]:
        """Yield the lines of the trail behind the entry of a number, each without its end of line."""
        while lines := (await self.audit_trail(after=after)).splitlines():
            for line in lines:
                yield line
            after = _DECODE(lines[-1]).number

    async def retention(self) -> RetentionRules:
        """Return how long the institution keeps what."""
        return await self.call("GET", "/v1/retention", RetentionRules)

    async def change_retention(self, rules: RetentionRules | Json) -> RetentionRules:
        """Say how long the institution keeps what, in place of what was said before."""
        return await self.call("PUT", "/v1/retention", RetentionRules, send=rules)

    async def amend_retention(self, change: RetentionChange | Json) -> RetentionRules:
        """Change some of how long the institution keeps what; the rest stays, whoever changes it at the same time."""
        return await self.call("PATCH", "/v1/retention", RetentionRules, send=change)

    async def audit_trail_end(self) -> AuditTrailEnd:
        """Return where the trail ends now."""
        return await self.call("GET", "/v1/audit-trail/end", AuditTrailEnd)
