"""Copies of the published log elsewhere: folders and buckets. A conflict is fatal; absence only delays."""
