"""The audit trail as calls: its entries, and where it ends."""

from collections.abc import AsyncIterator

import msgspec

from proto.audit_trail import AuditEntry
from proto.wire.audit import AuditTrailEnd
from services.clients.http_client import HttpClient

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

    async def audit_trail_end(self) -> AuditTrailEnd:
        """Return where the trail ends now."""
        return await self.call("GET", "/v1/audit-trail/end", AuditTrailEnd)
