"""Secrets at rest and at work: the vault, learners' keys, institutions' signing keys. Hands out no secret key.

Keys are on the disk before the database names them, and are destroyed after it has forgotten them: a crash between the
two leaves a key that opens nothing, which a sweep takes away, and never a document without its key.
"""
