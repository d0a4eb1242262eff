"""The `credentify` command: `python -m services …` and the console script. Each subcommand is a room of its own.

The first process of a container is sent no signal that it has not asked for: it asks before anything else is loaded, so
that a service which is told to stop in its first second stops.
"""

import gc
import importlib
import signal


def _stop(*_: object) -> None:
    raise SystemExit(128 + signal.SIGTERM)


signal.signal(signal.SIGTERM, _stop)


def main() -> None:
    """Run the command, whose modules are loaded only now; garbage is collected once they are."""
    gc.disable()
    importlib.import_module("services.command.main").main()


if __name__ == "__main__":
    main()
