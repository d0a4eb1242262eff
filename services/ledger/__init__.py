"""The ledger: an append-only, hash-chained log that is also a Merkle transparency log.

Each step of an entry, and what holds after a crash there, stands in README.md here.
"""
