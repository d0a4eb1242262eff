"""Reads the public catalogue of an issuer gateway, in parts of bounded size. Believes nothing; knows no achievement."""

from urllib.parse import urlsplit, urlunsplit

import aiohttp
import msgspec

from proto.canonical import DECODE_ERRORS
from proto.problem import UnavailableProblem
from services.clients.bodies import body_within
from services.clients.http_session import HTTP_ERRORS

PART_ENTRIES = 50
PART_BYTES_MAX = 8 * 1024 * 1024
CURSOR_CHARACTERS_MAX = 1_024
_OK = 200


class CatalogueProblem(UnavailableProblem):
    """A catalogue does not answer, or answers with something else than a catalogue."""

    slug = "catalogue"
    title = "The catalogue cannot be read"


class CataloguePart(msgspec.Struct, frozen=True, kw_only=True):
    """Some entries, each still as JSON, and the cursor of the next; None: these are the last."""

    entries: tuple[msgspec.Raw, ...]
    next_cursor: str | None = None


_DECODE = msgspec.json.Decoder(CataloguePart).decode


class CatalogueClient:
    """One gateway's catalogue; the session belongs to the caller. `name` is its address as it may be shown."""

    def __init__(self, session: aiohttp.ClientSession, url: str, *, timeout_seconds: float) -> None:
        self.url = url.rstrip("/")
        self.name = shown_address(self.url)
        self._session = session
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)

    async def part(self, cursor: str | None) -> CataloguePart:
        """Return the entries after a cursor; raises `CatalogueProblem`. Redirects are not followed."""
        query = {"limit": str(PART_ENTRIES)} | ({"cursor": cursor} if cursor else {})
        try:
            async with self._session.get(
                f"{self.url}/v1/catalogue", params=query, timeout=self._timeout, allow_redirects=False
            ) as response:
                if response.status != _OK:
                    raise CatalogueProblem(f"{self.name} answered with status {response.status}")
                refusal = CatalogueProblem(f"{self.name} answered with more than {PART_BYTES_MAX} bytes at once")
                data = await body_within(response, PART_BYTES_MAX, refusal=refusal)
        except HTTP_ERRORS as error:
            raise CatalogueProblem(f"{self.name} does not answer ({type(error).__name__})") from error
        return self._part(data)

    def _part(self, data: bytes) -> CataloguePart:
        try:
            part = _DECODE(data)
        except DECODE_ERRORS as error:
            raise CatalogueProblem(f"{self.name} answered with something else than a catalogue: {error}") from error
        if len(part.entries) > PART_ENTRIES or len(part.next_cursor or "") > CURSOR_CHARACTERS_MAX:
            raise CatalogueProblem(f"{self.name} answered with more entries, or a longer cursor, than was asked for")
        return part


def shown_address(url: str) -> str:
    """Return an address without a name and a password, which may stand in it and are for nobody else."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
