"""Dry runs in the background: a part is judged with what earlier rows of its file would give. Issues nothing."""

import hashlib
from collections.abc import Mapping

import msgspec

from proto.ids import AchievementUri, BatchId
from proto.moment import Moment
from proto.problem import Problem
from services.issuer_gateway.batches.row_problems import notes_without_cells, texts_of
from services.issuer_gateway.credentials.decide_awards import DecideAwards
from services.issuer_gateway.credentials.prepared_award import PreparedAward
from services.issuer_gateway.credentials.prerequisites import holds_at
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.keys.keystore import Keystore
from services.issuer_gateway.store import batch_fingerprints, batches
from services.persistence.postgres import Connection

_ENCODE = msgspec.json.Encoder().encode
_FINGERPRINT_BYTES = 16


class DryRun:
    """The dry run of one batch, in the caller's transaction; `key` is the batch's, and goes with it."""

    def __init__(
        self,
        decide: DecideAwards,
        keystore: Keystore,
        connection: Connection,
        tenant: Tenant,
        batch_id: BatchId,
        *,
        key: bytes,
    ) -> None:
        self._decide = decide
        self._keystore = keystore
        self._connection = connection
        self._tenant = tenant
        self._batch_id = batch_id
        self._key = key

    async def results(
        self, items: Mapping[int, PreparedAward], *, now: Moment
    ) -> tuple[dict[int, batches.RowResult], dict[int, Problem]]:
        """Return by line the results of rows that would be issued, and why the others would not."""
        earlier = await self._earlier(items)
        decided = await self._decide.decide_many(
            self._connection,
            self._tenant,
            list(items.values()),
            now=now,
            earlier=earlier,
            pairs_before=await self._pairs_before(items),
            is_dry=True,
        )
        good, refused = decided.taken, decided.refused
        results = {
            line: self._result(line, good[item.credential_id], is_held=holds_at(self._tenant, item.award, now))
            for line, item in items.items()
            if item.credential_id in good
        }
        problems = {line: refused[item.credential_id] for line, item in items.items() if item.credential_id in refused}
        return results, problems

    async def _earlier(self, items: Mapping[int, PreparedAward]) -> dict[str, list[AchievementUri]]:
        """Return by learner what earlier rows would give of what is asked for now."""
        wanted = {
            self._fingerprint(item.asking.ref, uri): (item.asking.ref, uri)
            for item in items.values()
            if item.asking.required is not None
            for uri in item.asking.required.named
        }
        found: dict[str, list[AchievementUri]] = {}
        if wanted:
            for fingerprint in await batch_fingerprints.held(self._connection, self._batch_id, list(wanted)):
                ref, uri = wanted[fingerprint]
                found.setdefault(ref, []).append(uri)
        return found

    async def _pairs_before(self, items: Mapping[int, PreparedAward]) -> list[tuple[str, str]]:
        """Return of which learners and achievements earlier rows have been found right."""
        pairs = {self._pair(item): (item.asking.ref, item.achievement.achievement_id) for item in items.values()}
        found = await batch_fingerprints.held_pairs(self._connection, self._batch_id, list(pairs))
        return [pairs[fingerprint] for fingerprint in found]

    def _pair(self, item: PreparedAward) -> bytes:
        content = f"pair\n{item.asking.ref}\n{item.achievement.achievement_id}".encode()
        return hashlib.blake2b(content, key=self._key, digest_size=_FINGERPRINT_BYTES).digest()

    def _result(self, line: int, item: PreparedAward, *, is_held: bool) -> batches.RowResult:
        notes, sealed = notes_without_cells(item.sealed.notes, texts_of(item.award)), None
        if notes:
            sealed = self._keystore.seal(_ENCODE(notes), "notes", f"{self._batch_id}\n{line}")
        held = self._fingerprint(item.asking.ref, AchievementUri(item.award.achievement)) if is_held else None
        return batches.RowResult(
            line=line, is_checked=True, sealed_notes=sealed, held_fingerprint=held, pair_fingerprint=self._pair(item)
        )

    def _fingerprint(self, ref: str, uri: AchievementUri) -> bytes:
        content = f"held\n{ref}\n{uri}".encode()
        return hashlib.blake2b(content, key=self._key, digest_size=_FINGERPRINT_BYTES).digest()
