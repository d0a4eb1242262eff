"""What each answer of a witness leads to, against scripted witnesses on loopback."""

import asyncio
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from proto.log.checkpoint import cosign, cosigned_at
from proto.log.note_key import SignerKey
from proto.log.witness import parse_add_checkpoint
from services.ledger.signer import InconsistentTreeError
from services.ledger.witnesses.asked_witness import TRIES_MAX
from tests.support.statements import secret_key
from tests.support.witnesses import (
    LOG,
    QUICK,
    Answer,
    History,
    asked,
    cosigns,
    has_size,
    in_turn,
    says,
    scripted,
    witness_key,
)

KEY = witness_key("w")
OTHER_LOG = SignerKey(name=LOG.name, secret=secret_key("not the log"))


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_the_size_is_learnt_at_first_contact_and_remembered(session: aiohttp.ClientSession) -> None:
    history = History().grow(9)
    async with scripted(KEY, in_turn(has_size(3), cosigns(KEY))) as served:
        witness = asked(served, session, history)
        line = await witness.cosignature(history.signed(7))
        assert line is not None
        assert KEY.verifier.verifies(history.signed(7).note.text, line.payload)
        assert await witness.cosignature(history.signed(9))
    assert served.old_sizes == [0, 3, 7]
    assert parse_add_checkpoint(served.bodies[1]).proof == history.proof(3, 7)
    assert witness.size == 9


async def test_the_same_checkpoint_is_cosigned_again_for_a_fresh_time(session: aiohttp.ClientSession) -> None:
    history = History().grow(5)
    async with scripted(KEY, in_turn(cosigns(KEY, at=1_000), cosigns(KEY, at=2_000))) as served:
        witness = asked(served, session, history)
        lines = [await witness.cosignature(history.signed()) for _ in range(2)]
    assert [cosigned_at(line) for line in lines if line] == [1_000, 2_000]
    assert [parse_add_checkpoint(body).proof for body in served.bodies] == [(), ()]
    assert served.old_sizes == [0, 5]


@pytest.mark.parametrize("contradiction", [says(409), says(409, "5\n"), says(422, "another root")])
async def test_a_witness_that_contradicts_is_never_asked_again(
    session: aiohttp.ClientSession, contradiction: Answer
) -> None:
    history, lines = History().grow(5), io.BytesIO()
    async with scripted(KEY, contradiction) as served:
        witness = asked(served, session, history, lines=lines)
        assert await witness.cosignature(history.signed()) is None
        assert (witness.is_ready, len(served.bodies)) == (False, 1)
    assert witness.stopped is not None
    assert b"witness_stopped" in lines.getvalue()


async def test_a_larger_size_that_is_only_claimed_stops_the_witness_and_not_the_log(
    session: aiohttp.ClientSession,
) -> None:
    history = History().grow(5)
    async with scripted(KEY, has_size(6)) as served:
        for served.shows in (None, b"nonsense", History().grow(6).signed(key=OTHER_LOG).encoded):
            witness = asked(served, session, history)
            assert await witness.cosignature(history.signed()) is None
            assert witness.stopped is not None
            assert "does not show" in witness.stopped


@pytest.mark.parametrize("size", [3, 5, 6, 900])
async def test_a_witness_that_shows_our_signature_under_another_tree_stops_the_log(
    session: aiohttp.ClientSession, size: int
) -> None:
    ours, other = History().grow(5), History().grow(2).grow(998, "another")
    async with scripted(KEY, in_turn(has_size(6))) as served:
        served.shows = other.signed(size).encoded
        with pytest.raises(InconsistentTreeError, match="would fork the log"):
            await asked(served, session, ours).cosignature(ours.signed())
        with pytest.raises(InconsistentTreeError, match="an earlier state" if size > 5 else "the root"):
            await asked(served, session, ours).compare(ours.signed())


async def test_what_a_witness_shows_of_our_own_past_tells_its_size(session: aiohttp.ClientSession) -> None:
    history = History().grow(5)
    async with scripted(KEY, cosigns(KEY)) as served:
        for size in (3, 5):
            served.shows = history.signed(size).encoded
            witness = asked(served, session, history)
            await witness.compare(history.signed())
            assert witness.size == size
            assert await witness.cosignature(history.signed())
    assert served.old_sizes == [3, 5]


@pytest.mark.parametrize("failure", [says(429), says(500), says(503, **{"Retry-After": "3600"}), says(408)])
async def test_what_may_pass_is_tried_a_few_times_with_pauses(session: aiohttp.ClientSession, failure: Answer) -> None:
    history, lines = History().grow(5), io.BytesIO()
    async with scripted(KEY, failure) as served:
        witness = asked(served, session, history, lines=lines)
        assert await witness.cosignature(history.signed()) is None
        assert len(served.bodies) == TRIES_MAX
        assert not witness.is_ready
        assert witness.stopped is None
    assert lines.getvalue().count(b"witness_failing") == 1


