"""A verifier as a witness over real HTTP: every status of the protocol, its memory, and what no race can do."""

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from proto.base64_strict import encode_base64
from proto.ids import Origin, TreeSize
from proto.keys import SecretKey
from proto.log.checkpoint import Checkpoint, open_checkpoint, with_cosignatures
from proto.log.merkle import Hash, leaf_hash
from proto.log.note import Note, sign_note
from proto.log.note_key import KeyKind, SignerKey
from proto.log.witness import AddCheckpoint, origin_hash
from services.command.keygen import keygen
from services.edge import Log, listening
from services.settings import SettingsFault
from services.verifier.app import make_app
from services.verifier.config import Config
from services.verifier.witness.memory import WitnessMemory, WitnessMemoryProblem
from services.verifier.witness.witness import cosigned_logs, load_witness_key
from tests.support.statements import secret_key
from tests.support.witnesses import LOG, ORIGIN, History, Served, running_witness

OTHER_LOG = SignerKey(name="other.example/log", secret=secret_key("log", "other"))


class Asker:
    """Sends requests to one witness."""

    def __init__(self, served: Served, session: aiohttp.ClientSession) -> None:
        self.served, self.session = served, session

    async def send(self, request: AddCheckpoint | bytes, **headers: str) -> tuple[int, bytes, str]:
        """Return status, body and media type of the answer."""
        body = request if isinstance(request, bytes) else request.encode()
        url = f"{self.served.url}/add-checkpoint"
        async with self.session.post(url, data=io.BytesIO(body), headers=headers) as response:
            return response.status, await response.read(), response.headers["Content-Type"]

    async def status(self, request: AddCheckpoint | bytes) -> int:
        return (await self.send(request))[0]

    async def cosigned(self, request: AddCheckpoint) -> int:
        """Send what must be cosigned; return the time of the cosignature, which verifies."""
        status, body, _ = await self.send(request)
        assert status == 200, body
        note = with_cosignatures(request.note, body.decode(), self.served.key.verifier)
        return open_checkpoint(note.encode(), LOG.verifier, (self.served.key.verifier,)).cosigned_at[
            self.served.key.verifier
        ]

    async def last(self, origin: str = ORIGIN) -> tuple[int, bytes]:
        """Return status and body of the monitoring endpoint."""
        url = f"{self.served.url}/{origin_hash(Origin(origin)).hex()}/checkpoint"
        async with self.session.get(url) as response:
            return response.status, await response.read()


@pytest.fixture
async def witness(tmp_path: Path) -> AsyncIterator[Asker]:
    async with running_witness("w", tmp_path) as served, aiohttp.ClientSession() as session:
        yield Asker(served, session)


@pytest.fixture
def history() -> History:
    return History().grow(300)


async def test_a_growing_log_is_cosigned_step_by_step(witness: Asker, history: History) -> None:
    for old, new in ((0, 1), (1, 2), (2, 3), (3, 3), (3, 256), (256, 257), (257, 300)):
        assert await witness.cosigned(history.request(old, new)) > 1_700_000_000
    status, note = await witness.last()
    assert status == 200
    opened = open_checkpoint(note, LOG.verifier, (witness.served.key.verifier,))
    assert opened.checkpoint == history.signed().checkpoint
    assert len(opened.cosigned_at) == 1


async def test_any_media_type_is_taken_or_none(witness: Asker, history: History) -> None:
    for media_type in ("text/plain", "application/x-www-form-urlencoded", "application/octet-stream"):
        status, _, kind = await witness.send(
            history.request(0 if media_type == "text/plain" else 5, 5), **{"Content-Type": media_type}
        )
        assert (status, kind) == (200, "text/plain; charset=utf-8")
    skipped = {"skip_auto_headers": ["Content-Type"]}
    url = f"{witness.served.url}/add-checkpoint"
    data = io.BytesIO(history.request(5, 5).encode())
    async with witness.session.post(url, data=data, **skipped) as response:  # type: ignore[arg-type] # one known option
        assert response.status == 200


