"""A process that reads and prepares rows of files for its parent, from its standard input to its output. Asks nobody.

It is handed what preparing asks a database for, holds no key, stores nothing, and hands back only rows that are ready
to be issued: whatever is wrong in one, its parent finds and says. It has no files, and ends when its input does.
"""

import asyncio
import signal
from collections.abc import Iterable

import msgspec

from proto import events
from proto.documents.annex_i import AnnexGate
from proto.documents.credential import Award
from proto.documents.fields import OnRepeat
from proto.envelope import Opened
from proto.ids import Commitment, CredentialId
from proto.moment import Moment
from proto.one_of_many import OneOfMany
from proto.tables.records import FileRecord
from services.crypto.messages import answer_parent
from services.issuer_gateway.achievements.document_parts import AchievementParts
from services.issuer_gateway.batches.batch_upload import BatchPart
from services.issuer_gateway.batches.rows import award_row, meant
from services.issuer_gateway.credentials.earlier_awards import content_of
from services.issuer_gateway.credentials.prepare_award import PrepareAward
from services.issuer_gateway.credentials.prepare_rows import ReadRow
from services.issuer_gateway.domain.award_draft import AwardDrafts
from services.issuer_gateway.domain.awarding import Common
from services.issuer_gateway.domain.issuing import COMMITMENTS_FROM, IssueStatement
from services.issuer_gateway.domain.places_at_hand import Given
from services.issuer_gateway.domain.tenant import Tenant
from services.issuer_gateway.store.achievements import StoredAchievement
from services.issuer_gateway.store.batches import reading_of
from services.process_limits import say_kind_of_faults, take_away

MEMORY_BYTES = 1_073_741_824
"""Address space, of which the interpreter and the libraries' code take a part."""
_ENCODE = msgspec.msgpack.Encoder().encode


class PartAsked(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """A part to be read, whose it is, and how its rows are meant."""

    tenant: Tenant
    part: BatchPart
    reading: str | None
    on_repeat: OnRepeat | None
    may_revoke: bool
    annex_gate: AnnexGate
    verifier_url: str | None
    now: Moment


class AwardsNamed(msgspec.Struct, frozen=True, array_like=True):
    """What the part's awards are for, each once, and how many awards there are."""

    uris: tuple[str, ...]
    count: int


class AwardsKnown(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What the institution has described of that, and a place on its status lists for each award."""

    achievements: dict[str, StoredAchievement]
    places: tuple[Given, ...]


class RowMade(msgspec.Struct, frozen=True, array_like=True):
    """A row whose award is ready to be issued; of `PartMade` its statement, of `AwardsKnown` achievement and place.

    `said` tells it from other rows of its file, `form` is what is to be sealed of it.
    """

    line: int
    award: Award
    achievement: str
    credential_id: CredentialId
    commitment: Commitment
    statement: int
    place: int
    said: bytes
    form: bytes


class PartMade(msgspec.Struct, frozen=True, array_like=True):
    """What events will say of the part's awards, and the rows (`RowMade`) that are ready."""

    statements: tuple[IssueStatement, ...] = ()
    rows: tuple[msgspec.Raw, ...] = ()


_QUESTION = msgspec.msgpack.Decoder(PartAsked | AwardsKnown)


class _ByVersion2:
    """The rules by which documents are made here: whoever decides on them signs what is said of them."""

    rules_version = COMMITMENTS_FROM

    def common_fields(self, tenant: Tenant, *, now: Moment) -> Common:
        """Never asked: by these rules nothing is said while documents are made."""
        raise AssertionError(tenant.slug, now)

    async def sign(self, tenant: Tenant, event: events.Event) -> Opened:
        """Never asked, as `common_fields`."""
        raise AssertionError(tenant.slug, event)


class _PlacesInHand:
    """The places that were handed over; one that a row took and could not use is the next row's."""

    def __init__(self, places: Iterable[Given]) -> None:
        self._places = tuple(places)
        self.next = 0

    async def place(self, tenant: Tenant) -> Given:
        """Return the next place."""
        assert self._places[self.next].institution_id == tenant.institution_id, "they were taken for this part"
        return self._places[self.next]


class PartRows:
    """Answers two questions about each part: what its awards are for, and, with that known, what they become."""

    def __init__(self) -> None:
        self._parts = AchievementParts()
        self._asked: PartAsked | None = None
        self._rows: list[ReadRow] = []

    async def answer(self, data: bytes) -> AwardsNamed | PartMade:
        """Return the answer to a question in msgpack."""
        question = _QUESTION.decode(data)
        if isinstance(question, PartAsked):
            return self._read(question)
        asked, rows = self._asked, self._rows
        self._asked, self._rows = None, []
        return PartMade() if asked is None else await self._made(asked, rows, question)

    def _read(self, asked: PartAsked) -> AwardsNamed:
        header, reading = asked.part.header, reading_of(asked.reading)
        read = [award_row(header, FileRecord(line, content), reading) for line, content in asked.part.records]
        rows = meant(read, on_repeat=asked.on_repeat, may_revoke=asked.may_revoke)
        self._asked, self._rows = asked, [row for row in rows if row.award is not None]
        uris = dict.fromkeys(row.award.achievement for row in self._rows if row.award is not None)
        return AwardsNamed(tuple(uris), len(self._rows))

    async def _made(self, asked: PartAsked, rows: Iterable[ReadRow], known: AwardsKnown) -> PartMade:
        places, drafts = _PlacesInHand(known.places), AwardDrafts()
        prepare = PrepareAward(
            _ByVersion2(), places, self._parts, annex_gate=asked.annex_gate, verifier_url=asked.verifier_url
        )
        statements: dict[IssueStatement, int] = {}
        made = []
        for row in rows:
            if row.award is None or (achievement := known.achievements.get(row.award.achievement)) is None:
                continue
            with OneOfMany(MemoryError) as this:
                item = await prepare.prepare(asked.tenant, row.award, achievement, now=asked.now, drafts=drafts)
                said = content_of(row.award, asked.tenant.zone)
            if this.broken is None and item.commitment is not None:
                statement = statements.setdefault(item.statement, len(statements))
                row_made = RowMade(
                    line=row.line,
                    award=item.award,
                    achievement=row.award.achievement,
                    credential_id=item.credential_id,
                    commitment=item.commitment,
                    statement=statement,
                    place=places.next,
                    said=said,
                    form=item.to_seal,
                )
                made.append(msgspec.Raw(_ENCODE(row_made)))
                places.next += 1
        return PartMade(tuple(statements), tuple(made))


def main() -> None:
    """Say that we are there (nothing made), then answer each question."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    say_kind_of_faults()
    take_away(memory_bytes=MEMORY_BYTES)
    rows = PartRows()
    with asyncio.Runner() as runner:
        answer_parent(PartMade(), lambda data: runner.run(rows.answer(data)))


if __name__ == "__main__":
    main()
