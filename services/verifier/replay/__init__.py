"""Keeps the records up with the log: follows it, compares it with others, derives an import again. Answers nothing.

After a crash it goes on from the projection's position. An import that was not derived to its end is derived again, and
until then each answer says so.
"""