async def test_another_old_size_is_answered_with_the_right_one(witness: Asker, history: History) -> None:
    assert await witness.send(history.request(1, 5)) == (409, b"0\n", "text/x.tlog.size")
    await witness.cosigned(history.request(0, 5))
    for old, new in ((0, 5), (0, 7), (4, 7), (6, 7), (4, 5), (2, 3)):
        assert await witness.send(history.request(old, new)) == (409, b"5\n", "text/x.tlog.size")


async def test_a_tree_that_does_not_continue_what_was_cosigned_is_refused(witness: Asker, history: History) -> None:
    await witness.cosigned(history.request(0, 5))
    other = history.fork(4, 296, "another")
    for request in (other.request(5, 5), other.request(5, 8), other.request(5, 300)):
        assert await witness.status(request) == 422
    before = await witness.last()
    proof = history.request(5, 8).proof
    for wrong in (proof[:-1], (*proof, proof[0]), proof[::-1], ()):
        request = msgspec.structs.replace(history.request(5, 8), proof=wrong)
        assert await witness.status(request) == 422
    assert await witness.status(msgspec.structs.replace(history.request(5, 5), proof=proof)) == 422
    assert await witness.last() == before
    await witness.cosigned(history.request(5, 8))


async def test_a_proof_from_nothing_is_refused(witness: Asker, history: History) -> None:
    request = msgspec.structs.replace(history.request(0, 5), proof=(Hash(bytes(32)),))
    assert await witness.status(request) == 422
    assert (await witness.last())[0] == 404


async def test_the_empty_tree_is_cosigned_and_none_with_another_root(witness: Asker, history: History) -> None:
    await witness.cosigned(History().request(0, 0))
    text = Checkpoint(origin=ORIGIN, size=TreeSize(0), root_hash=leaf_hash(b"")).text
    body = b"old 0\n\n" + sign_note(text, [LOG]).encode()
    assert await witness.status(body) == 422
    await witness.cosigned(history.request(0, 5))


async def test_what_no_trusted_key_signed_is_refused(witness: Asker, history: History) -> None:
    assert await witness.status(history.request(0, 5, key=OTHER_LOG)) == 404
    impostor = SignerKey(name=LOG.name, secret=SecretKey(bytes([7]) * 32))
    assert await witness.status(history.request(0, 5, key=impostor)) == 403
    line = history.signed(4).note.signatures[0]  # by the log, of another text
    forged = Note(text=history.signed(5).note.text, signatures=(line,))
    assert await witness.status(AddCheckpoint(old_size=TreeSize(0), proof=(), note=forged)) == 403
    assert (await witness.last())[0] == 404


async def test_unknown_signatures_are_ignored_and_not_kept(witness: Asker, history: History) -> None:
    request = history.request(0, 5)
    impostor = SignerKey(name="impostor.example", secret=SecretKey(bytes([7]) * 32))
    lines = sign_note(request.note.text, [impostor]).signatures
    note = Note(text=request.note.text, signatures=(*lines, *request.note.signatures))
    await witness.cosigned(msgspec.structs.replace(request, note=note))
    assert b"impostor" not in (await witness.last())[1]


@pytest.mark.parametrize(
    "mangle",
    [
        lambda _: b"",
        lambda _: b"\n",
        lambda body: body[:-1],
        lambda body: body + b"\n",
        lambda body: body.replace(b"old 0", b"old 00"),
        lambda body: body.replace(b"old 0", b"old -1"),
        lambda body: body.replace(b"old 0", b"old 6"),
        lambda body: body.replace(b"old 0\n", b"old 0\r\n"),
        lambda body: body.replace(b"old 0", b"new 0"),
        lambda body: body.replace(b"old 0\n\n", b"old 0\nnot base64\n\n"),
        lambda body: body.replace(b"old 0\n\n", b"old 0\n" + (encode_base64(bytes(31)) + "\n").encode() + b"\n"),
        lambda body: body.replace(b"old 0\n\n", b"old 0\n" + (encode_base64(bytes(32)) + "\n").encode() * 64 + b"\n"),
        lambda body: body.replace(b"\xe2\x80\x94", b"-"),
        lambda body: body.replace(b"log.example", b"log.\xffxample"),
    ],
)
async def test_malformed_requests_are_told_so(witness: Asker, history: History, mangle: Any) -> None:
    assert await witness.status(mangle(history.request(0, 5).encode())) == 400


