"""Learners, as the institution names them: what they can stack, and their erasure.

What is to go is committed first, then keys are destroyed: an erasure that a crash cut short is finished by the same
request again, by the hourly sweep, or at the next start.
"""
