"""Requests for achievements, as learners and as staff see them. Speaks no SQL and no HTTP."""