async def test_large_requests_are_not_read(witness: Asker, history: History) -> None:
    assert await witness.status(history.request(0, 5).encode() + b"\n" * 16_384) == 413


async def test_of_many_requests_at_once_exactly_one_history_is_cosigned(witness: Asker, history: History) -> None:
    await witness.cosigned(history.request(0, 10))
    others = [history.fork(10, 20, f"history {number}") for number in range(6)]
    statuses = await asyncio.gather(*(witness.status(other.request(10)) for other in others for _ in range(3)))
    assert statuses.count(200) == 1
    assert statuses.count(409) == len(statuses) - 1
    _, note = await witness.last()
    roots = [other.root_hash() for other in others]
    assert open_checkpoint(note, LOG.verifier).checkpoint.root_hash in roots


async def test_requests_for_two_sizes_never_roll_the_witness_back(witness: Asker, history: History) -> None:
    await witness.cosigned(history.request(0, 10))
    for base in range(10, 250, 20):
        pair = (history.request(base, base + 10), history.request(base, base + 20))
        statuses = await asyncio.gather(*map(witness.status, pair))
        assert sorted(statuses) == [200, 409]
        size = open_checkpoint((await witness.last())[1], LOG.verifier).checkpoint.size
        assert size == base + (10 if statuses[0] == 200 else 20)
        if size == base + 10:
            await witness.cosigned(history.request(base + 10, base + 20))


async def test_what_was_cosigned_outlives_the_process(tmp_path: Path, history: History) -> None:
    async with aiohttp.ClientSession() as session:
        async with running_witness("w", tmp_path) as served:
            await Asker(served, session).cosigned(history.request(0, 5))
            shown = await Asker(served, session).last()
        async with running_witness("w", tmp_path) as served:
            asker = Asker(served, session)
            assert await asker.last() == shown
            other = history.fork(3, 20, "another")
            assert await asker.send(other.request(0)) == (409, b"5\n", "text/x.tlog.size")
            assert await asker.status(other.request(5)) == 422
            await asker.cosigned(history.request(5, 9))


async def test_two_processes_on_one_memory_never_cosign_two_histories(tmp_path: Path, history: History) -> None:
    async with (
        aiohttp.ClientSession() as session,
        running_witness("w", tmp_path) as one,
        running_witness("w", tmp_path) as two,
    ):
        askers = [Asker(one, session), Asker(two, session)]
        await askers[0].cosigned(history.request(0, 5))
        histories = [history.fork(5, 3, f"of {number}") for number in range(8)]
        statuses = await asyncio.gather(
            *(askers[number % 2].status(other.request(5)) for number, other in enumerate(histories))
        )
        assert statuses.count(200) == 1
        assert await askers[0].last() == await askers[1].last()


async def test_each_log_is_remembered_by_itself(tmp_path: Path, history: History) -> None:
    async with (
        running_witness("w", tmp_path, LOG.verifier, OTHER_LOG.verifier) as served,
        aiohttp.ClientSession() as session,
    ):
        asker = Asker(served, session)
        await asker.cosigned(history.request(0, 5))
        assert await asker.status(history.request(0, 9, key=OTHER_LOG)) == 200
        sizes = [
            open_checkpoint((await asker.last(key.name))[1], key.verifier).checkpoint.size for key in (LOG, OTHER_LOG)
        ]
        assert sizes == [5, 9]
        assert (await asker.last("nobody.example"))[0] == 404


def test_a_memory_that_is_none_is_not_begun_anew(tmp_path: Path) -> None:
    file = tmp_path / "w.sqlite"
    file.write_bytes(b"not a database at all" * 100)
    with pytest.raises(WitnessMemoryProblem, match="Do not begin a new one under the same key"):
        WitnessMemory(file)
    assert file.read_bytes().startswith(b"not a database")


def config(tmp_path: Path, **settings: Any) -> Config:
    return Config(
        ledger_url="http://127.0.0.1:9",
        log_verifier_key=LOG.verifier.text,
        database_file=tmp_path / "projection.sqlite",
        **settings,
    )


