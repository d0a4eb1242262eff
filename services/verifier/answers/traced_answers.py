"""The answers about documents with a span for each. Used only where traces are on."""

from typing import Any

from services.tracing import Tracing
from services.verifier.answers.evaluator import StatusLists
from services.verifier.answers.questions import Evaluation, Moments
from services.verifier.answers.service import AnswerService
from services.verifier.documents.sent_document import SentDocument


class TracedAnswerService(AnswerService):
    """Answers as `AnswerService` does."""

    def __init__(self, tracing: Tracing, *arguments: Any, **parts: Any) -> None:
        super().__init__(*arguments, **parts)
        self._tracing = tracing

    async def evaluated_document(
        self, sent: SentDocument, moments: Moments, *, address: str = "", status_lists: StatusLists = ()
    ) -> Evaluation:
        """Return and raise as `AnswerService.evaluated_document`."""
        with self._tracing.span("check document") as found:
            evaluation = await super().evaluated_document(sent, moments, address=address, status_lists=status_lists)
            found["credentify.verdict"] = str(evaluation.judgement.verdict)
            return evaluation
