"""The gateway's routes: the only place that knows requests and answers of HTTP. Decides nothing.

After a crash the client has no answer: the same request with the same key gets that of the work that was done, or has
it done. What is recorded of a call is written with its work.
"""
