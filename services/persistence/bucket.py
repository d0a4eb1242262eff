"""An S3-compatible bucket as a copy of a log needs it: read, put if absent, replace if unchanged. Knows no log.

Who may write where is said by the variables that every S3 tool knows: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL (other stores than Amazon's), or by the machine's role.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

import aiohttp
import msgspec
from obstore import sign_async
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store
from yarl import URL

from proto.problem import UnavailableProblem
from services.clients.bodies import body_within
from services.clients.http_session import HTTP_ERRORS
from services.settings import SettingsFault

if TYPE_CHECKING:
    from obstore import PutMode  # it is in the stubs only

SCHEME = "s3://"
TIMEOUT_SECONDS = 30
CONNECT_SECONDS = 5
RETRIES_MAX = 2
OBJECT_BYTES_MAX = 32 * 1024 * 1024
"""More than 256 entries of the largest size."""
_TROUBLES = (BaseError, OSError)
_OK, _REDIRECT, _REFUSED, _NOT_FOUND = 200, 300, 400, 404
_AS_STORED = {"Accept-Encoding": "identity"}


class BucketProblem(UnavailableProblem):
    """The store did not do it: it is away, or refuses; its own words are in the detail."""

    slug = "bucket-unavailable"
    title = "The bucket cannot be used now"


class StoredObject(msgspec.Struct, frozen=True, kw_only=True):
    """An object: its bytes, and the tag that changes with them."""

    data: bytes
    e_tag: str


class Bucket:
    """One folder of a bucket, `s3://BUCKET/FOLDER`; safe to use from many tasks of one event loop."""

    def __init__(self, url: str) -> None:
        """Take the address; raises `SettingsFault` for another form. Nothing is asked of the store yet."""
        name = url.removeprefix(SCHEME).partition("/")[0]
        if not url.startswith(SCHEME) or not name:
            raise SettingsFault(f"A bucket is given as s3://BUCKET/FOLDER; {url!r} is not")
        self.url = url.rstrip("/")
        try:
            self._store = S3Store.from_url(
                self.url,
                client_options={
                    "timeout": f"{TIMEOUT_SECONDS}s",
                    "connect_timeout": f"{CONNECT_SECONDS}s",
                    "allow_http": True,  # who names an endpoint with http:// means it; what is stored is public
                },
                retry_config={"max_retries": RETRIES_MAX, "retry_timeout": timedelta(seconds=TIMEOUT_SECONDS)},
            )
        except BaseError as error:
            raise SettingsFault(f"The bucket {url} cannot be used: {_words(error)}") from error

    async def read(self, name: str) -> StoredObject | None:
        """Return an object, None where there is none; raises `BucketProblem`, also where the store names another place.

        A redirect is not followed: it could lead into the network behind us. The store's own library follows them, so
        it makes the address, with its signature, and the request is ours.
        """
        try:
            url = await sign_async(self._store, "GET", name, timedelta(seconds=10 * TIMEOUT_SECONDS))
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
            async with (
                aiohttp.ClientSession(timeout=timeout, trust_env=True, auto_decompress=False) as session,
                session.get(URL(url, encoded=True), allow_redirects=False, headers=_AS_STORED) as response,
            ):
                return await self._found(name, response)
        except (*_TROUBLES, *HTTP_ERRORS) as error:
            raise self._problem("read", name, error) from error

    async def _found(self, name: str, response: aiohttp.ClientResponse) -> StoredObject | None:
        if response.status == _NOT_FOUND:
            return None
        if response.status != _OK:
            words = "a redirect, which is not followed" if _REDIRECT <= response.status < _REFUSED else "no object"
            raise BucketProblem(f"{self.url}/{name} was answered with status {response.status}: {words}")
        words = f"more than {OBJECT_BYTES_MAX} bytes: nothing of a log is as large"
        refusal = BucketProblem(f"{self.url}/{name} has {words}")
        data = await body_within(response, OBJECT_BYTES_MAX, refusal=refusal)
        return StoredObject(data=data, e_tag=response.headers.get("ETag", ""))

    async def create(self, name: str, data: bytes, headers: dict[str, str]) -> bool:
        """Put an object unless there is one (If-None-Match: *); False where there is. Raises `BucketProblem`."""
        try:
            await self._put(name, data, headers, "create")
        except AlreadyExistsError:
            return False
        except _TROUBLES as error:
            raise self._problem("written", name, error) from error
        return True

    async def replace(self, name: str, data: bytes, headers: dict[str, str], *, was: StoredObject | None) -> bool:
        """Put an object in place of the one that was read (If-Match); False where another is there by now."""
        if was is None:
            return await self.create(name, data, headers)
        try:
            await self._put(name, data, headers, {"e_tag": was.e_tag})
        except PreconditionError:
            return False
        except _TROUBLES as error:
            raise self._problem("replaced", name, error) from error
        return True

    async def remove_under(self, folder: str) -> None:
        """Remove all objects below a name; raises `BucketProblem`."""
        try:
            async for found in self._store.list(folder):
                await self._store.delete_async([each["path"] for each in found])
        except _TROUBLES as error:
            raise self._problem("removed", folder, error) from error

    async def _put(self, name: str, data: bytes, headers: dict[str, str], mode: "PutMode") -> None:
        await self._store.put_async(name, data, mode=mode, attributes=headers, use_multipart=False)

    def _problem(self, what: str, name: str, error: Exception) -> BucketProblem:
        return BucketProblem(f"{self.url}/{name} could not be {what}: {_words(error)}")


def _words(error: Exception) -> str:
    """Return the first line of what the library says; the rest is for its own developers."""
    return str(error).partition("\n")[0][:500]
