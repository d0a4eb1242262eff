"""PostgreSQL, SQLite, buckets and files that survive a power loss, for whoever stores. Know no table of a service.

A transaction whose COMMIT was not answered is never taken for either outcome (`CommitUnknownError`), and a file has its
old content or its new one, whatever interrupts us.
"""
