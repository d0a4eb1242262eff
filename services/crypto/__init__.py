"""Signatures, Data Integrity proofs and canonical RDF: what is more than pure. Know no service and keep no key."""
