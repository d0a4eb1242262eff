"""Recomputes what a ledger's database holds and names what is damaged. Repairs and writes nothing."""
