"""Achievements: described, revised, found; what their documents have in common. Speaks no SQL and no HTTP.

A description and the request's answer are of one transaction: after a crash both are there or neither, and the same
request again gives the first answer.
"""
