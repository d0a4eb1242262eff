"""API keys of machines and their quotas, read from a file of hashes. Knows no route.

Keys are optional: who sends none is held to the rate of its address. A key that is sent and not known is refused, never
taken for nobody. The file is read again when it changes; a file that cannot be read changes nothing, and is reported.
"""

import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from proto.expected import in_words
from proto.number_words import number_of
from services.edge.auth import bearer_token, token_hash
from services.edge.problems import RateLimitedProblem, UnauthenticatedProblem
from services.settings import SettingsFault
from services.verifier.limits.quotas import Usage, Window

API_KEY_PREFIX = "cfv_"
"""What every key's token begins with, so that scanners find lost ones."""
KEYS_MAX = 10_000
FILE_BYTES_MAX = 4_194_304
LOOK_SECONDS = 1.0
MINUTE, DAY = 60, 86_400


class ApiKeyEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One `[[keys]]` of the file; `token_sha256` is what `credentify verifier-key` writes instead of the token."""

    name: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")]
    token_sha256: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
    requests_per_minute: Annotated[int, Meta(ge=1, le=10_000_000)] = 600
    documents_per_day: Annotated[int, Meta(ge=1, le=1_000_000_000)] = 50_000


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    keys: Annotated[tuple[ApiKeyEntry, ...], Meta(max_length=KEYS_MAX)] = ()


class QuotaProblem(RateLimitedProblem):
    """The key's quota of requests or documents is used up; `Retry-After` says when the next window begins."""

    slug = "quota-used-up"
    title = "The API key's quota is used up"


def read_keys(path: Path) -> dict[bytes, ApiKeyEntry]:
    """Return the keys of a file by the hashes of their tokens; raises `SettingsFault` that says what is wrong."""
    try:
        data = path.read_bytes()
        if len(data) > FILE_BYTES_MAX:
            raise SettingsFault(f"{path} has more than {FILE_BYTES_MAX} bytes")
        found = msgspec.convert(tomllib.loads(data.decode()), _File)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SettingsFault(f"{path} cannot be read as a file of API keys: {in_words(str(error))}") from error
    names = [key.name for key in found.keys]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsFault(f"{path} has several keys of the name {', '.join(twice)}")
    return {bytes.fromhex(key.token_sha256): key for key in found.keys}


class QuotaAccount:
    """What one key has used, by all processes of this verifier, from its start on."""

    def __init__(self, key: ApiKeyEntry, used: Usage) -> None:
        self.key = key
        self.requests = Window(used, f"requests {key.token_sha256}", key.requests_per_minute, MINUTE)
        self.documents = Window(used, f"documents {key.token_sha256}", key.documents_per_day, DAY)

    def charge_request(self, now: float) -> None:
        """Count a request; raises `QuotaProblem`."""
        _refuse(self.requests.charge(1, now), f"{number_of(self.requests.limit, 'request')} a minute")

    def charge_documents(self, count: int, now: float) -> None:
        """Count documents that are to be verified; raises `QuotaProblem`."""
        a_day = f"{number_of(self.documents.limit, 'document')} a day"
        if (left := self.documents.left(now)) and count > left:
            detail = (
                f"This asks about {number_of(count, 'document')}, and of your key's {a_day} {left} "
                f"{'is' if left == 1 else 'are'} left; send at most so many, or ask the verifier's operator for more"
            )
            raise QuotaProblem(detail, retry_after_seconds=self.documents.left_seconds(now))
        _refuse(self.documents.charge(count, now), a_day)

    def headers(self, now: float) -> dict[str, str]:
        """Return what tells the client how much is left."""
        windows = {"requests": self.requests, "documents": self.documents}
        return {
            "RateLimit-Policy": ", ".join(
                f'"{name}";q={each.limit};w={each.seconds}' for name, each in windows.items()
            ),
            "RateLimit": ", ".join(each.words(name, now) for name, each in windows.items()),
        }


def _refuse(wait_seconds: float, what: str) -> None:
    if wait_seconds:
        detail = f"Your key has {what}, and they are used up; wait, or ask the verifier's operator for more"
        raise QuotaProblem(detail, retry_after_seconds=wait_seconds)


class ApiKeys:
    """The keys of a file at work."""

    def __init__(
        self,
        path: Path,
        *,
        on_trouble: Callable[[str], None],
        used: Usage | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the file; raises `SettingsFault`. `used` is shared with other processes of this verifier."""
        self._path = path
        self._used = used or Usage()
        self._on_trouble = on_trouble
        self._clock = clock
        self._accounts = {hashed: QuotaAccount(key, self._used) for hashed, key in read_keys(path).items()}
        self._stamp = self._stamp_now()
        self._trouble: tuple[tuple[int, int, int] | None, str] | None = None
        self._looked_at = clock()

    def account(self, authorization: str) -> QuotaAccount:
        """Return the account of an `Authorization` header; raises `UnauthenticatedProblem`."""
        self.look()
        token = bearer_token(authorization)
        account = self._accounts.get(token_hash(token)) if token else None
        if account is None:
            raise UnauthenticatedProblem(
                "This API key is not known here; leave it out to ask as anybody",
                realm="verifier",
                error="invalid_token",
            )
        return account

    def now(self) -> float:
        """Return the time that quotas are counted by."""
        return self._clock()

    @property
    def hashes(self) -> set[bytes]:
        """The hashes of all tokens that are known."""
        return set(self._accounts)

    def look(self) -> None:
        """Read the file again if it changed, or could not be read; what keys have used stays with names and hashes.

        What was wrong may be mended without a change of the file: its rights, or too few descriptors here.
        """
        now = self._clock()
        if now - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = now
        if (stamp := self._stamp_now()) == self._stamp and self._trouble is None:
            return
        try:
            keys = read_keys(self._path)
        except SettingsFault as problem:
            if self._trouble != (stamp, problem.detail):
                self._on_trouble(problem.detail)
            self._trouble = stamp, problem.detail
            return
        self._stamp, self._trouble = stamp, None
        kept = self._accounts
        self._accounts = {
            hashed: kept[hashed] if hashed in kept and kept[hashed].key == key else QuotaAccount(key, self._used)
            for hashed, key in keys.items()
        }

    def _stamp_now(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
