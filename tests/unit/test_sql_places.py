"""Which modules hold SQL statements: stores, and the few others that are named here with what they ask."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_STATEMENT = re.compile(
    r"\s*(SELECT\b|INSERT (INTO|OR)\b|UPDATE \w+\s+SET\b|DELETE FROM\b|WITH \w+ AS\b|TRUNCATE\b|LOCK TABLE\b|"
    r"CREATE (TABLE|INDEX|DATABASE|ROLE)\b|ALTER (TABLE|ROLE|DATABASE)\b|PRAGMA \w)"
)
_FIRST_WORD = re.compile(r"(SELECT|INSERT|UPDATE|DELETE|WITH|TRUNCATE|LOCK|CREATE|ALTER|PRAGMA)")
STORES = (
    "services/persistence/*.py",
    "services/ledger/store.py",
    "services/issuer_gateway/store/*.py",
    "services/issuer_gateway/keys/vault.py",
    "services/verifier/projection/*.py",
    "services/verifier/witness/memory.py",
)
CHECKS = ("services/ledger/fsck/*.py", "services/verifier/fsck.py")
"""They read what stores have written, by statements of their own: a store that is wrong must not vouch for itself."""
OTHERS = (
    "services/ledger/publishing/database_identity.py",  # asks the server who it is
    "services/ledger/publishing/freezing.py",  # the one row that ends a log
    "services/ledger/sequencing/partitions.py",  # calls the function that makes partitions
    "services/ledger/succession/inheritance.py",  # takes over the states of the log before
    "services/command/doctor_database.py",  # asks a server for its settings, its clock and the version of its tables
    "services/command/pg_tools.py",  # asks the server how the connection is secured
    "services/command/restore.py",  # asks whether a database is empty
)


@cache
def with_statements() -> frozenset[str]:
    """Return every module of the services that holds the text of a statement."""
    paths = sorted((ROOT / "services").rglob("*.py"))
    return frozenset(str(path.relative_to(ROOT)) for path in paths if _holds_one(path.read_text()))


def _holds_one(code: str) -> bool:
    if not _FIRST_WORD.search(code):  # most modules, which need not be parsed
        return False
    constants = (node.value for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Constant))
    return any(isinstance(value, str) and _STATEMENT.match(value) for value in constants)


def test_sql_stands_in_stores_and_in_the_few_modules_that_are_named_here() -> None:
    known = {str(path.relative_to(ROOT)) for each in (*STORES, *CHECKS, *OTHERS) for path in ROOT.glob(each)}
    assert with_statements() - known == set()


def test_every_module_that_is_named_here_still_holds_a_statement() -> None:
    assert set(OTHERS) - with_statements() == set()
