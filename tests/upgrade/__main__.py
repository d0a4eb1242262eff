"""`make upgrade-walk`: the release before and this one, in turn on the same data, while clients read and write.

Prints each step with its stopwatch, and ends with 1 where something was lost, wrong or away for longer than said.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
from pathlib import Path

from tests.upgrade.releases import Release, previous_release, this_release
from tests.upgrade.walk import Walk


async def main() -> None:
    """Walk from the release before to this one, back, and forward again."""
    with tempfile.TemporaryDirectory(prefix="credentify-upgrade-") as name:
        folder = Path(name)
        os.chmod(name, 0o711)  # noqa: PTH101 - root's database server passes through
        old: Release = await asyncio.to_thread(previous_release, folder)
        new = this_release()
        async with contextlib.AsyncExitStack() as stack:
            walk = await stack.enter_async_context(Walk.begun(folder, old))
            await walk.migrate(new)
            await walk.roll(new, ("ledger-2", "verifier-1", "verifier-2"))
            await walk.roll(new, ("ledger",))
            await walk.audit(old)
            await walk.roll(new, ("gateway",))
            await walk.is_whole("upgraded")
            await walk.refuses_downgrade(old)
            await walk.roll(old, ("gateway", "ledger", "ledger-2", "verifier-1", "verifier-2"))
            await walk.is_whole("rolled back")
            await walk.roll(new, ("ledger-2", "verifier-1", "verifier-2", "ledger", "gateway"))
            await walk.is_whole("upgraded again")
            await walk.fsck(new)
        sys.stdout.write("upgrade walk: ok\n")


if __name__ == "__main__":
    asyncio.run(main())
