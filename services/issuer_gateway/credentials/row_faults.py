"""Whatever one row of many breaks is that row's alone; what says nothing of the row (an outage) is everybody's."""

from proto.problem import Problem, UnavailableProblem
from services.edge import Log, line_fault
from services.persistence.postgres_errors import DATABASE_ERRORS, CommitUnknownError

_OURS = 500
_OF_ALL = (*DATABASE_ERRORS, CommitUnknownError, UnavailableProblem)


def problem_of_row(log: Log, line: int, error: Exception) -> Problem:
    """Return why a row is refused, by what was raised over it; raises that again where it says nothing of the row.

    A refusal is told in its own words; of a fault of ours only that it was one, and the log says where.
    """
    if isinstance(error, Problem) and error.status < _OURS:
        return error
    if isinstance(error, _OF_ALL):
        raise error
    return line_fault(log, error, number=line)
