"""The ledger's routes: the only place that knows requests and answers of HTTP. Appends and signs nothing itself.

After a crash the client has no answer: the same event again gets its place, the first one, and no second.
"""
