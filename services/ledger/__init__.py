"""The ledger: an append-only, hash-chained log that is also a Merkle transparency log."""
