"""Recomputes what a gateway's database holds and names what is damaged, or was said wrongly before."""
