"""What an event is answered with over HTTP: where it is asked about, and its status. Knows no database."""

from proto.ids import EventId
from proto.problem import Problem
from proto.sentence import Sentence, sentence
from proto.wire.gateway import EventAnswer


class RefusedByLogProblem(Problem):
    """The log's rules refuse for good what the gateway had accepted; `log_problem` is the log's own document."""

    slug = "refused-by-log"
    title = "The log refused this"
    status = 422


def location_of(event_id: EventId) -> str:
    """Return where an institution asks how an event of its own stands."""
    return f"/v1/events/{event_id}"


def status_of(answer: EventAnswer) -> int:
    """Return the HTTP status for an event: 201 once it is on the log, 202 while it is on its way.

    Raises `RefusedByLogProblem` where the log refused it.
    """
    if answer.state == "refused":
        problem = answer.problem or {}
        raise RefusedByLogProblem(
            sentence("The log refused this: {refusal}", refusal=Sentence(str(problem.get("detail"))[:600])),
            pointer=problem.get("pointer"),
            members={"log_problem": problem, "event_id": answer.event_id},
        )
    return 202 if answer.state == "pending" else 201
