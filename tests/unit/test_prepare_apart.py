"""Rows that a process beside the gateway prepares: the same documents as here, and nothing is lost with the process."""

import asyncio
import os
import signal
from collections.abc import Iterable, Mapping, Sequence

import pytest

from proto.documents.claims_root import CLAIMS_ROOT_TERM, claims_root
from proto.documents.document import document_digest
from proto.documents.open_badge import build_document
from proto.ids import BatchId, InstitutionId, commitment, committed_credential_id
from proto.moment import Moment
from proto.problem import UnavailableProblem
from proto.tables.records import FileRecord
from services.issuer_gateway.achievements.document_parts import AchievementParts
from services.issuer_gateway.batches.batch_upload import BatchPart
from services.issuer_gateway.batches.prepare_apart import PrepareApart, ReadyRow
from services.issuer_gateway.batches.rows import award_row
from services.issuer_gateway.credentials.earlier_awards import content_of
from services.issuer_gateway.domain.places_at_hand import Given
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store.achievements import StoredAchievement
from services.issuer_gateway.store.batches import BackgroundBatch
from tests.support.tenants import stored_achievement, tenant_of

NOW = Moment("2026-11-29T10:00:00.000Z")
HEADER = ("learner_ref", "given_name", "achievement", "valid_from", "email")
STARTED_SECONDS_MAX = 120.0


class Register:
    """The achievements of one institution, and its status list; may be away."""

    def __init__(self, tenant: Tenant, stored: StoredAchievement) -> None:
        self.tenant = tenant
        self.stored = stored
        self.is_away = False
        self.given = 0
        self.reserved: list[tuple[int, int]] = []
        self.back: list[Given] = []

    async def find(self, institution_id: InstitutionId, uris: Sequence[str]) -> Mapping[str, StoredAchievement]:
        """Return the one achievement by its URI or its short name."""
        if self.is_away:
            raise UnavailableProblem("The database is away")
        assert institution_id == self.tenant.institution_id
        known = {self.stored.achievement.uri: self.stored, self.stored.achievement_id: self.stored}
        return {uri: known[uri] for uri in uris if uri in known}

    async def reserve(self, tenant: Tenant, count: int, *, following: int = 0) -> None:
        """Note what is asked for; there are as many."""
        assert tenant is self.tenant
        self.reserved.append((count, following))

    async def place(self, tenant: Tenant) -> Given:
        """Return the next place."""
        self.given += 1
        url = f"{tenant.own_prefix}status/1"
        return Given(institution_id=tenant.institution_id, number=1, index=self.given, url=url)

    def take_back(self, places: Iterable[Given]) -> None:
        """Have places again."""
        self.back += places


@pytest.fixture
def tenant() -> Tenant:
    return tenant_of("harbour", "Harbour University", time_zone="Europe/Amsterdam")


@pytest.fixture
def register(tenant: Tenant) -> Register:
    return Register(tenant, stored_achievement(tenant))


def apart_of(register: Register, *, program: Sequence[str] | None = None, rows_min: int = 1) -> PrepareApart:
    """Return what prepares rows apart, from the first row of a file on."""
    more = {} if program is None else {"program": program}
    return PrepareApart(
        register.find, register, AchievementParts(), annex_gate="warn", verifier_url=None, rows_min=rows_min, **more
    )


def is_there(apart: PrepareApart) -> bool:
    """Tell whether the process is there."""
    return apart.pid is not None


def batch_of(register: Register, name: str = "b1", *, is_dry_run: bool = False, row_count: int = 6) -> BackgroundBatch:
    """Return a file of awards that is worked on, of which one row has its result."""
    return BackgroundBatch(
        batch_id=BatchId(name),
        institution_id=register.tenant.institution_id,
        request_fingerprint=b"",
        row_count=row_count,
        kind="awards",
        is_background=True,
        is_dry_run=is_dry_run,
        media_type="csv",
        may_issue=True,
        state="running",
        key_id=None,
        accepted_count=1,
        refused_count=0,
        repeated_count=0,
        on_repeat=None,
        may_revoke=False,
        api_key_id=None,
        reading=None,
    )


