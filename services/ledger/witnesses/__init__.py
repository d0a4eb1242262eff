"""The log's witnesses: who is asked, how each stands, when a quorum has cosigned. Signs nothing itself.

It remembers nothing over a crash: the checkpoint that waits is offered again, and a witness that cosigned it says so.
"""
