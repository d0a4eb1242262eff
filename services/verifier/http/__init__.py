"""The verifier's routes: the only place that knows requests and answers of HTTP. Nothing sent is kept or logged.

After a crash the client asks again: nothing was changed, but for a witness's cosignature, which it has kept.
"""
