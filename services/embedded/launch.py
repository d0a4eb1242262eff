"""What runs for a moment between us and PostgreSQL: drops root, ties the child's life to ours, becomes the program.

A script of its own, started as `python -I -S launch.py PARENT SIGNAL USER PROGRAM ARGUMENT...`, so that nothing but
the standard library runs in it and no Python runs in a fork of the service (which has threads). It imports nothing
of the project. USER is empty to stay who we are. Exit status 126: the account could not be taken on; 127: the
program could not be run; 125: the parent was gone already.
"""

import ctypes
import os
import pwd
import signal
import sys

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def become(user: str) -> None:
    """Give up root for good: no supplementary groups, then the group, then the user."""
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)


def die_with(parent: int, death_signal: int) -> None:
    """Have the kernel send `death_signal` when `parent` dies (Linux only); leave at once if it is dead already.

    Called after the account was changed, because that clears the setting (prctl(2), PR_SET_PDEATHSIG).
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(125)


def main(arguments: list[str]) -> None:
    """Do the three steps in the one order that works; never returns."""
    parent, death_signal, user, program = int(arguments[0]), int(arguments[1]), arguments[2], arguments[3]
    os.umask(0o077)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        if user:
            become(user)
    except (OSError, KeyError) as error:
        sys.stderr.write(f"cannot become {user}: {error}\n")
        sys.exit(126)
    die_with(parent, death_signal)
    try:
        os.execv(program, arguments[3:])  # noqa: S606 - the program is the absolute path that our parent chose
    except OSError as error:
        sys.stderr.write(f"cannot run {program}: {error}\n")
        sys.exit(127)


if __name__ == "__main__":
    main(sys.argv[1:])
