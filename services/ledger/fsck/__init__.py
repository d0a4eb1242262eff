"""Recomputes what a ledger's database holds and names what is damaged. Repairs and writes nothing.

It reads one snapshot, so a crash of it changes nothing; a temporary file of states may stay behind.
"""
