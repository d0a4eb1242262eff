"""Holds what the clients wrote down against what is there when all is over. Brings nothing about."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from proto.log.merkle import Frontier, Hash
from services.clients.gateway import GatewayClient
from services.command.fsck import Targets
from services.command.fsck import check as fsck
from services.persistence.postgres import connected
from tests.ha.clients import Clients, Said, Seen
from tests.ha.stand import FRESHNESS_SECONDS, HaStand


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong, by kind, a sentence each."""

    lost: list[str]
    doubled: list[str]
    forked: list[str]
    stale: list[str]
    other: list[str]

    @property
    def is_clean(self) -> bool:
        """Whether nothing is wrong."""
        return not any((self.lost, self.doubled, self.forked, self.stale, self.other))

    def line(self) -> str:
        """Return the numbers in words."""
        counts = [f"{len(found)} {name}" for name, found in msgspec.structs.asdict(self).items() if name != "other"]
        return ", ".join([*counts, f"{len(self.other)} other faults"])


async def judge(stand: HaStand, clients: Clients, *, more: Sequence[str] = ()) -> Judgement:
    """Return what is wrong with log, gateways and verdicts, now that everything has settled, beside `more`."""
    owner = stand.database.url(role="ledger_owner", database="ledger")
    found = await clients.crew.faults(owner, before=clients.before)
    lost, doubled = await _credentials(stand, clients)
    return Judgement(
        lost=[*(each for each in found if each.startswith("lost")), *lost],
        doubled=[*(each for each in found if each.startswith("duplicate")), *doubled],
        forked=await _forks(owner, clients),
        stale=stale(clients.said, clients.seen),
        other=[
            *more,
            *(each for each in found if not each.startswith(("lost", "duplicate"))),
            *await _damages(stand, owner),
        ],
    )


async def _credentials(stand: HaStand, clients: Clients) -> tuple[list[str], list[str]]:
    """Every credential that was acknowledged is there and published, and none that nobody was told of."""
    gateway = GatewayClient(stand.session, stand.services["gateway-a"].url, token=clients.tenant.api_key)
    states = {each.credential_id: each.issue.state async for each in gateway.all_credentials()}
    told = Counter(said.credential_id for said in clients.said)
    lost = [
        f"lost: {credential_id} was acknowledged and is {states.get(credential_id, 'not there')}"
        for credential_id in told
        if states.get(credential_id) != "published"
    ]
    twice = [
        f"doubled: {credential_id} was given out {count} times" for credential_id, count in told.items() if count > 1
    ]
    return lost, [*twice, *(f"doubled: nobody was told of {each}" for each in states if each not in told)]


async def _forks(owner_url: str, clients: Clients) -> list[str]:
    """Every checkpoint that anybody was shown is one of the log as it stands."""
    async with connected(owner_url, application_name="judge") as connection:
        rows = await connection.fetch("SELECT leaf_hash FROM entry ORDER BY leaf_index")
    tree, found = Frontier(), list[str]()
    for size, root in sorted(clients.checkpoints):
        if size > len(rows):
            found.append(f"fork: a checkpoint of {size} was shown, and the log has {len(rows)} entries")
            continue
        tree = tree.extend(Hash(row["leaf_hash"]) for row in rows[tree.size : size])
        if tree.root() != root:
            found.append(f"fork: a checkpoint of {size} was shown that is not the log's")
    return found


def stale(said: Sequence[Said], seen: Sequence[Seen]) -> list[str]:
    """Return each `valid` for what was revoked, and acknowledged, longer ago than verifiers may be behind."""
    revoked = {each.credential_id: each.revocation_acknowledged_at for each in said if each.revocation_acknowledged_at}
    return [
        f"stale: {each.credential_id} was called valid {each.began - revoked[each.credential_id]:.1f} s after it was "
        "acknowledged that it is revoked"
        for each in seen
        if each.verdict == "valid"
        and each.credential_id in revoked
        and each.began - revoked[each.credential_id] > FRESHNESS_SECONDS
    ]


async def _damages(stand: HaStand, owner_url: str) -> list[str]:
    """Return what a whole check of both databases finds."""
    reports = await fsck(
        Targets(
            ledger_database=owner_url,
            gateway_database=stand.database.url(role="gateway_owner", database="gateway"),
            master_key_file=Path(stand.addresses.master_key_file),
        ),
        None,
    )
    return [f"{name}: {each.place}: {each.what}" for name, report in reports.items() for each in report.damages]
