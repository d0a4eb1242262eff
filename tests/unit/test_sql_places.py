"""Which modules hold SQL statements: stores, and the few others that are named here with what they ask."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_STATEMENT = re.compile(
    r"\s*(SELECT\b|INSERT (INTO|OR)\b|UPDATE \w+\s+SET\b|DELETE FROM\b|WITH \w+ AS\b|TRUNCATE\b|LOCK TABLE\b|"
    r"CREATE (TABLE|INDEX|DATABASE|ROLE)\b|ALTER (TABLE|ROLE|DATABASE)\b|PRAGMA \w)"
)
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


def with_statements() -> Iterator[str]:
    """Yield every module of the services that holds the text of a statement."""
    for path in sorted((ROOT / "services").rglob("*.py")):
        texts = [node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)]
        if any(isinstance(text, str) and _STATEMENT.match(text) for text in texts):
            yield str(path.relative_to(ROOT))


def test_sql_stands_in_stores_and_in_the_few_modules_that_are_named_here() -> None:
    known = {str(path.relative_to(ROOT)) for each in (*STORES, *CHECKS, *OTHERS) for path in ROOT.glob(each)}
    assert set(with_statements()) - known == set()


def test_every_module_that_is_named_here_still_holds_a_statement() -> None:
    assert set(OTHERS) - set(with_statements()) == set()
