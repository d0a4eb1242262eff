"""Credentials: issued, changed, stacked, imported, read; what is asked before. Speaks no SQL and no HTTP."""
