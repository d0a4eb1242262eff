"""API keys of machines and their quotas. Knows no route.

Quotas are counted in memory: after a crash of the verifier they begin anew, and the keys are as the file has them.
"""
