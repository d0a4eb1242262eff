"""The databases that tests get: makes, copies and drops them; starts no server."""

import contextlib
import secrets
import urllib.parse
from collections.abc import Awaitable, Callable
from typing import Protocol

import asyncpg
import msgspec

from services.persistence import database_setup

_TRIES_MAX = 20
OWNER_ROLE = "credentify_test_owner"
RUNNING_ROLE = "credentify_test_running"


class Database(msgspec.Struct, frozen=True, kw_only=True):
    """A database of one test and the URLs of its two roles (and of the superuser, in this database)."""

    name: str
    owner_url: str
    running_url: str
    admin_url: str
    owner_role: str = OWNER_ROLE
    running_role: str = RUNNING_ROLE


Prepare = Callable[[Database], Awaitable[object]]


class MakeDatabase(Protocol):
    """Makes databases; each is dropped when the test is over."""

    async def __call__(self, template: str | None = None, *, prepare: Prepare | None = None) -> Database:
        """Return a fresh database: empty, or a copy of `template`, which `prepare` fills once per run."""
        ...


class Postgres:
    """The server of this run and the templates made in it so far."""

    def __init__(self, admin_url: str, *, password: str, copies_files: bool = False) -> None:
        """Take the server; one whose files lie in memory copies a template fastest by its files (`copies_files`)."""
        self.admin_url = admin_url
        self._password = password
        self._strategy = "FILE_COPY" if copies_files else "WAL_LOG"
        self._run = secrets.token_hex(4)
        self._templates: dict[str, Database] = {}
        self._names: set[str] = set()

    def _database(self, name: str) -> Database:
        return Database(
            name=name,
            owner_url=self._url(name, OWNER_ROLE, self._password),
            running_url=self._url(name, RUNNING_ROLE, self._password),
            admin_url=self._url(name, None, None),
        )

    def _url(self, name: str, role: str | None, password: str | None) -> str:
        """Return the superuser's URL with another database, and role if one is given."""
        parts = urllib.parse.urlsplit(self.admin_url)
        account, _, host = parts.netloc.rpartition("@")
        if role is not None:
            account = f"{role}:{password}" if password else role
        # urlunsplit drops an empty host and its slashes, so the URL is put together by hand
        return f"{parts.scheme}://{account}@{host}/{name}" + (f"?{parts.query}" if parts.query else "")

    async def create(self, template: str | None, prepare: Prepare | None) -> Database:
        """Create a database, empty or from a template."""
        if template is None:
            return await self._create_empty(f"test_{self._run}_{secrets.token_hex(4)}")
        if template not in self._templates:
            assert prepare is not None, f"nobody has prepared the template {template!r} yet"
            made = await self._create_empty(f"template_{self._run}_{template}")
            await prepare(made)
            self._templates[template] = made
        return await self._copy(self._templates[template])

    async def _create_empty(self, name: str) -> Database:
        self._names.add(name)
        await database_setup.ensure_database(
            self.admin_url, name=name, owner_role=OWNER_ROLE, running_role=RUNNING_ROLE
        )
        if self._password:
            for role in (OWNER_ROLE, RUNNING_ROLE):
                await self._execute(f"ALTER ROLE {role} PASSWORD '{self._password}'")
        return self._database(name)

    async def _copy(self, template: Database) -> Database:
        name = f"test_{self._run}_{secrets.token_hex(4)}"
        self._names.add(name)
        await self._execute(
            f"CREATE DATABASE {name} OWNER {OWNER_ROLE} TEMPLATE {template.name} STRATEGY {self._strategy}",
            f"REVOKE ALL ON DATABASE {name} FROM PUBLIC",
            f"GRANT CONNECT ON DATABASE {name} TO {RUNNING_ROLE}",
        )
        return self._database(name)

    async def drop(self, name: str) -> None:
        """Drop a database and whoever is still connected to it."""
        await self._execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        self._names.discard(name)

    async def drop_all(self) -> None:
        """Drop what is left, templates among it."""
        for name in sorted(self._names):
            await self.drop(name)

    async def _execute(self, *statements: str) -> None:
        connection = await asyncpg.connect(self.admin_url)  # a session of ours would be looked at first, in each test
        try:
            for sql in statements:
                await _executed(connection, sql)
        finally:
            await connection.close()


async def _executed(connection: asyncpg.Connection, sql: str) -> None:
    for _ in range(_TRIES_MAX):
        with contextlib.suppress(asyncpg.InternalServerError):  # another worker changes the same role now
            await connection.execute(sql)
            return
    await connection.execute(sql)
