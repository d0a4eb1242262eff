"""Whatever one row of many breaks is that row's alone; what says nothing of the row (an outage) is everybody's."""

from proto.problem import Problem, UnavailableProblem
from services.edge import Log, problem_of_line
from services.persistence.postgres_errors import DATABASE_ERRORS, CommitUnknownError

_OF_ALL = (*DATABASE_ERRORS, CommitUnknownError, UnavailableProblem)


def problem_of_row(log: Log, line: int, error: Exception) -> Problem:
    """Return why a row is refused, by what was raised over it; raises that again where it says nothing of the row."""
    if isinstance(error, _OF_ALL):
        raise error
    return problem_of_line(log, error, number=line)
