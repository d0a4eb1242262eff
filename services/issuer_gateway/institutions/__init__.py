"""Institutions and their API keys: made, listed, revoked. Speaks no SQL and no HTTP."""
