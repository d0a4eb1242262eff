"""The bundled PostgreSQL under our own supervision; knows processes and folders, and no table.

After a crash of ours the kernel ends PostgreSQL with us (`launch`); the next start waits until it is gone, takes what
is stale out of the way and lets PostgreSQL recover. What was committed is there.
"""

from services.embedded.account import AccountFault, let_through
from services.embedded.binaries import BinariesMissingFault, find_binaries
from services.embedded.data_folder import AlreadyRunningFault, DataFolderFault, OtherMajorFault
from services.embedded.removal import Leavings, find_leavings, remove_leavings
from services.embedded.server import EmbeddedPostgres, PostgresStartFault

__all__ = [
    "AccountFault",
    "AlreadyRunningFault",
    "BinariesMissingFault",
    "DataFolderFault",
    "EmbeddedPostgres",
    "Leavings",
    "OtherMajorFault",
    "PostgresStartFault",
    "find_binaries",
    "find_leavings",
    "let_through",
    "remove_leavings",
]
