"""Many documents in one request: NDJSON in, NDJSON out, one answer line for each line, as soon as it is checked."""

import msgspec
from aiohttp import web

from proto.canonical import DOCUMENT_BYTES_MAX
from proto.one_of_many import OneOfMany
from proto.problem import MalformedProblem
from services.edge import LOG, Line, LineWriter, annotate, problem_line, problem_of_line, read_lines
from services.edge.any_origin import ANY_ORIGIN
from services.edge.body import LINE_MEDIA_TYPES, Turns
from services.edge.problems import TooManyLinesProblem
from services.verifier.answers.cached_answers import CachedAnswers
from services.verifier.answers.questions import Moments
from services.verifier.config import Config
from services.verifier.documents.sent_document import SentDocument
from services.verifier.http.app_keys import address_of, charge_documents
from services.verifier.languages import Language
from services.verifier.limits.api_keys import QuotaProblem
from services.verifier.projection.troubles import ProjectionProblem

_ENCODE = msgspec.json.Encoder().encode
_LINES_PER_TURN = 16  # then others get a turn on the event loop

__all__ = ["LINE_MEDIA_TYPES", "verify_lines"]


async def verify_lines(
    request: web.Request, config: Config, cached_answers: CachedAnswers, moments: Moments, language: Language
) -> web.StreamResponse:
    """Answer each line; a bad one has its problem in its place and sinks no other.

    What ends the request before its last line (too many lines, a quota that is used up, a body that breaks off, records
    that are damaged) is answered as a problem if nothing was sent yet, and as a last line with `line` 0 otherwise.
    """
    counts: dict[str, int] = {}
    turns = Turns(lines_each=_LINES_PER_TURN)
    async with LineWriter(request, headers=ANY_ORIGIN) as lines:
        try:
            async for line in read_lines(request, line_bytes_max=DOCUMENT_BYTES_MAX, line_count_max=config.lines_max):
                charge_documents(request)
                found, answer = await _answered(request, line, cached_answers, moments, language)
                counts[found] = counts.get(found, 0) + 1
                await lines.write(answer)
                await turns.worked(len(line.content or b""))
        except (ProjectionProblem, QuotaProblem, TooManyLinesProblem) as problem:
            if not lines.response.prepared:
                raise
            await lines.write(problem_line(0, problem))
        annotate(request, documents=sum(counts.values()), **counts)
    return lines.response


async def _answered(
    request: web.Request, line: Line, cached_answers: CachedAnswers, moments: Moments, language: Language
) -> tuple[str, bytes]:
    """Return the verdict (or `unreadable`) and the answer line."""
    with OneOfMany(ProjectionProblem) as this:
        found = await cached_answers.document(_sent(line), moments, language, address=address_of(request))
    if this.broken is not None:
        problem = problem_of_line(request.app[LOG], this.broken, number=line.number)
        return "unreadable" if problem is this.broken else "broken", _ENCODE(problem_line(line.number, problem))
    return found.verdict, b'{"line":%d,"status":200,"answer":%b}' % (line.number, found.body)


def _sent(line: Line) -> SentDocument:
    if line.content is None:
        raise MalformedProblem(f"A document has at most {DOCUMENT_BYTES_MAX} bytes")
    return SentDocument(line.content)
