"""Copies of the published log elsewhere: folders and buckets. A conflict is fatal; absence only delays.

What is there is never replaced by other bytes, and the checkpoint goes last: after a crash a mirror shows an older
tree, whole, and the next round brings what is missing.
"""
