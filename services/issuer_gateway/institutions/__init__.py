"""Institutions and their API keys: made, listed, revoked. Speaks no SQL and no HTTP.

An institution with its sealed key, or an API key, is one transaction. The secret is in the answer alone: where that was
lost in a crash, the key is revoked and another made.
"""
