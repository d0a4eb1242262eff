"""Signatures of a chunk checked before the rules are asked, while the chunk before is judged and stored. Knows no rule.

Whether a signature verifies depends on key, message and signature alone, so it may be found out early, under the key
that this key id had last. What counts is the key that the rules name: where that is another one, or none was known, the
signature is checked then.
"""

import asyncio
from collections.abc import Sequence

import msgspec

from proto.ids import KeyId
from services.crypto.signatures import SignatureCheckers
from services.follow.chunk import Candidate, SignatureCheck

KEYS_MAX = 8_192


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """A check under way: under which key each candidate's signature is checked, if it is, and what will be found.

    `places` are those of the candidates that are checked; `bad` are positions in it.
    """

    keys: list[bytes | None]
    places: list[int]
    bad: "asyncio.Task[list[int]]"


class EarlyChecks:
    """Belongs to one follower, and remembers the raw keys of the key ids that it met."""

    def __init__(self, checkers: SignatureCheckers) -> None:
        self._checkers = checkers
        self._keys: dict[KeyId, bytes] = {}
        self._running: set[asyncio.Task[list[int]]] = set()

    def begin(self, candidates: Sequence[Candidate]) -> Begun:
        """Begin to check what can be checked already; nothing where no process is there for it.

        Threads would only take the interpreter from the work that goes on.
        """
        known = self._keys if self._checkers.has_processes else {}
        keys = [known.get(candidate.opened.key_id) for candidate in candidates]
        places = [place for place, key in enumerate(keys) if key is not None]
        items = [
            (key, candidate.opened.pae, candidate.opened.signature)
            for key, candidate in zip(keys, candidates, strict=True)
            if key is not None
        ]
        bad = asyncio.create_task(self._checkers.bad(items), name="early-signatures")
        self._running.add(bad)
        bad.add_done_callback(self._running.discard)
        return Begun(keys=keys, places=places, bad=bad)

    async def drop(self) -> None:
        """End every check under way: nobody will ask for it."""
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def first_bad(
        self, begun: Begun, candidates: Sequence[Candidate], checks: Sequence[SignatureCheck]
    ) -> int | None:
        """Return the place of the first signature that does not verify under the key that the rules named, or None.

        `checks` may end before the candidates, where the rules stopped.
        """
        late = [place for place, check in enumerate(checks) if check.public_key != begun.keys[place]]
        found = {late[bad] for bad in await self._checkers.bad([_item(checks[place]) for place in late])}
        early = {begun.places[bad] for bad in await begun.bad}
        found |= {place for place in early if place < len(checks)} - set(late)
        self._learn(candidates, checks)
        return min(found, default=None)

    def _learn(self, candidates: Sequence[Candidate], checks: Sequence[SignatureCheck]) -> None:
        if len(self._keys) > KEYS_MAX:
            self._keys.clear()
        self._keys.update(
            (candidate.opened.key_id, check.public_key) for candidate, check in zip(candidates, checks, strict=False)
        )


def _item(check: SignatureCheck) -> tuple[bytes, bytes, bytes]:
    return check.public_key, check.message, check.signature
