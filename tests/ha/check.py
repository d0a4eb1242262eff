"""`make ha-check URL=…`: tries whether a database does what the services need, by doing it, and says what to do.

Give the URL that the services would have, with a role that may create a schema there (the owner's). All is done in one
schema, which is removed. With STANDBY=away, after the synchronous standbys were stopped: nothing may be confirmed then.
Exit status: 0 it fits, 1 it does not, 3 something could not be looked at.
"""

import argparse
import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator

import msgspec

from proto.problem import Problem
from services.operator_fault import OperatorFault
from services.persistence.engine_traits import lacking_functions
from services.persistence.postgres import Connection, NotDurableFault, assert_durable, connected
from services.persistence.postgres_errors import DATABASE_ERRORS, OUTAGE_ERRORS
from services.persistence.postgres_nodes import nodes_of
from services.persistence.postgres_session import PoolLimits
from tests.bench.results import say
from tests.ha.standby_away import nothing_is_confirmed
from tests.ha.trials import TRIALS, Trials

FAULTY, COULD_NOT_LOOK = 1, 3
MARKS = {"good": "ok", "note": "note", "bad": "BAD", "unknown": "?"}
CLOCK_MS_MAX = 2_000
LIMITS = PoolLimits(connect_timeout_ms=10_000, command_timeout_ms=30_000, statement_timeout_ms=20_000)
ROLE = """
    SELECT rolsuper AS is_superuser, current_setting('synchronous_standby_names') AS standbys,
           current_setting('data_checksums') AS checksums, current_setting('server_version') AS version,
           pg_is_in_recovery() AS is_standby
    FROM pg_roles WHERE rolname = current_user"""


class Finding(msgspec.Struct, frozen=True):
    """How one thing is, and what to do where it is not good."""

    about: str
    state: str
    found: str
    todo: str = ""


async def findings_of(url: str, *, is_standby_away: bool = False) -> AsyncIterator[Finding]:
    """Yield what is found of the database under a URL."""
    yield _nodes(url)
    try:
        async with (
            connected(url, application_name="credentify-ha-check", limits=LIMITS) as one,
            connected(url, application_name="credentify-ha-check", limits=LIMITS) as other,
        ):
            async for each in _settings(one):
                yield each
            async for tried in nothing_is_confirmed(one, other) if is_standby_away else _tried(one, other):
                yield Finding(*tried)
    except OperatorFault as fault:
        yield Finding(
            "engine", "bad", fault.detail, "Use an engine that fits (deploy/OPERATIONS.md, Which engines fit)"
        )
    except OUTAGE_ERRORS as error:
        yield Finding("connection", "unknown", _words(error), "Correct the URL, or start the server, and try again")


def _words(error: Exception) -> str:
    said = error.detail if isinstance(error, Problem) else str(error).partition("\n")[0]
    return said or type(error).__name__


def _nodes(url: str) -> Finding:
    """Look at the URL itself."""
    count, wants_writes = len(nodes_of(url)), "target_session_attrs=read-write" in url
    if count and not wants_writes:
        return Finding(
            "URL", "bad", f"it names {count} nodes, and not which of them", "Add target_session_attrs=read-write"
        )
    if count:
        return Finding("URL", "good", f"it names {count} nodes, of which the one that writes is taken")
    return Finding(
        "URL",
        "note",
        "it names one address",
        "After a failover that address has to lead to the new leader, and sessions with the former one have to end",
    )


