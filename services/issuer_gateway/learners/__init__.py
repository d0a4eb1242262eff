"""Learners, as the institution names them: what they can stack, and their erasure."""
