"""What the projection tells whoever keeps something made of its records: each change, and when nothing is known."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import aiohttp
import pytest
from msgspec.structs import replace

from proto.ids import CredentialId
from proto.lifecycle import Book
from proto.log.merkle import Hash
from services.clients.log_client import LogClient
from services.follow import Applied, Follower, Position
from services.verifier.projection.store import Store
from services.verifier.projection.troubles import DamagedProjectionProblem
from tests.support.served_logs import served
from tests.support.worlds import World, lately


class Listener:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.changed: set[CredentialId] = set()

    def on_applied(self, book: Book, position: Position) -> None:
        self.heard.append(f"applied {position.size}")
        self.changed |= set(book.changed_credentials)

    def on_replaced(self, position: Position | None) -> None:
        self.heard.append(f"replaced {position.size if position else None}")


class Writer(Store):
    """A store that can be told which root it is given next, so that what it is given does not fit."""

    root_of_the_next: Hash | None = None

    async def apply(self, book: Book, applied: Sequence[Applied], position: Position) -> None:
        if self.root_of_the_next is not None:
            position = replace(position, root_hash=self.root_of_the_next)
        await super().apply(book, applied, position)


class Scene:
    """A served world, a store that tells a listener, and a follower between them."""

    def __init__(self, world: World, url: str, session: aiohttp.ClientSession, path: Path) -> None:
        self.world, self.listener = world, Listener()
        self.store = Writer(path, listener=self.listener)
        self.follower = Follower(
            LogClient(session, url, timeout_seconds=5),
            self.store,
            verifier_key=world.log_key.verifier.text,
            clock=lambda: world.now,
        )

    def heard(self) -> list[str]:
        found, self.listener.heard = self.listener.heard, []
        return found


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    world = World(start=lately())
    world.issued(world.admit("school"), "a")
    async with served(world) as log, aiohttp.ClientSession() as session:
        scene = Scene(world, log.url, session, tmp_path / "projection.sqlite")
        yield scene
        scene.store.close()


async def test_each_change_of_the_records_is_told_once_with_what_changed(scene: Scene) -> None:
    await scene.follower.step()
    size = scene.world.size
    assert scene.heard()[0] == "replaced None"  # until the file was read, it could hold anything
    name = scene.world.issued(scene.world.party("school"), "b")
    await scene.follower.step()
    assert set(scene.heard()) == {f"applied {size + 1}"}
    assert scene.listener.changed == {name}


async def test_what_was_not_written_makes_everything_unknown(scene: Scene) -> None:
    scene.world.issued(scene.world.party("school"), "b")
    await scene.follower.step()
    scene.heard()
    scene.store.root_of_the_next = Hash(bytes(32))
    scene.world.issued(scene.world.party("school"), "c")
    with pytest.raises(DamagedProjectionProblem):
        await scene.follower.step()
    assert scene.heard() == ["replaced None"]


async def test_a_log_that_continues_another_is_told_as_another(scene: Scene) -> None:
    await scene.follower.step()
    scene.heard()
    await scene.store.hand_over(Position())
    assert scene.heard() == ["replaced None", "replaced 0"]
