"""What does not count because the key that said it was compromised (DESIGN 3.7). Derived when reading, never stored.

An event is void if its key is, as far as is known at the asked moment, compromised with `invalid_from` ≤ the event's
`received_at`, or if the addition of its key is itself void. A statement that condemns a key is judged only by what came
after it on the log: what came before had been judged when it was admitted. So two keys that condemn each other have one
answer (the later statement prevails). The opening is where trust begins, and is never void: a log whose first key is
condemned from the first moment on still has its recovery key.

What every event of a batch asks of its institution, by all that is known, is remembered in the book (`Ruling`).
"""

from collections.abc import Mapping

from proto.ids import Did, KeyId, owner_of
from proto.lifecycle.book import Book
from proto.lifecycle.states import Issuer, Key, Profile, Stamp, Standing
from proto.moment import Moment

OPENING_INDEX = 0
CACHED_MAX = 8_192


def is_void(book: Book, stamp: Stamp, *, known_at: Moment | None = None) -> bool:
    """Tell whether what was said at `stamp` is void, by what the log said up to and including `known_at` (None: all).

    Reads the rings of the speaker and of the registrar, nothing else.
    """
    return _is_tainted(book, stamp, _condemned(book, stamp.speaker, known_at))


def _is_tainted(book: Book, stamp: Stamp, condemned: Mapping[KeyId, Moment]) -> bool:
    """Tell whether the key of `stamp`, or of the addition it rests on, was condemned from then or earlier."""
    while stamp.index != OPENING_INDEX:
        key = book.key(stamp.key_id)
        if key is None:
            return True
        if stamp.key_id in condemned and condemned[stamp.key_id] <= stamp.received_at:
            return True
        if not condemned:
            return False
        stamp = key.added
    return False


def _condemned(book: Book, did: Did, known_at: Moment | None) -> Mapping[KeyId, Moment]:
    """Return since when keys of an institution and of the registrar are condemned, by statements that count.

    Only the two rings matter: keys are added and condemned by their owner or by the registrar. Kept in the book for as
    long as both rings are the same objects.
    """
    own, registrar = book.issuer(did), book.issuer(book.opened_log().registrar)
    cached = book.condemned.get((did, known_at))
    if cached is not None and cached[0] is own and cached[1] is registrar:
        return cached[2]
    rings = {ring.did: ring for ring in (own, registrar) if ring}
    found = _condemned_in(book, list(rings.values()), known_at)
    if len(book.condemned) >= CACHED_MAX:
        book.condemned.clear()
    book.condemned[did, known_at] = (own, registrar, found)
    return found


def _condemned_in(book: Book, rings: list[Issuer], known_at: Moment | None) -> Mapping[KeyId, Moment]:
    """Judge the condemnations from the last to the first: whether one counts depends on later ones only."""
    statements = sorted(
        (
            (retirement.stamp.index, key.key_id, retirement.invalid_from, retirement.stamp)
            for ring in rings
            for key in ring.keys
            for retirement in key.retirements
            if retirement.invalid_from is not None and is_known(retirement.stamp, known_at)
        ),
        key=lambda statement: statement[0],
        reverse=True,
    )
    condemned: dict[KeyId, Moment] = {}
    for _, key_id, invalid_from, stamp in statements:
        if not _is_tainted(book, stamp, condemned):
            condemned[key_id] = min(invalid_from, condemned.get(key_id, invalid_from))
    return condemned


def is_known(stamp: Stamp, known_at: Moment | None) -> bool:
    """Tell whether the log had received this by `known_at` (None: everything is known)."""
    return known_at is None or stamp.received_at <= known_at


def counts(book: Book, stamp: Stamp, known_at: Moment | None = None) -> bool:
    """Tell whether something said counts: it is known, and it is not void."""
    return is_known(stamp, known_at) and not is_void(book, stamp, known_at=known_at)


def is_retired(book: Book, key: Key, *, known_at: Moment | None = None) -> bool:
    """Tell whether a key signs no more: it is condemned (also by itself), or was rotated by a statement that counts."""
    return compromised_from(book, key.key_id, known_at=known_at) is not None or any(
        retirement.invalid_from is None and counts(book, retirement.stamp, known_at) for retirement in key.retirements
    )


def may_sign(book: Book, key: Key) -> bool:
    """Tell whether a key is neither retired nor void, by all that is known; whether it is usable yet is not asked."""
    ruling = book.ruling(owner_of(key.key_id))
    found = ruling.may_sign.get(key.key_id)
    if found is None:
        found = ruling.may_sign[key.key_id] = not is_retired(book, key) and not is_void(book, key.added)
    return found


def compromised_from(book: Book, key_id: KeyId, *, known_at: Moment | None = None) -> Moment | None:
    """Return since when a key is condemned (the earliest `invalid_from` that counts), or None."""
    return _condemned(book, owner_of(key_id), known_at).get(key_id)


def profile(book: Book, issuer: Issuer, *, known_at: Moment | None = None, before: int | None = None) -> Profile | None:
    """Return what the register says of an institution, or None while it is not admitted.

    `before` asks what it said for the entry at that index: only what stands before it on the log.
    """
    ruling = book.ruling(issuer.did) if known_at is None and before is None else None
    if ruling is None or ruling.own is not issuer:
        return _profile(book, issuer, known_at, before)
    if ruling.profile is None:
        ruling.profile = (_profile(book, issuer, None, None),)
    return ruling.profile[0]


def _profile(book: Book, issuer: Issuer, known_at: Moment | None, before: int | None) -> Profile | None:
    found = [
        entry
        for entry in issuer.profiles
        if (before is None or entry.stamp.index < before) and counts(book, entry.stamp, known_at)
    ]
    return found[-1] if any(entry.is_admission for entry in found) else None


def standing(book: Book, issuer: Issuer, *, known_at: Moment | None = None) -> Standing | None:
    """Return the latest suspension, reinstatement or closing that counts, or None."""
    ruling = book.ruling(issuer.did) if known_at is None else None
    if ruling is None or ruling.own is not issuer:
        return _standing(book, issuer, known_at)
    if ruling.standing is None:
        ruling.standing = (_standing(book, issuer, None),)
    return ruling.standing[0]


def _standing(book: Book, issuer: Issuer, known_at: Moment | None) -> Standing | None:
    found = [entry for entry in issuer.standings if counts(book, entry.stamp, known_at)]
    return found[-1] if found else None
