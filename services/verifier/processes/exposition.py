"""One text for Prometheus from all processes of a verifier, each with its name in the label `process`. Knows no HTTP.

Each process writes what it measures to a file of its own, once a second; whichever is asked adds the others' files to
its own figures. Nothing is summed here: a process that begins anew is then a counter that begins anew, as Prometheus
expects, and `sum without (process)` is the whole.
"""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

WRITE_SECONDS = 1.0
OLD_SECONDS = 10.0
"""Figures that were not written for so long are not shown: whoever wrote them hangs, or cannot write."""
SUFFIX = ".prom"


class Exposition(Collector):
    """The figures of one process, `name`, and of all others that write to the same folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._own = ""

    def expose(self, registry: CollectorRegistry) -> bytes:
        """Return the text of all processes, with what this one measures now."""
        self._own = generate_latest(registry).decode()
        whole = CollectorRegistry()
        whole.register(self)
        return generate_latest(whole)

    def collect(self) -> Iterator[Metric]:
        """Yield every family once, with the samples of all processes."""
        families: dict[str, Metric] = {}
        for name, text in self._texts():
            for found in text_string_to_metric_families(text):
                family = families.setdefault(found.name, Metric(found.name, found.documentation, found.type))
                family.samples += [
                    sample._replace(labels={**sample.labels, "process": name}) for sample in found.samples
                ]
        yield from families.values()

    def _texts(self) -> Iterator[tuple[str, str]]:
        yield self._name, self._own
        for file in sorted(self._folder.glob(f"*{SUFFIX}")):
            if file.stem != self._name:
                try:
                    is_old = time.time() - file.stat().st_mtime > OLD_SECONDS
                    text = "" if is_old else file.read_text()
                except OSError:  # its process has just ended
                    continue
                yield file.stem, text

    async def keep_writing(self, registry: CollectorRegistry) -> None:
        """Write this process's figures again and again, until cancelled; a full disk ends no process for them."""
        while True:
            with contextlib.suppress(OSError):
                await asyncio.to_thread(self.write, registry)
            await asyncio.sleep(WRITE_SECONDS)

    def write(self, registry: CollectorRegistry) -> None:
        """Write this process's figures for the others; blocks shortly."""
        new = self._folder / f"{self._name}.new"
        new.write_bytes(generate_latest(registry))
        new.replace(self._folder / f"{self._name}{SUFFIX}")


def forget(folder: Path, name: str) -> None:
    """Remove what a process that has ended wrote."""
    (folder / f"{name}{SUFFIX}").unlink(missing_ok=True)
