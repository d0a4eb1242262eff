"""The bundled PostgreSQL under our own supervision; knows processes and folders, and no table."""

from services.embedded.account import AccountFault
from services.embedded.binaries import BinariesMissingFault, find_binaries
from services.embedded.data_folder import AlreadyRunningFault, DataFolderFault, OtherMajorFault
from services.embedded.server import EmbeddedPostgres, PostgresStartFault

__all__ = [
    "AccountFault",
    "AlreadyRunningFault",
    "BinariesMissingFault",
    "DataFolderFault",
    "EmbeddedPostgres",
    "OtherMajorFault",
    "PostgresStartFault",
    "find_binaries",
]
