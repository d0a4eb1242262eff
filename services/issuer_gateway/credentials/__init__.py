"""Credentials: issued, changed, stacked, imported, read; what is asked before. Speaks no SQL and no HTTP.

Nothing was issued, changed or imported before the COMMIT that its `unit_of_work` makes; after it document, event and
answer are all there. A learner's key or a place on a status list that was taken before a crash, and led to nothing,
opens nothing and is given to nobody.
"""
