"""Who PostgreSQL runs as, what that account can reach, and how a folder of ours lets it through."""

import os
import pwd
import stat
from pathlib import Path

import msgspec

from services.operator_fault import OperatorFault


class AccountFault(OperatorFault):
    """PostgreSQL refuses to run as root, and the account to run it as instead does not do."""

    title = "The bundled PostgreSQL has no account to run as"


class Account(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The account of the server's processes; `drops_to` is its name if we are root, and empty if it is our own."""

    uid: int
    gid: int
    drops_to: str


def choose_account(user: str) -> Account:
    """Return our own account, or that of `user` if we are root; raises AccountFault if there is no such user."""
    if os.geteuid() != 0:
        return Account(uid=os.geteuid(), gid=os.getegid(), drops_to="")
    try:
        entry = pwd.getpwnam(user)
    except KeyError as error:
        raise AccountFault(
            f"This runs as root, PostgreSQL does not, and there is no user {user!r} to run it as. "
            f"Start as an ordinary user, or create {user!r}."
        ) from error
    if entry.pw_uid == 0:
        raise AccountFault(f"PostgreSQL does not run as root, and {user!r} is root. Choose another user.")
    return Account(uid=entry.pw_uid, gid=entry.pw_gid, drops_to=user)


def may(account: Account, path: Path, bits: int) -> bool:
    """Say whether `account` has all of `bits` (4 read, 2 write, 1 search or run) on the existing `path`."""
    found = path.stat()
    shift = 6 if found.st_uid == account.uid else 3 if found.st_gid == account.gid else 0
    return (stat.S_IMODE(found.st_mode) >> shift) & bits == bits


def can_reach(account: Account, folder: Path) -> bool:
    """Say whether `account` may pass through each existing ancestor of the resolved `folder`, and the folder itself.

    Our own account always may: what it cannot reach, we cannot either.
    """
    if not account.drops_to:
        return True
    return all(may(account, each, 1) for each in (folder, *folder.parents) if each.exists())


def give(account: Account, path: Path) -> None:
    """Make `account` the owner of `path` if we are root; otherwise it already is."""
    if account.drops_to:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def let_through(folder: Path, *, user: str = "nobody") -> None:
    """As root: let the server's account pass through `folder`, which is ours and empty, if it can come to it at all.

    Nobody else may list the folder, and whatever is put into it is private by a mode of its own.
    """
    account = choose_account(user)
    if not can_reach(account, folder) and can_reach(account, folder.parent):
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o011)