async def _settings(connection: Connection) -> AsyncIterator[Finding]:
    """Yield what the server says of itself, and what the role may do."""
    row = await connection.fetchrow(ROLE)
    assert row is not None, "the session has a role"
    yield Finding("engine", "good", f"it is PostgreSQL {row['version']}")
    if row["is_standby"]:
        yield Finding("leader", "bad", "this node is a standby, which takes no writes", "Name the one that leads")
    try:
        await assert_durable(connection)
    except NotDurableFault as fault:
        yield Finding("durability", "bad", fault.detail, "Change the setting, and let the server read it again")
    else:
        yield Finding("durability", "good", "fsync, full_page_writes and synchronous_commit are on")
    if row["standbys"]:
        yield Finding("standbys", "good", f"commits wait for a standby ({row['standbys']})")
    else:
        yield Finding(
            "standbys",
            "note",
            "no commit waits for a standby (synchronous_standby_names is empty)",
            "Unless its storage is replicated before a commit is answered, a lost machine loses what was acknowledged",
        )
    if row["checksums"] != "on":
        yield Finding("checksums", "note", "its pages have no checksums", "Stop it, and say: pg_checksums --enable")
    if missing := await lacking_functions(connection):
        todo = "Say as a superuser, for the running role: GRANT EXECUTE ON FUNCTION … TO it"
        yield Finding("functions", "bad", f"{', '.join(missing)} may not be called, or are not there", todo)
    else:
        yield Finding("functions", "good", "all that the services call are there, and allowed to this role")
    if row["is_superuser"]:
        yield Finding("role", "note", "it is a superuser", "Try it with the role that the services will have, too")
    yield await _clock(connection)


async def _clock(connection: Connection) -> Finding:
    """Compare the server's clock with this machine's, in the middle of the question."""
    before_ms = time.time() * 1_000
    clock_ms = await connection.fetchval("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
    ahead_ms = clock_ms - (before_ms + time.time() * 1_000) / 2
    words = f"its clock is {ahead_ms / 1000:+.1f} s against this machine's"
    if abs(ahead_ms) > CLOCK_MS_MAX:
        return Finding("clock", "bad", words, "Let both follow one time: the ledger takes nothing while they differ so")
    return Finding("clock", "good", words)


async def _tried(one: Connection, other: Connection) -> AsyncIterator[tuple[str, str, str, str]]:
    """Yield what came of each trial; the schema is removed whatever comes."""
    trials = Trials(one, other)
    try:
        await trials.begin()
        for about, trial, todo in TRIALS:
            try:
                found = await trial(trials)
            except OUTAGE_ERRORS as error:
                found = _words(error)
            yield (about, "good", "as it should be", "") if found is None else (about, "bad", found, todo)
    except DATABASE_ERRORS as error:
        todo = "Give the URL of the database's owner, or say: GRANT CREATE ON DATABASE … TO this role"
        yield "schema", "unknown", _words(error), todo
    finally:
        with contextlib.suppress(*DATABASE_ERRORS):
            await trials.end()


def lines_of(findings: list[Finding]) -> list[str]:
    """Return what was found, and beneath it what to do, for people."""
    lines = [f"{MARKS[each.state]:<5}{each.about:<20}{each.found}" for each in findings]
    todo = [each for state in ("bad", "unknown", "note") for each in findings if each.state == state]
    lines += ["", "to do" if todo else "it fits"]
    return lines + [f"{MARKS[each.state]:<5}{each.about}: {each.todo}" for each in todo]


def status_of(findings: list[Finding]) -> int:
    """Return the exit status."""
    states = {each.state for each in findings}
    return FAULTY if "bad" in states else COULD_NOT_LOOK if "unknown" in states else 0


async def _check(url: str, *, is_standby_away: bool) -> int:
    findings = [each async for each in findings_of(url, is_standby_away=is_standby_away)]
    say("\n".join(lines_of(findings)))
    return status_of(findings)


def main() -> None:
    """Check the database that the environment or the arguments name."""
    parser = argparse.ArgumentParser(prog="make ha-check", description=__doc__)
    parser.add_argument("--standby-away", action="store_true", help="the synchronous standbys were stopped by hand")
    parser.add_argument("url", nargs="?", default=os.environ.get("URL"), help="without it, the variable URL is read")
    options = parser.parse_args()
    if not options.url:
        parser.error("say URL=postgresql://… (in the environment a password is not seen by others of this machine)")
    sys.exit(asyncio.run(_check(options.url, is_standby_away=options.standby_away)))


if __name__ == "__main__":
    main()
