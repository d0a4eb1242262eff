"""Applications for recognition: evidence that is checked, decisions with reasons, appeals, precedents (DESIGN 11).

A decision, its event and its record in the trail are of one transaction: after a crash all of it is there or none.
A document that was asked of a verifier and not stored is asked again. A reminder, a publication or an erasure that is
due is done by the next look.
"""
