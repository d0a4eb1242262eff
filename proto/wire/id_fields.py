"""Ids and names in paths, queries and bodies of the issuer gateway's HTTP (DESIGN 4). Knows their form alone."""

from typing import Annotated

from msgspec import Meta

from proto.ids import AchievementId, ApiKeyId, ApplicationId, BatchId, ClaimId, HolderLinkId, RequestId

Slug = Annotated[str, Meta(pattern=r"^[a-z0-9](-?[a-z0-9]){1,39}\Z", max_length=63)]
AchievementIdField = Annotated[AchievementId, Meta(pattern=r"^[a-z0-9](-?[a-z0-9]){0,62}\Z", max_length=125)]
_UUID = Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", max_length=36)
Uuid = Annotated[str, _UUID]
BatchIdField = Annotated[BatchId, _UUID]
RequestIdField = Annotated[RequestId, _UUID]
ApplicationIdField = Annotated[ApplicationId, _UUID]
ClaimIdField = Annotated[ClaimId, _UUID]
HolderLinkIdField = Annotated[HolderLinkId, _UUID]
ApiKeyIdField = Annotated[ApiKeyId, _UUID]