async def test_a_witness_that_is_back_cosigns_after_its_rest(session: aiohttp.ClientSession) -> None:
    history, lines = History().grow(5), io.BytesIO()
    answers = in_turn(*[says(500)] * TRIES_MAX, says(502), cosigns(KEY))
    async with scripted(KEY, answers) as served:
        witness = asked(served, session, history, lines=lines)
        assert await witness.cosignature(history.signed()) is None
        await witness.rest()
        assert witness.is_ready
        assert await witness.cosignature(history.signed())
    assert len(served.bodies) == TRIES_MAX + 2
    assert b"witness_recovered" in lines.getvalue()


async def test_a_witness_that_takes_all_the_time_is_not_asked_for_the_same_again(
    session: aiohttp.ClientSession,
) -> None:
    history, never = History().grow(5), asyncio.Event()

    async def silent(_: bytes) -> web.StreamResponse:
        await never.wait()
        return web.Response()

    async with scripted(KEY, silent) as served:
        witness = asked(served, session, history, timeout_seconds=0.5)
        assert await witness.cosignature(history.signed()) is None
        assert (len(served.bodies), witness.is_ready) == (1, False)
        never.set()


async def test_a_witness_that_nobody_runs_is_tried_and_rests(session: aiohttp.ClientSession) -> None:
    history = History().grow(5)
    async with scripted(KEY, cosigns(KEY)) as served:
        pass
    witness = asked(served, session, history)
    assert await witness.cosignature(history.signed()) is None
    assert not witness.is_ready


@pytest.mark.parametrize(
    "refusal",
    [
        says(400),
        says(403),
        says(404),
        says(302, Location="/elsewhere"),
        says(307, Location="/add-checkpoint"),
        says(204),
        has_size("five"),
        has_size("05"),
        has_size(-1),
        says(200, "no signature line"),
        says(200, ""),
        says(200, "x" * 100_000),
        says(409, "\xff", "text/x.tlog.size"),
    ],
)
async def test_what_no_retry_mends_is_asked_once_and_rests_long(
    session: aiohttp.ClientSession, refusal: Answer
) -> None:
    history = History().grow(5)
    async with scripted(KEY, refusal) as served:
        witness = asked(served, session, history, bounds=QUICK)
        assert await witness.cosignature(history.signed()) is None
        assert (len(served.bodies), witness.is_ready) == (1, False)


def badly(history: History, kind: str) -> str:
    """Return signature lines without a good cosignature of our witness."""
    note = history.signed().note
    good = cosign(note, KEY, 1_000)
    if kind == "another witness":
        return cosign(note, witness_key("x"), 1_000).text
    if kind == "another tree":
        return cosign(history.signed(3).note, KEY, 1_000).text
    if kind == "another time":
        payload = (1_001).to_bytes(8, "big") + good.payload[8:]
    elif kind == "no time":
        payload = bytes(8) + good.payload[8:]
    elif kind == "short":
        payload = good.payload[:-1]
    else:
        payload = good.payload[:-1] + bytes([good.payload[-1] ^ 1])
    return type(good)(name=good.name, key_id=good.key_id, payload=payload).text


@pytest.mark.parametrize("kind", ["another witness", "another tree", "another time", "no time", "short", "flipped"])
async def test_a_cosignature_that_does_not_verify_is_none(session: aiohttp.ClientSession, kind: str) -> None:
    history = History().grow(5)
    async with scripted(KEY, says(200, badly(history, kind))) as served:
        witness = asked(served, session, history)
        assert await witness.cosignature(history.signed()) is None
        assert (witness.size, witness.is_ready) == (0, False)


async def test_lines_of_others_beside_the_cosignature_are_ignored(session: aiohttp.ClientSession) -> None:
    history = History().grow(5)
    note = history.signed().note
    text = cosign(note, witness_key("x"), 1).text + cosign(note, KEY, 1_000).text
    async with scripted(KEY, says(200, text)) as served:
        line = await asked(served, session, history).cosignature(history.signed())
    assert line == cosign(note, KEY, 1_000)


async def test_a_witness_that_names_ever_new_sizes_is_given_up(session: aiohttp.ClientSession) -> None:
    history = History().grow(9)
    async with scripted(KEY, in_turn(*[has_size(number) for number in (4, 2, 7, 1, 3)])) as served:
        witness = asked(served, session, history)
        assert await witness.cosignature(history.signed()) is None
        assert served.old_sizes == [0, 4, 2]
        assert not witness.is_ready
