"""Typed clients of our own HTTP, and the one way in which they ask. Prove nothing of what they are told.

They keep nothing. After a crash, or where no answer came, nobody knows whether the other side did what was asked: a
request is sent again only where that does nothing twice (a read, or one with an idempotency key).
"""
