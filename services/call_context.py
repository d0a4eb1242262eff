"""What goes along with a request from service to service: its id, and its place in a trace. Knows no service.

A request may be answered by work that other tasks do for several at once: what is said on the log waits in an outbox
and is carried with what others said. `CallOrigins` remembers for a while for whom.
"""

import contextlib
import itertools
import secrets
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from contextvars import ContextVar

import msgspec

ORIGINS_MAX = 20_000
_ids = itertools.count(1)
_ID_PREFIX = secrets.token_hex(4)


class CallContext(msgspec.Struct, frozen=True, gc=False):
    """The id of the request that is answered, and the span of its trace in W3C's form (`traceparent`), if any."""

    request_id: str | None = None
    traceparent: str | None = None


NOWHERE = CallContext()
_current: ContextVar[CallContext] = ContextVar("call_context", default=NOWHERE)
_asker: ContextVar[Callable[[], str] | None] = ContextVar("call_asker", default=None)


def current() -> CallContext:
    """Return what the running task works for; `NOWHERE` in the background."""
    return _current.get()


def begin(request_id: str, asker: Callable[[], str] | None = None) -> None:
    """Say which request the running task answers from now on, and for which client; its span stays what it is."""
    _current.set(CallContext(request_id, _current.get().traceparent))
    _asker.set(asker)


def asker() -> str:
    """Return the client that the running task works for: its address, or its network; "" in the background."""
    found = _asker.get()
    return found() if found is not None else ""


def begin_traced(traceparent: str) -> None:
    """Say of which span of somebody else's trace all that this process does is a part."""
    _current.set(CallContext(_current.get().request_id, traceparent))


@contextlib.contextmanager
def carrying(context: CallContext) -> Iterator[None]:
    """Work for this while the block runs."""
    token = _current.set(context)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):  # a generator may be closed by another task than the one that began it
            _current.reset(token)


def headers_along() -> dict[str, str]:
    """Return the headers that tell another service of ours for whom we ask; none where it is for nobody."""
    context = _current.get()
    headers = {}
    if context.request_id is not None:
        headers["X-Request-Id"] = context.request_id
    if context.traceparent is not None:
        headers["traceparent"] = context.traceparent
    return headers


class CallOrigins:
    """For whom things were begun that others finish, by the things' ids; the oldest are forgotten first."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, CallContext] = OrderedDict()

    def note(self, ids: Iterable[Hashable]) -> None:
        """Remember that the running task began these; nothing where it works for nobody."""
        context = _current.get()
        if context is NOWHERE:
            return
        for each in ids:
            self._known[each] = context
        while len(self._known) > ORIGINS_MAX:
            self._known.popitem(last=False)

    def of(self, ids: Iterable[Hashable]) -> list[CallContext]:
        """Return for whom these were begun, as far as it is known, each once, in order."""
        return list(dict.fromkeys(self._known[each] for each in ids if each in self._known))


def together(origins: Sequence[CallContext]) -> CallContext:
    """Return under which id work for all of these goes on: the request's own where it is one, else a new id."""
    if len(origins) == 1 and origins[0].request_id is not None:
        return CallContext(origins[0].request_id)
    return CallContext(f"{_ID_PREFIX}-together-{next(_ids)}")
