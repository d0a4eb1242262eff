"""Keeps the records up with the log: follows it, compares it with others, derives an import again. Answers nothing."""
