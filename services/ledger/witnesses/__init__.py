"""The log's witnesses: who is asked, how each stands, when a quorum has cosigned. Signs nothing itself."""
