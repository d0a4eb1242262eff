"""What one row of many breaks is that row's; what says nothing of the row is everybody's."""

import io

import asyncpg
import pytest

from proto.problem import BusyProblem, ConflictProblem, InvalidProblem, MalformedProblem, Problem
from services.edge import Log
from services.issuer_gateway.credentials.row_faults import problem_of_row
from services.issuer_gateway.keys.keystore import UnsealableProblem
from services.issuer_gateway.keys.vault import KeyFolderUnavailableProblem
from services.persistence.postgres_errors import CommitUnknownError, DatabaseUnavailableProblem


@pytest.mark.parametrize("refusal", [InvalidProblem("one"), MalformedProblem("two"), ConflictProblem("three")])
def test_a_refusal_is_told_in_its_own_words(refusal: Problem) -> None:
    assert problem_of_row(Log("gateway", io.BytesIO()), 7, refusal) is refusal


@pytest.mark.parametrize(
    "outage",
    [
        BusyProblem("one"),
        KeyFolderUnavailableProblem("two"),
        CommitUnknownError("three"),
        asyncpg.LockNotAvailableError("four"),
        asyncpg.ConnectionDoesNotExistError("connection was closed"),
        DatabaseUnavailableProblem("The database is away"),
        TimeoutError(),
        OSError("five"),
    ],
)
def test_an_outage_is_everybodys(outage: Exception) -> None:
    with pytest.raises(type(outage)):
        problem_of_row(Log("gateway", io.BytesIO()), 7, outage)


@pytest.mark.parametrize("fault", [RecursionError("Zoë"), KeyError("Zoë"), UnsealableProblem("Zoë")])
def test_of_a_fault_of_ours_only_the_row_is_told_that_it_was_one(fault: Exception) -> None:
    written = io.BytesIO()
    problem = problem_of_row(Log("gateway", written), 7, fault)
    assert problem.status == 500
    assert "Zoë" not in problem.detail
    assert "Zoë" not in written.getvalue().decode()
    assert written.getvalue().count(b"\n") == 1, "the operator is told of a fault of ours"
