"""Traces (OpenTelemetry) of what a service does, as an option: nothing of it is imported where it is off.

Spans that were not sent yet are lost in a crash; nothing rests on them.

What is in a span: names of our own, route templates, methods, codes, counts, sizes, names of error classes. Never an id
of a credential, learner or link, an address, a query, a header, a name, an error's words.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Any, Literal, Protocol

from services.call_context import CallContext
from services.settings import SettingsFault

SpanKind = Literal["internal", "server", "client"]
Attributes = dict[str, str | int | float | bool]
Say = Callable[..., None]
"""Writes a warning into the service's log: its event and values."""


class Tracing(Protocol):
    """What makes spans and sends them away."""

    def span(
        self,
        name: str,
        *,
        kind: SpanKind = "internal",
        parents: Sequence[CallContext] | None = None,
        attributes: Mapping[str, Any] | None = None,
    ) -> AbstractContextManager[Attributes]:
        """Make a span of the block, and have what it asks of others be part of it; yields attributes to be added.

        It is part of the first of `parents` and linked to the others; without any it begins a trace, and by default it
        is part of what the task works for.
        """
        ...

    def record(
        self,
        name: str,
        *,
        started_ns: int,
        parents: Sequence[CallContext] = (),
        attributes: Mapping[str, Any] | None = None,
        error: BaseException | None = None,
    ) -> CallContext:
        """Make a span of what began at `started_ns` (Unix time) and has ended now; return it, to be a parent."""
        ...

    def running(self) -> AbstractAsyncContextManager[None]:
        """Send what is still here once the block is over, for a second at most."""
        ...


def open_tracing(*, url: str | None, share: float, service: str, version: str, say: Say) -> Tracing | None:
    """Return what traces this service, or None where no receiver is named.

    Raises `SettingsFault` where the library is not installed.
    """
    if url is None:
        return None
    try:
        from services.tracing.otlp import OtlpTracing  # noqa: PLC0415 - off, it costs no import and no memory
    except ModuleNotFoundError as error:
        raise SettingsFault(
            f"TRACES_URL asks for traces, and {error.name} is not installed: install credentify[tracing] (the hashes "
            "are in requirements-tracing.txt), or leave the setting out"
        ) from error
    return OtlpTracing(url=url, share=share, service=service, version=version, say=say)
