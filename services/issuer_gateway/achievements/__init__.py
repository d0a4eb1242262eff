"""Achievements: described, revised, found; what their documents have in common. Speaks no SQL and no HTTP."""
