"""Requests for achievements, as learners and as staff see them. Speaks no SQL and no HTTP.

A decision, the credential and the answer are of one transaction: after a crash a request is decided or still open.
"""
