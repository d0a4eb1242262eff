"""Recomputes what a gateway's database holds and names what is damaged, or was said wrongly before.

It reads one snapshot, so a crash of it changes nothing: it is started again.
"""
