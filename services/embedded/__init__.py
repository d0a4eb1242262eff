"""The bundled PostgreSQL under our own supervision; knows processes and folders, and no table."""

from services.embedded.account import AccountProblem
from services.embedded.binaries import BinariesMissingProblem, find_binaries
from services.embedded.data_folder import AlreadyRunningProblem, DataFolderProblem, OtherMajorProblem
from services.embedded.server import EmbeddedPostgres, PostgresStartProblem

__all__ = [
    "AccountProblem",
    "AlreadyRunningProblem",
    "BinariesMissingProblem",
    "DataFolderProblem",
    "EmbeddedPostgres",
    "OtherMajorProblem",
    "PostgresStartProblem",
    "find_binaries",
]
