"""What does not count because the key that said it was compromised (DESIGN 3.7). Derived when reading, never stored.

An event is void if its key is, as far as is known at the asked moment, compromised with `invalid_from` ≤ the event's
`received_at`, or if the addition of its key is itself void. A statement that condemns a key is judged only by what came
after it on the log: what came before had been judged when it was admitted. So two keys that condemn each other have one
answer (the later statement prevails), and the recursion ends.
"""

from proto.ids import KeyId
from proto.lifecycle.states import Book, Issuer, Key, Profile, Retirement, Stamp, Standing
from proto.moment import Moment

_ALL = -1


def is_void(book: Book, stamp: Stamp, *, known_at: Moment | None = None, after: int = _ALL) -> bool:
    """Tell whether what was said at `stamp` is void, by what the log said up to and including `known_at` (None: all).

    `after` limits what counts to condemnations with a higher index; callers outside this module leave it alone.
    """
    key = book.key(stamp.key_id)
    if key is None:
        return True
    if any(_condemns(book, retirement, stamp, known_at, after) for retirement in key.retirements):
        return True
    is_self_certified = key.added.key_id == stamp.key_id
    return not is_self_certified and is_void(book, key.added, known_at=known_at, after=after)


def _condemns(book: Book, retirement: Retirement, stamp: Stamp, known_at: Moment | None, after: int) -> bool:
    if retirement.invalid_from is None or retirement.invalid_from > stamp.received_at or retirement.stamp == stamp:
        return False
    if retirement.stamp.index <= after or not is_known(retirement.stamp, known_at):
        return False
    return not is_void(book, retirement.stamp, known_at=known_at, after=retirement.stamp.index)


def is_known(stamp: Stamp, known_at: Moment | None) -> bool:
    """Tell whether the log had received this by `known_at` (None: everything is known)."""
    return known_at is None or stamp.received_at <= known_at


def counts(book: Book, stamp: Stamp, known_at: Moment | None = None) -> bool:
    """Tell whether something said counts: it is known, and it is not void."""
    return is_known(stamp, known_at) and not is_void(book, stamp, known_at=known_at)


def is_retired(book: Book, key: Key, *, known_at: Moment | None = None) -> bool:
    """Tell whether a key signs no more: a retirement that counts, for either reason, names it."""
    return any(counts(book, retirement.stamp, known_at) for retirement in key.retirements)


def compromised_from(book: Book, key_id: KeyId, *, known_at: Moment | None = None) -> Moment | None:
    """Return since when a key is condemned (the earliest `invalid_from` that counts), or None."""
    key = book.key(key_id)
    moments = [
        retirement.invalid_from
        for retirement in (key.retirements if key else ())
        if retirement.invalid_from is not None and counts(book, retirement.stamp, known_at)
    ]
    return min(moments, default=None)


def profile(book: Book, issuer: Issuer, *, known_at: Moment | None = None, before: int | None = None) -> Profile | None:
    """Return what the register says of an institution, or None while it is not admitted.

    `before` asks what it said for the entry at that index: only what stands before it on the log.
    """
    found = [
        entry
        for entry in issuer.profiles
        if (before is None or entry.stamp.index < before) and counts(book, entry.stamp, known_at)
    ]
    return found[-1] if any(entry.is_admission for entry in found) else None


def standing(book: Book, issuer: Issuer, *, known_at: Moment | None = None) -> Standing | None:
    """Return the latest suspension, reinstatement or closing that counts, or None."""
    found = [entry for entry in issuer.standings if counts(book, entry.stamp, known_at)]
    return found[-1] if found else None
