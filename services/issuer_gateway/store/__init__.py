"""The only rooms of the gateway that speak SQL. Each function takes a connection; the caller owns the transaction.

A crash before the caller's COMMIT leaves nothing of it, one after it everything.
"""
