"""Laws of the rules over random histories: total, sufficient loading, invariants, replay, and a slow second opinion."""

import contextlib
from collections.abc import Callable
from functools import cache, partial
from itertools import pairwise
from random import Random
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proto import events
from proto.envelope import Opened, open_envelope
from proto.ids import Did, LeafIndex
from proto.lifecycle import (
    ROUNDS_MAX,
    Book,
    Credential,
    Endorsement,
    Invitation,
    Issuer,
    LogState,
    Needs,
    Recognition,
    Refusal,
    StandingDecision,
    Statement,
    credential_needs,
    decide,
    effective,
    evolve,
    holds,
    is_live,
    needs,
)
from proto.lifecycle.decide_issuer import RETIREMENTS_PER_KEY_MAX
from proto.moment import Moment
from tests.support.chaos import PARAMETERS, Chaos, begin, history
from tests.support.lifecycle_model import Model
from tests.support.worlds import replay

STATEMENTS = 60
EXAMPLES = 30
slowly = settings(
    max_examples=EXAMPLES,
    deadline=None,  # a history takes as long as it is
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
SEEDS = st.integers(min_value=0, max_value=2**32).map(Random)

Outcome = tuple[str, str, str | None] | None


def _offer(chaos: Chaos) -> Opened:
    event, key = chaos.statement()
    return open_envelope(chaos.world.seal(event, key=key))


def _about_what_it_issues(chaos: Chaos, batch: list[Opened]) -> list[Opened]:
    """Return statements about credentials that the same batch issues."""
    issued = [name for opened in batch if isinstance(opened.event, events.Issue) for name in opened.credential_ids]
    said = [chaos.about_new(name) for name in issued[:3]]
    return [open_envelope(chaos.world.seal(event, key=key)) for event, key in said]


def _decision(book: Book, opened: Opened, index: int, received_at: Moment) -> Outcome:
    """What `decide` says; anything but a refusal is a fault and is raised. What is admitted is written to the book."""
    try:
        decide(book, opened, index=LeafIndex(index), received_at=received_at)
    except Refusal as refusal:
        return type(refusal).__name__, refusal.detail, refusal.pointer
    evolve(book, opened, index=LeafIndex(index), received_at=received_at)
    return None


def _history(rng: Random, statements: int = STATEMENTS) -> Chaos:
    return history(rng, statements)


# Loading.


def _load(book: Book, source: Book, wanted: Needs) -> None:
    """Load as stores do: one look-up per kind, issuers with all successors that were ever named."""
    book.events |= {name: source.events[name] for name in wanted.events}
    book.public_keys |= {name: source.public_keys[name] for name in wanted.public_keys}
    book.credentials |= {name: source.credentials[name] for name in wanted.credentials}
    book.overlapping |= {prefix: source.overlapping_with(prefix) for prefix in wanted.prefixes}
    book.recognitions |= {name: source.recognitions[name] for name in wanted.recognitions}
    for pair in wanted.recognised:
        book.recognised[pair] = source.recognised[pair]
        book.recognitions |= {name: source.recognitions[name] for name in source.recognised[pair] or ()}
    book.statements |= {name: source.statements[name] for name in wanted.statements}
    book.groups |= {name: source.groups[name] for name in wanted.groups}
    for did in _with_successors(source, wanted.issuers):
        book.issuers.setdefault(did, source.issuers[did])


def _with_successors(source: Book, dids: set[Did]) -> set[Did]:
    found: set[Did] = set()
    open_dids = set(dids)
    while open_dids:
        did = open_dids.pop()
        found.add(did)
        issuer = source.issuers[did]
        open_dids |= {each.successor for each in (issuer.standings if issuer else ()) if each.successor} - found
    return found


def _loaded(source: Book, wanted: Callable[[Book], Needs]) -> Book:
    """A book with nothing in it but what was asked for, in at most three rounds."""
    book = Book()
    book.log = source.log
    for _ in range(ROUNDS_MAX):
        missing = wanted(book)
        if missing.is_empty:
            return book
        _load(book, source, missing)
    assert wanted(book).is_empty, "more than three rounds"
    return book


def _changed(book: Book) -> dict[str, object]:
    return {
        "log": book.log if book.is_log_changed else None,
        "issuers": {name: book.issuers[name] for name in book.changed_issuers},
        "public keys": {name: book.public_keys[name] for name in book.changed_public_keys},
        "credentials": {name: book.credentials[name] for name in book.changed_credentials},
        "shared by": book.shared_by,
        "shared lives": book.shared_lives,
        "recognitions": {name: book.recognitions[name] for name in book.changed_recognitions},
        "statements": {name: book.statements[name] for name in book.changed_statements},
        "events": {name: book.events[name] for name in book.changed_events},
    }


@slowly
@given(rng=SEEDS)
def test_what_needs_asks_for_is_enough_for_every_batch(rng: Random) -> None:
    chaos = begin(rng)
    world, index = chaos.world, int(chaos.world.size)
    for _ in range(STATEMENTS // 3):
        batch = [_offer(chaos) for _ in range(rng.choice([1, 1, 2, 4, 8]))]
        batch += batch[:1] if rng.random() < 0.1 else []
        batch += _about_what_it_issues(chaos, batch)
        part = _loaded(world.book, partial(needs, batch=batch))
        world.book.forget_changes()
        for opened in batch:
            expected = _decision(world.book, opened, index, world.now)
            assert _decision(part, opened, index, world.now) == expected
            index += expected is None
        assert _changed(part) == _changed(world.book)


@slowly
@given(rng=SEEDS)
def test_what_credential_needs_asks_for_is_enough_to_read_states(rng: Random) -> None:
    chaos = _history(rng)
    source = chaos.world.book
    for _ in range(10):
        wanted = [rng.choice(chaos.credentials) for _ in range(rng.choice([1, 3]))]
        part = _loaded(source, partial(credential_needs, credential_ids=wanted))
        for credential_id in wanted:
            at, known_at = chaos.any_moment(), rng.choice([None, chaos.any_moment()])
            credential = part.credential(credential_id)
            assert credential == source.credential(credential_id)
            if credential is not None:
                found = effective(part, credential, at=at, known_at=known_at)
                assert found == effective(source, credential, at=at, known_at=known_at)


# Invariants.


def _check_keys(book: Book) -> None:
    names = {}
    for did, issuer in book.issuers.items():
        if issuer is None:
            continue
        assert issuer.did == did
        assert len(issuer.keys) <= PARAMETERS.keys_per_issuer_max
        assert len({key.key_id for key in issuer.keys}) == len(issuer.keys)
        for key in issuer.keys:
            assert key.public_key not in names, "key bytes are new to the log"
            names[key.public_key] = key.key_id
            own = [each for each in key.retirements if each.stamp.speaker == did]
            assert did == book.opened_log().registrar or len(own) <= RETIREMENTS_PER_KEY_MAX
            assert all(each.stamp.index > key.added.index for each in key.retirements)
    assert names == {key: name for key, name in book.public_keys.items() if name}


def _check_credentials(book: Book) -> None:
    for credential_id, credential in book.credentials.items():
        if credential is None:
            continue
        assert credential.credential_id == credential_id
        assert len({life.issuer for life in credential.lives}) == 1
        assert len({(life.components, life.parts, life.level, life.changes) for life in credential.lives}) == 1
        life = credential.lives[-1]
        assert credential_id not in life.parts
        assert list(life.components) == sorted(set(life.components))
        assert len(set(life.parts)) == len(life.parts) <= PARAMETERS.parts_per_stack_max
        assert 0 <= life.level <= PARAMETERS.stack_levels_max
        assert (life.level > 0) is bool(life.components)
        below = [book.credentials[part] for part in life.components]
        assert set(life.parts) == {*life.components, *(p for each in below if each for p in each.lives[-1].parts)}


@slowly
@given(rng=SEEDS)
def test_whatever_is_said_is_refused_or_leaves_a_sound_book(rng: Random) -> None:
    chaos = begin(rng)
    world = chaos.world
    for _ in range(STATEMENTS):
        opened, before = _offer(chaos), len(world.book.events)
        outcome = _decision(world.book, opened, before, world.now)
        assert len(world.book.events) == before + (outcome is None)
        if outcome is None:
            world.opened.append(opened)
    _check_keys(world.book)
    _check_credentials(world.book)
    for credential_id in chaos.credentials:
        world.effective(credential_id, at=chaos.any_moment(), known_at=rng.choice([None, chaos.any_moment()]))


@slowly
@given(rng=SEEDS)
def test_a_replay_of_the_entries_gives_the_same_book(rng: Random) -> None:
    world = _history(rng, 25).world
    book = replay(world.entries)
    for name in ("log", "issuers", "public_keys", "credentials", "recognitions", "statements", "groups", "events"):
        assert getattr(book, name) == getattr(world.book, name)


@slowly
@given(rng=SEEDS)
def test_aggregates_survive_being_stored(rng: Random) -> None:
    book = _history(rng, 25).world.book
    kinds: list[tuple[dict[Any, Any], Any]] = [
        (book.issuers, Issuer),
        (book.credentials, Credential),
        (book.recognitions, Recognition),
        (book.statements, Statement),
        ({"log": book.log}, LogState),
    ]
    for states, kind in kinds:
        for state in filter(None, states.values()):
            assert msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=kind) == state


def _check_what_stands(book: Book) -> None:
    """No two of what may stand once stand at once; where keys are condemned what was withdrawn may come back."""
    recognised = [each for each in book.recognitions.values() if each and is_live(book, each)]
    pairs = [(each.credential_id, each.recogniser, each.programme) for each in recognised]
    assert len(set(pairs)) == len(pairs)
    live = [each for each in book.statements.values() if each and is_live(book, each)]
    invited = [(e.stamp.speaker, e.achievement, e.endorser, e.role) for e in live if isinstance(e, Invitation)]
    endorsed = [(e.credential_id, e.endorser, e.role) for e in live if isinstance(e, Endorsement) and holds(book, e)]
    assert len(set(invited)) == len(invited)
    assert len(set(endorsed)) == len(endorsed)
    decided: dict[tuple[str, ...], list[tuple[Moment, Moment]]] = {}
    for each in live:
        if isinstance(each, StandingDecision):
            about = (each.recogniser, each.achievement_issuer, each.achievement, each.programme)
            decided.setdefault(about, []).append((each.valid_from, each.valid_until))
    for periods in map(sorted, decided.values()):
        assert all(earlier[1] <= later[0] for earlier, later in pairwise(periods))
    for said in (*book.recognitions.values(), *book.statements.values()):
        assert said is None or len(said.withdrawals) <= 1


@slowly
@given(rng=SEEDS)
def test_without_condemned_keys_nothing_stands_twice(rng: Random) -> None:
    chaos = begin(rng)
    for _ in range(STATEMENTS):
        event, key = chaos.statement()
        is_condemnation = isinstance(event, events.IssuerKeyRetired) and event.reason == "compromised"
        with contextlib.suppress(Refusal):
            if not is_condemnation:
                chaos.world.say(event, key=key)
    _check_what_stands(chaos.world.book)


# A second opinion.


@slowly
@given(rng=SEEDS)
def test_a_slow_model_of_the_design_agrees_on_every_state(rng: Random) -> None:
    chaos = _history(rng, 60)
    world = chaos.world
    for known_at in (None, chaos.any_moment(), chaos.any_moment()):
        model = Model(world, known_at)
        for credential_id in chaos.credentials:
            for at in (world.now, chaos.any_moment(), chaos.any_moment()):
                found, expected = (
                    world.effective(credential_id, at=at, known_at=known_at),
                    model.shown(credential_id, at),
                )
                assert (found is None) == (expected is None)
                if found and expected:
                    assert (found.state, found.credits_remaining, found.reason) == expected


def _stands(book: Book, said: Statement, known_at: Moment | None) -> bool:
    if isinstance(said, Endorsement):
        return holds(book, said, known_at=known_at)
    return is_live(book, said, known_at=known_at)


@slowly
@given(rng=SEEDS)
def test_the_model_agrees_on_what_still_stands(rng: Random) -> None:
    chaos = _history(rng, 60)
    book = chaos.world.book
    for known_at in (None, chaos.any_moment()):
        found = {
            *(name for name, said in book.recognitions.items() if said and is_live(book, said, known_at=known_at)),
            *(name for name, said in book.statements.items() if said and _stands(book, said, known_at)),
        }
        assert found == Model(chaos.world, known_at).standing()


@cache
def _histories() -> list[Chaos]:
    return [_history(Random(seed), 70) for seed in range(40)]


def test_chaos_says_and_takes_back_everything() -> None:
    said: set[str] = set()
    withdrawn: set[str] = set()
    for chaos in _histories():
        book = chaos.world.book
        made = [each for each in (*book.recognitions.values(), *book.statements.values()) if each is not None]
        said |= {type(each).__name__ for each in made}
        withdrawn |= {type(each).__name__ for each in made if each.withdrawals}
    assert said == withdrawn == {"Recognition", "StandingDecision", "Invitation", "Endorsement"}


def test_chaos_reaches_deep() -> None:
    states: set[str | None] = set()
    lives: set[int] = set()
    together: set[str | None] = set()
    mixed = 0
    for chaos in _histories():
        states |= {chaos.world.state(each) for each in chaos.credentials}
        lives |= {len(each.lives) for each in chaos.world.book.credentials.values() if each}
        shared = chaos.world.book.shared_by
        together |= {chaos.world.state(each) for each in shared}
        mixed += any(len(each) > 1 for each in chaos.world.book.shared_lives.values())
    assert states >= {None, "active", "suspended", "revoked", "impaired", "void"}
    assert max(lives) > 1
    assert together >= {"active", "revoked", "void"}
    assert mixed, "void ones were issued again together"
