"""Signatures, Data Integrity proofs and canonical RDF: what is more than pure. Know no service and keep no key.

What is kept is in memory. A process of ours that crashes, or is killed for taking too long, costs the documents it was
at: their proofs are not checked, which is never the same as good. The next question gets a new process.
"""
