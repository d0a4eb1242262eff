"""Secrets at rest and at work: the vault, learners' keys, institutions' signing keys. Hands out no secret key."""