async def test_a_verifier_with_a_key_of_keygen_is_a_witness_though_its_log_is_away(
    tmp_path: Path, history: History
) -> None:
    file = tmp_path / "witness.key"
    await asyncio.to_thread(keygen.main, ["--witness", "w.example", "--out", str(file)], standalone_mode=False)
    logs = tmp_path / "logs"
    logs.write_text(f"# more\nlog {OTHER_LOG.verifier.text} https://other.example/log\n")
    settings = config(
        tmp_path, witness_key_file=file, witness_memory_file=tmp_path / "w.sqlite", witness_logs_file=logs
    )
    lines = io.BytesIO()
    app = make_app(settings, log=Log("verifier", lines), end_process=lambda _: None)
    async with listening(app, host="127.0.0.1", port=0) as address, aiohttp.ClientSession() as session:
        served = Served(load_witness_key(file))
        served.url = address.url
        await Asker(served, session).cosigned(history.request(0, 5))
        assert await Asker(served, session).status(history.request(0, 5, key=OTHER_LOG)) == 200
        other = history.fork(4, 1, "another").request(0, 5)
        assert b"log_forked" not in lines.getvalue()
        assert await Asker(served, session).status(other) == 409
        async with session.get(f"{address.url}/metrics") as response:
            assert "credentify_verifier_witness_forks_total 1.0" in await response.text()
    evidence = next(line for line in map(msgspec.json.decode, lines.getvalue().splitlines()) if "shown" in line)
    shown, cosigned = (open_checkpoint(evidence[name].encode(), LOG.verifier) for name in ("shown", "cosigned"))
    assert shown.checkpoint.size == cosigned.checkpoint.size
    assert shown.checkpoint.root_hash != cosigned.checkpoint.root_hash
    assert served.key.verifier.text.encode() in lines.getvalue()
    assert served.key.private_text.encode() not in lines.getvalue()


async def test_a_verifier_without_a_key_says_that_it_is_no_witness(tmp_path: Path, history: History) -> None:
    app = make_app(config(tmp_path), log=Log("verifier", io.BytesIO()), end_process=lambda _: None)
    async with listening(app, host="127.0.0.1", port=0) as address, aiohttp.ClientSession() as session:
        served = Served(LOG)
        served.url = address.url
        status, body, _ = await Asker(served, session).send(history.request(0, 5))
        assert (status, msgspec.json.decode(body)["type"]) == (404, "urn:credentify:problem:no-witness")
        assert (await Asker(served, session).last())[0] == 404


def test_a_witness_key_is_of_its_own_kind_and_has_a_memory(tmp_path: Path) -> None:
    file = tmp_path / "log.key"
    file.write_text(LOG.private_text)
    file.chmod(0o600)
    with pytest.raises(SettingsFault, match="another kind"):
        load_witness_key(file)
    file.write_text("PRIVATE+KEY+nonsense")
    with pytest.raises(SettingsFault, match="keygen --witness"):
        load_witness_key(file)
    file.write_text(SignerKey(name="w", kind=KeyKind.COSIGNATURE, secret=secret_key("w")).private_text)
    app = make_app(config(tmp_path, witness_key_file=file), log=Log("verifier", io.BytesIO()))

    async def start() -> None:
        async with listening(app, host="127.0.0.1", port=0):
            pass

    with pytest.raises(SettingsFault, match="WITNESS_MEMORY_FILE"):
        asyncio.run(start())


def test_a_file_of_logs_may_be_a_whole_policy(tmp_path: Path) -> None:
    file = tmp_path / "policy"
    for text in (
        f"log {LOG.verifier.text}\nlog {OTHER_LOG.verifier.text}\nquorum none\n",
        f"log {OTHER_LOG.verifier.text}",
    ):
        file.write_text(text)
        assert cosigned_logs(config(tmp_path, witness_logs_file=file)) == (LOG.verifier, OTHER_LOG.verifier)
    file.write_text("log nonsense")
    with pytest.raises(SettingsFault, match="Line 1"):
        cosigned_logs(config(tmp_path, witness_logs_file=file))
