"""Links by which learners reach what they hold, and show it: claims used once, own pages, shares. Speaks no SQL.

A link is used up in the transaction that issues, or before its document is sent: after a crash the browser that used it
fetches the document again, and nobody else can use it.
"""
