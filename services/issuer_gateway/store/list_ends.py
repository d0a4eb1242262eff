"""Where lists in the order of times begin.

A list goes on behind a time and an id, by an index that has both. Its first page is asked for in the same way, behind
what no row stands before: with `$1 IS NULL OR …` all rows are looked through wherever a plan is made without values.
"""

from datetime import UTC, datetime
from uuid import UUID

FIRST = (datetime.min.replace(tzinfo=UTC), str(UUID(int=0)))
"""Before whatever there is, for a list that begins with the oldest."""
LAST = (datetime.max.replace(tzinfo=UTC), str(UUID(int=(1 << 128) - 1)))
"""Behind whatever there is, for a list that begins with the newest."""