def part_of(register: Register) -> BatchPart:
    """Return three right rows, one of which calls the achievement by its short name, and three that are wrong."""
    uri = register.stored.achievement.uri
    lines = [
        f"s1,Zoë,{uri},2026-01-01,",
        f"s2,,{uri},2026-13-01,",
        f"s3,Ada,{register.stored.achievement_id},2026-01-01,",
        "s4,Ada,https://nobody.example/1,2026-01-01,",
        f"s5,Noor,{uri},2026-01-01,",
        f"s6,Noor,{uri},2026-01-01,zoe\u2800@learners.example",
    ]
    return BatchPart(HEADER, tuple((place, line.encode()) for place, line in enumerate(lines, start=2)))


async def started(apart: PrepareApart, register: Register, batch: BackgroundBatch) -> dict[int, ReadyRow]:
    """Return what comes back once the process is there; until then nothing does."""
    async with asyncio.timeout(STARTED_SECONDS_MAX):
        while not (rows := await apart.rows(batch, register.tenant, part_of(register), now=NOW)):
            await apart.until_started()
    return rows


def assert_made_alone(register: Register, row: ReadyRow) -> None:
    """Hold a row that came back against the document that is made of it from the beginning."""
    item, tenant = row.item, register.tenant
    assert item.place is not None
    alone = build_document(
        document_id=item.document["id"],
        issuer=tenant.issuer,
        achievement=register.stored.achievement,
        award=item.award,
        credential_status=item.place.entry,
        zone=tenant.zone,
        verifier_url=None,
    )
    root = claims_root(alone, bytes.fromhex(item.sealed.claims_seed))
    alone[CLAIMS_ROOT_TERM] = root.hex()
    assert item.document == alone
    said = commitment(document_digest(alone), root)
    assert (item.commitment, item.credential_id) == (said, committed_credential_id(tenant.did, said))


async def test_right_rows_come_back_as_they_would_be_made_here_and_wrong_ones_are_left(register: Register) -> None:
    apart = apart_of(register)
    batch, part = batch_of(register), part_of(register)
    try:
        rows = await started(apart, register, batch)
        assert sorted(rows) == [2, 4, 6]
        for line, row in rows.items():
            assert_made_alone(register, row)
            record = FileRecord(line, dict(part.records)[line])
            award = award_row(HEADER, record).award
            assert award is not None
            assert row.said == content_of(award, register.tenant.zone)
            assert row.item.award.achievement == register.stored.achievement.uri
        places = [row.item.place for row in rows.values()]
        assert len(set(places)) == 3
        assert len(register.back) == register.given - 3, "places that no document has are given to others"
        assert not set(places) & set(register.back)
    finally:
        await apart.close()


async def test_places_for_the_rows_to_come_are_asked_for_with_those_of_the_part(register: Register) -> None:
    apart = apart_of(register)
    try:
        await started(apart, register, batch_of(register, row_count=1_000))
        ((count, following),) = register.reserved
        assert count + following == 999
        register.reserved.clear()
        await started(apart, register, batch_of(register))
        assert register.reserved == [(count, max(0, 5 - count))]
    finally:
        await apart.close()


async def test_a_process_that_ends_leaves_its_file_to_us_and_the_next_file_has_another(register: Register) -> None:
    apart = apart_of(register)
    try:
        await started(apart, register, batch_of(register))
        assert is_there(apart)
        os.kill(apart.pid or 0, signal.SIGKILL)
        before = register.given - len(register.back)
        for _ in range(2):
            assert not await apart.rows(batch_of(register), register.tenant, part_of(register), now=NOW)
        assert register.given - len(register.back) == before
        assert not is_there(apart)
        assert await started(apart, register, batch_of(register, "b2"))
        register.is_away = True
        with pytest.raises(UnavailableProblem):
            await apart.rows(batch_of(register, "b2"), register.tenant, part_of(register), now=NOW)
        assert not is_there(apart), "it would wait for the other half of a question"
    finally:
        await apart.close()


async def test_small_files_dry_runs_and_a_process_that_does_not_start_are_left_to_us(register: Register) -> None:
    for apart, batch in (
        (apart_of(register, rows_min=7), batch_of(register)),
        (apart_of(register), batch_of(register, is_dry_run=True)),
        (apart_of(register, program=("-c", "pass")), batch_of(register)),
    ):
        for _ in range(3):
            assert not await apart.rows(batch, register.tenant, part_of(register), now=NOW)
            await apart.until_started()
        assert not is_there(apart)
        await apart.close()
    assert register.given == len(register.back)
