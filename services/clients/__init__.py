"""Typed clients of our own HTTP, and the one way in which they ask. Prove nothing of what they are told."""
