"""A process that canonicalises strangers' JSON-LD for its parent, from its standard input to its output. Asks nobody.

It has little memory, no files, and for each request little time, so that a graph on which it would work for ever ends
it and nothing else: the kernel does that even while the library holds the interpreter. It ends when its input does.
"""

import resource
import signal
from collections.abc import Sequence

import msgspec

from proto.documents.open_badge_context import contexts
from proto.one_of_many import OneOfMany
from proto.problem import InvalidProblem
from services.crypto.messages import answer_parent
from services.crypto.rdf_canonical import form_of
from services.process_limits import CpuAllowance, take_away

MEMORY_BYTES = 268_435_456
CPU_SECONDS = 2
TIRED_BYTES = 134_217_728
"""A process that once needed so much is replaced: what it took it would keep."""
_NODES = msgspec.msgpack.Decoder(list[bytes])
_TOO_DEEP = "The document's JSON-LD cannot be read here"


class SentProblem(msgspec.Struct, frozen=True, array_like=True):
    """A problem, as it is sent."""

    slug: str
    detail: str
    pointer: str | None
    undefined: tuple[str, ...] = ()


class FormAnswer(msgspec.Struct, frozen=True, array_like=True):
    """What became of one document: its form's digest and gap, or (no digest) why it has none."""

    digest: bytes | None = None
    problem: SentProblem | None = None


class FormAnswers(msgspec.Struct, frozen=True, array_like=True):
    """The answers of one request, in order; `is_last` where the process then ends."""

    found: tuple[FormAnswer, ...]
    is_last: bool = False


def answers(nodes: Sequence[bytes]) -> tuple[FormAnswer, ...]:
    """Return the form of each JSON document; never raises for what a stranger wrote, except `MemoryError`."""
    return tuple(_answered(node) for node in nodes)


def _answered(node: bytes) -> FormAnswer:
    with OneOfMany(MemoryError) as this:
        form = form_of(msgspec.json.decode(node))
    if isinstance(this.broken, InvalidProblem):
        return FormAnswer(problem=_said(this.broken))
    if this.broken is not None:
        words = f"{_TOO_DEEP} ({type(this.broken).__name__})"
        return FormAnswer(problem=SentProblem("unsupported-json-ld", words, None))
    return FormAnswer(digest=form.digest, problem=_said(form.gap) if form.gap else None)


def _said(problem: InvalidProblem) -> SentProblem:
    return SentProblem(problem.slug, problem.detail, problem.pointer, tuple(problem.members.get("undefined", ())))


def main() -> None:
    """Warm up, say that we are there, then answer each list of documents with what became of each."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # while it warms up, too
    take_away(memory_bytes=MEMORY_BYTES)
    allowance = CpuAllowance(CPU_SECONDS)
    answers([msgspec.json.encode({"@context": contexts(), "id": "urn:warm:up", "type": "VerifiableCredential"})])

    def answer(data: bytes) -> FormAnswers:
        allowance.renew()
        found = answers(_NODES.decode(data))
        return FormAnswers(found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > TIRED_BYTES)

    answer_parent(FormAnswers(()), answer)


if __name__ == "__main__":
    main()
