"""Claims: one-time links by which learners get credentials. Speaks no SQL and no HTTP."""
