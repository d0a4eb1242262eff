"""`credentify remove`: takes an installation of `credentify up` away, its database elsewhere too. Asks before.

Removed is what `up` made, by its names; what somebody else put into the folder stays, and the folder with it. The
settings go last, so that what was interrupted is still known as an installation and can be removed again.
"""

import shutil
from pathlib import Path

import click
import msgspec

from proto.problem import InvalidProblem
from services.command.home import LOCK, SETTINGS, Home
from services.command.output import as_json_option, command, console, print_json
from services.embedded import Leavings, find_leavings, remove_leavings

OURS = (
    *("demo", "learner-keys", "ledger", "logs", "registrar", "addresses.json", "operator-token", "master.key"),
    *("registrar.pin", SETTINGS, LOCK),
)
"""What `up` makes in its folder beside `postgres` and the verifier's files, in the order in which it is removed."""


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What is gone, and what of others stayed in the folder."""

    removed: tuple[str, ...]
    left: tuple[str, ...]


def what_is_there(home: Home) -> tuple[tuple[Path, ...], Leavings]:
    """Return the files of an installation, and what there is of its database; raises `InvalidProblem` if it is none."""
    database = find_leavings(home.path("postgres"))
    is_ours = home.settings() is not None
    if not is_ours and (database.folder is not None or not database.elsewhere):
        raise InvalidProblem(f"{home.folder} is no data folder of `credentify up`: nothing was removed")
    names = [*sorted(each.name for each in home.folder.glob("verifier.sqlite*")), *OURS] if is_ours else []
    return tuple(home.path(name) for name in names if home.path(name).exists()), database


def take_away(home: Home, files: tuple[Path, ...], database: Leavings) -> tuple[Path, ...]:
    """Remove an installation that is held: (1) its database, (2) its files, (3) the folder; return what stays.

    Raises `InvalidProblem`, or a fault of the database's folder where a server works in it, with nothing removed then.
    """
    try:
        remove_leavings(database)  # (1)
        for each in files:  # (2)
            shutil.rmtree(each) if each.is_dir() and not each.is_symlink() else each.unlink()
        left = tuple(sorted(home.folder.iterdir())) if home.folder.is_dir() else ()
        if files and not left:
            home.folder.rmdir()  # (3)
    except OSError as error:
        raise InvalidProblem(f"{home.folder} cannot be removed whole: {error}. Do it again as its owner") from error
    return left if files else ()


@click.command()
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), required=True, help="Data folder of `up`.")
@click.option("--yes", is_flag=True, help="Do not ask: what was issued there is gone for good.")
@as_json_option
@command
async def remove(*, data: Path, yes: bool, as_json: bool) -> None:
    """Take away what `up` made in a data folder, and its database where that lies elsewhere; stop `up` before."""
    home = Home(data)
    files, database = what_is_there(home)
    gone = (*database.elsewhere, *([database.folder] if database.folder else []), *files)
    try:
        if files:
            home.open()
        if not yes:
            for each in gone:
                click.echo(f"  {each}", err=True)
            click.confirm("The log, its key and all documents and keys in there go for good. Remove them?", abort=True)
        left = take_away(home, files, database)
    finally:
        home.close()
    if as_json:
        print_json(Removed(removed=tuple(map(str, gone)), left=tuple(map(str, left))))
        return
    for each in (*([] if left or not files else [home.folder]), *database.elsewhere):
        console.print(f"removed {each}")
    for path in left:
        console.print(f"left    {path}   (not made by `up`)")
