"""How seldom a service looks for garbage. For the whole process, so called once by whoever runs it, never on import."""

import gc

GC_THRESHOLDS = (50_000, 20, 100)
"""Objects, then rounds, after which the three generations are looked through."""


def settle_memory() -> None:
    """Look for garbage seldom: what is here now stays, and what comes is mostly short-lived and without cycles.

    To look through all of it again and again takes a tenth of an append, of an issue and of a replay.
    """
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
